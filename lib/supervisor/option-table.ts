import { boolean, fileMode, text as anyText } from '../rules.ts'
import { unknownGracePeriod } from '../platform/surroundings.ts'
import { socketPath } from '../server/socket-files.ts'
import type { SupervisorOptions } from './settings.ts'

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
