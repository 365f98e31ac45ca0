import { unknownGracePeriod } from '../platform/surroundings.ts'
import type { GraceSource, Surroundings } from '../platform/surroundings.ts'
import type { SystemdOptions } from '../platform/systemd/applications.ts'
import { boolean, fileMode, text as anyText } from '../rules.ts'
import { socketPath } from '../server/socket-files.ts'
import type { SupervisorLog } from './parent/terminal.ts'

/** What a supervisor takes. Times are milliseconds. Every default is in {@link supervisorOptions}. */
export interface SupervisorOptions {
  /** The service's file: what would be given to `node`. Looked for anew at each start of a child. */
  script: string
  /** Its arguments. */
  args?: readonly string[]
  /** How many children serve: a number, or `'auto'` for one per available core. */
  workers?: number | 'auto'
  /** Whether connections from one address go to one child, so that socket.io's long polling works. Default `false`. */
  sticky?: boolean
  /** From the signal to the end of the last child: what the process manager waits before it kills. */
  gracePeriod?: number
  /** What a child gets on top of its own grace period before it is killed. */
  childTimeout?: number
  /** How long a child may take until it is ready. */
  startTimeout?: number
  /** How many children must be ready for the whole to be ready. */
  minReady?: number
  /** How many children may be on their way out at the same time during a reload. */
  maxSurge?: number
  /** More ends than this in a row before a child of one place was ready end the supervisor, where no child is ready. */
  maxCrashes?: number
  /** Bytes of memory (resident set) that a child may have; one that has more for three seconds is replaced. */
  maxMemory?: number
  /** Port of the supervisor's own health and admin routes. */
  statusPort?: number
  /** Address of that port. */
  statusHost?: string
  /** A unix socket in place of that port: whoever may open it is authorised. */
  statusSocket?: string
  /** Its file mode, in octal (`'0660'`) or as a number (`0o660`): whoever may write to it may connect. */
  statusSocketMode?: string | number
  /** What `Authorization: Bearer` must carry, at least 16 characters. */
  statusToken?: string
}

/** The options of `supervise`: those of the command, and what only a program can give. */
export interface SuperviseOptions extends SupervisorOptions {
  /** Where the supervisor's own lines go. Default: JSON lines on standard output. */
  log?: SupervisorLog
  /** Whether SIGTERM, SIGINT and SIGHUP are listened for. Default `true`. */
  signals?: boolean
  /** Whether the process ends with the last child. Default `true`. */
  exit?: boolean
}

/** The options with every default filled in. */
export interface SupervisorSettings {
  script: string
  args: readonly string[]
  workers: number
  /** Never with one child. */
  sticky: boolean
  gracePeriod: number
  /** What a preStop hook takes of it before the signal. */
  preStop: number
  /** The grace period that children are given. */
  childGracePeriod: number
  childTimeout: number
  startTimeout: number
  minReady: number
  maxSurge: number
  maxCrashes: number
  /** Undefined: a child may have any amount. */
  maxMemory: number | undefined
  /** Where is left what says that the process was killed; undefined: nowhere. */
  stateDirectory: string | undefined
  /** Where the container's termination message goes; undefined: nowhere. */
  terminationMessagePath: string | undefined
  /** Where the process runs, and who says how long the grace period is. */
  surroundings: Surroundings
  graceFrom: GraceSource
  /** Undefined where systemd is told nothing. */
  systemd: SystemdOptions | undefined
  inKubernetes: boolean
  /** In production, or in Kubernetes. */
  inService: boolean
  status: StatusSettings | undefined
}

/** Where the status routes are, and who is let in there. */
interface StatusSettings {
  listen: { port: number, host: string } | { path: string }
  token: string | undefined
  /** Undefined where there is no unix socket. */
  unixSocket: { mode: number } | undefined
}

type Kind = 'text' | 'boolean' | 'mode' | 'count' | 'workers' | 'time' | 'bytes' | 'secret'

/** One option: its values, also in words, and its default in words. The command makes a flag and a variable of each. */
export interface SupervisorOption {
  name: Exclude<keyof SupervisorOptions, 'script' | 'args'>
  kind: Kind
  expected: string
  default: string
  test: (value: unknown) => boolean
}

const longest = 2 ** 31 - 1
/** Defaults that are plain values. */
export const defaults = {
  workers: 1, startTimeout: 60_000,
  minReady: 1, maxSurge: 1, maxCrashes: 5, statusHost: '127.0.0.1'
} as const
/** In bytes: less than any Node takes, and more than any machine has. */
const [leastMemory, mostMemory] = [2 ** 20, 2 ** 50]
const isCount = (least: number, most: number) => (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) >= least && Number(value) <= most
const time = (least: number): Pick<SupervisorOption, 'kind' | 'expected' | 'test'> => ({
  kind: 'time',
  expected: `a number of milliseconds from ${least} to ${longest}`,
  test: (value) => typeof value === 'number' && value >= least && value <= longest
})
const count = (least: number, most: number): Pick<SupervisorOption, 'kind' | 'expected' | 'test'> => ({
  kind: 'count',
  expected: `an integer from ${least} to ${most}`,
  test: isCount(least, most)
})
const text: Pick<SupervisorOption, 'kind' | 'expected' | 'test'> = { kind: 'text', ...anyText }

/** Every option of a supervisor; `docs/guides/supervisor.md` shows the same table, and a test compares the two. */
export const supervisorOptions: readonly SupervisorOption[] = [
  {
    name: 'workers', kind: 'workers', expected: "an integer from 1 to 1024, or 'auto'", default: `${defaults.workers}`,
    test: (value) => value === 'auto' || isCount(1, 1024)(value)
  },
  { name: 'sticky', kind: 'boolean', ...boolean, default: '`false`' },
  {
    name: 'gracePeriod', ...time(1000),
    default: `env \`TERMINATION_GRACE_PERIOD_SECONDS\` x 1000, else that of the platform, else ${unknownGracePeriod}`
  },
  { name: 'childTimeout', ...time(0), default: '5000, at most a sixth of the grace period' },
  { name: 'startTimeout', ...time(1), default: `${defaults.startTimeout}` },
  { name: 'minReady', ...count(1, 1024), default: `${defaults.minReady}` },
  { name: 'maxSurge', ...count(1, 1024), default: `${defaults.maxSurge}` },
  { name: 'maxCrashes', ...count(0, 1_000_000), default: `${defaults.maxCrashes}` },
  {
    name: 'maxMemory', kind: 'bytes', default: 'none',
    expected: `a number of bytes from ${leastMemory} to ${mostMemory}`, test: isCount(leastMemory, mostMemory)
  },
  { name: 'statusPort', ...count(0, 65_535), default: 'none' },
  { name: 'statusHost', ...text, default: `\`'${defaults.statusHost}'\`` },
  { name: 'statusSocket', kind: 'text', ...socketPath, default: 'none' },
  { name: 'statusSocketMode', kind: 'mode', ...fileMode, default: '`0600`' },
  {
    name: 'statusToken', kind: 'secret', expected: 'at least 16 visible ASCII characters', default: 'none',
    test: (value) => typeof value === 'string' && value.length >= 16 && /^[\x21-\x7e]+$/.test(value)
  }
]
