import cluster from 'node:cluster'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { decimal, whole, longestTimer, readVariable } from './util/given.ts'
import { errors, hidden } from './errors.ts'
import { show } from './util/shown.ts'
import { platformNames, readPlatformatic, recognise } from './platform/detect.ts'
import type { Platform, Platformatic } from './platform/detect.ts'
import { stateVariable } from './platform/end-file.ts'
import { developerOf } from './process/ancestors.ts'
import { absolutePath, closeCode, integer, ipAddress, oneOf, prefix, route, token } from './rules.ts'
import type { Rule } from './rules.ts'

/** What the environment says. */
export interface Environment {
  /** The platforms that its variables show, in the order of precedence. */
  recognised: readonly Platform[]
  /** The variables themselves, for what a platform shows in them. */
  env: NodeJS.ProcessEnv
  /** Whether `NODE_ENV` says `production`. */
  inProduction: boolean
  /** What says that somebody develops the service, see {@link developerOf}; undefined elsewhere. */
  developer?: string | undefined
  /**
   * Whether the container ends with this thread: it does not end with a worker thread, a cluster worker or a process
   * below a supervisor.
   */
  speaksForContainer: boolean
  /** Platformatic's runtime, which calls `app.close()` in a worker thread; undefined elsewhere. */
  platformatic: Platformatic | undefined
  /** Whether somebody else's primary of `node:cluster` hands out the connections. */
  foreignPrimary: boolean
  /** Where this process may leave what says that it was killed; undefined where nobody says where, or it may not. */
  stateDirectory: string | undefined
  /** Whether this is a child of the plugin's supervisor. */
  supervised: boolean
  /** How many processes of a supervisor share the listener of this one; 1 without. */
  siblings: number
  /** What the variables say about options, by the options' names; see {@link variables}. */
  options: Readonly<Record<string, unknown>>
}

// `set NODE_ENV=production && node server.js` leaves a space behind, and must not open what production keeps shut.
const isInProduction = (env: NodeJS.ProcessEnv): boolean => readVariable(env, 'NODE_ENV')?.trim() === 'production'

/** Whether this is production, or a platform that is known. */
export function isDeployed (env: NodeJS.ProcessEnv = process.env): boolean {
  return isInProduction(env) || recognise(env).length > 0
}

/** What says that somebody develops the service, see {@link developerOf}. */
export function readDeveloper (env: NodeJS.ProcessEnv = process.env): string | undefined {
  return developerOf({ env, argv: process.argv, parent: process.ppid, isDeployed: isDeployed(env) })
}

/** Which process supervises: those below it inherit it. */
export const supervisorVariable = 'GRACEFUL_SUPERVISOR_PID'
/** How many children it has. */
export const siblingsVariable = 'GRACEFUL_SUPERVISOR_CHILDREN'
/** Whether the supervisor accepts in place of its children: `1`. */
export const stickyVariable = 'GRACEFUL_SUPERVISOR_STICKY'
/** Which of its places a child has, from 1. Who follows it there has the same. */
export const childVariable = 'GRACEFUL_CHILD'

/**
 * Whether this is a worker of a `node:cluster` whose primary is not our supervisor: pm2's, or a hand-made one. It
 * hands out connections until the worker closes, and the others serve on.
 */
function hasForeignPrimary (env: NodeJS.ProcessEnv): boolean {
  return cluster.isWorker && !isBelow(env)
}

/** A variable, the option it is a default of, and how its text becomes a value: undefined where it is none. */
export interface Variable { name: string, option: string, expected: string, read: (text: string) => unknown }

/** Longest time, in seconds. */
const longestTime = Math.floor(longestTimer / 1000)

function seconds (name: string, option: string, least = 0): Variable {
  const read = (text: string): number | undefined => {
    const value = decimal(text)
    return value >= least && value <= longestTime ? value * 1000 : undefined
  }
  return { name, option, expected: `a number of seconds from ${least} to ${longestTime}`, read }
}

function ruled (
  name: string,
  option: string,
  rule: Rule,
  convert: (text: string) => unknown = (text) => text
): Variable {
  const read = (text: string): unknown => {
    const value = convert(text)
    return rule.test(value) ? value : undefined
  }
  return { name, option, expected: rule.expected, read }
}

const booleans: ReadonlyMap<string, boolean> = new Map([['true', true], ['false', false]])

/** Names a file that says what `GRACEFUL_ADMIN_TOKEN` would: the environment of a process has more readers. */
export const tokenFileVariable = 'GRACEFUL_ADMIN_TOKEN_FILE'
/** Bytes of that file; a longer one is no token. */
const longestTokenFile = 16_384

/** Every variable that is a default of an option. */
export const variables: readonly Variable[] = [
  ruled('GRACEFUL_PLATFORM', 'platform', oneOf('auto', false, ...platformNames), (text) => text !== 'false' && text),
  seconds('TERMINATION_GRACE_PERIOD_SECONDS', 'gracePeriod', 1),
  seconds('PRESTOP_SECONDS', 'preStop'),
  seconds('GRACEFUL_RESERVE_SECONDS', 'reserve'),
  seconds('GRACEFUL_ANNOUNCE_MIN_SECONDS', 'announce.min'),
  seconds('GRACEFUL_ANNOUNCE_QUIET_SECONDS', 'announce.quiet'),
  seconds('GRACEFUL_ANNOUNCE_BLIND_SECONDS', 'announce.blind'),
  seconds('GRACEFUL_ANNOUNCE_MAX_SECONDS', 'announce.max'),
  seconds('GRACEFUL_ANNOUNCE_READINESS_DELAY_SECONDS', 'announce.readinessDelay'),
  ruled('GRACEFUL_ANNOUNCE_FAILURES', 'announce.failures', integer(0, 100), whole),
  ruled('GRACEFUL_ANNOUNCE_SHED', 'announce.shed', oneOf('gradual', 'immediate', 'off')),
  ruled('GRACEFUL_ANNOUNCE_ENVOY', 'announce.envoy', oneOf(true, false), (text) => booleans.get(text)),
  ruled('GRACEFUL_ANNOUNCE_ON_CLOSE', 'announce.onClose', oneOf(true, false), (text) => booleans.get(text)),
  seconds('GRACEFUL_DRAIN_IDLE_SECONDS', 'drain.idle'),
  seconds('GRACEFUL_DRAIN_SPREAD_SECONDS', 'drain.spread'),
  ruled('GRACEFUL_DRAIN_WEB_SOCKET_CODE', 'drain.webSocket.code', closeCode, whole),
  seconds('GRACEFUL_DRAIN_WEB_SOCKET_QUIET_SECONDS', 'drain.webSocket.quiet'),
  seconds('GRACEFUL_CLOSE_SECONDS', 'close'),
  ruled('GRACEFUL_OTHER_LISTENERS', 'otherListeners', oneOf('after', 'beside')),
  ruled('GRACEFUL_PROBES_PREFIX', 'probes.prefix', prefix),
  ruled('GRACEFUL_EXTERNAL_PATH', 'probes.external.path', route),
  ruled('GRACEFUL_EXTERNAL_STATUS', 'probes.external.status', integer(200, 599), whole),
  seconds('GRACEFUL_EXTERNAL_DELAY_SECONDS', 'probes.external.delay'),
  ruled('GRACEFUL_SYSTEMD_EXTEND_TIMEOUT', 'systemd.extendTimeout', oneOf(true, false), (text) => booleans.get(text)),
  ruled('GRACEFUL_WATCHDOG_PORT', 'watchdog.port', integer(0, 65_535), whole),
  ruled('GRACEFUL_WATCHDOG_HOST', 'watchdog.host', ipAddress),
  ruled('GRACEFUL_ADMIN_PREFIX', 'admin.prefix', prefix),
  ruled(
    'GRACEFUL_ADMIN_TOKEN',
    'admin.token',
    { ...token, expected: 'tokens of at least 16 visible ASCII characters, separated by commas' },
    (text) => text.split(',').map((one) => one.trim())
  ),
  ruled('GRACEFUL_TERMINATION_MESSAGE_PATH', 'kubernetes.terminationMessagePath', absolutePath)
]

/**
 * Reads the environment. An empty variable is one that is not set.
 *
 * @throws FST_GRACEFUL_INVALID_ENVIRONMENT a variable is set to something that its option cannot be
 */
export function readEnvironment (env: NodeJS.ProcessEnv): Environment {
  const options = Object.create(null) as Record<string, unknown>
  for (const { name, option, expected, read } of variables) {
    const text = readVariable(env, name)
    if (text === undefined || text === '') continue
    options[option] = read(text)
    if (options[option] !== undefined) continue
    // A token that is too short is still a secret.
    throw new errors.FST_GRACEFUL_INVALID_ENVIRONMENT(name, expected, option === 'admin.token' ? hidden : quoted(text))
  }
  const file = readVariable(env, tokenFileVariable)
  if (file !== undefined && file !== '') options['admin.token'] = readTokenFile(file, env)
  const platformatic = readPlatformatic()
  return {
    recognised: recognise(env, platformatic),
    env,
    inProduction: isInProduction(env),
    developer: readDeveloper(env),
    speaksForContainer: isMainThread && cluster.isPrimary && !readVariable(env, supervisorVariable),
    platformatic,
    foreignPrimary: hasForeignPrimary(env),
    stateDirectory: isMainThread && !isBelow(env) ? readStateDirectory(env) : undefined,
    supervised: isBelow(env),
    siblings: isBelow(env) ? Math.max(1, whole(readVariable(env, siblingsVariable)) || 1) : platformatic?.workers ?? 1,
    options
  }
}

/** @throws FST_GRACEFUL_INVALID_ENVIRONMENT */
function readStateDirectory (env: NodeJS.ProcessEnv): string | undefined {
  const path = readVariable(env, stateVariable)
  if (path === undefined || path === '' || absolutePath.test(path)) return path || undefined
  throw new errors.FST_GRACEFUL_INVALID_ENVIRONMENT(stateVariable, absolutePath.expected, quoted(path))
}

/** @throws FST_GRACEFUL_INVALID_ENVIRONMENT, which never shows what is in the file */
function readTokenFile (path: string, env: NodeJS.ProcessEnv): unknown {
  const { name = '', expected = '', read } = variables.find(({ option }) => option === 'admin.token') ?? {}
  const wanted = `the absolute path of a file with ${expected}`
  const refuse = (why: string): Error =>
    new errors.FST_GRACEFUL_INVALID_ENVIRONMENT(tokenFileVariable, wanted, `${quoted(path)} (${why})`)
  if (readVariable(env, name)) throw refuse(`beside ${name}: give one of the two`)
  if (!absolutePath.test(path)) throw refuse('no absolute path')
  let text: string
  try {
    text = readStart(path, longestTokenFile + 1)
  } catch (error) {
    throw refuse((error as NodeJS.ErrnoException).code ?? 'not readable')
  }
  const value = text.length > longestTokenFile ? undefined : read?.(text.replace(/\r?\n$/, ''))
  if (value === undefined) throw refuse('another content, which is not shown')
  return value
}

/** What a file begins with. A FIFO or a device is not waited for. */
function readStart (path: string, most: number): string {
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  try {
    const bytes = Buffer.alloc(most)
    return bytes.toString('latin1', 0, readSync(file, bytes))
  } finally {
    closeSync(file)
  }
}

/** Whether this process is a child of a supervisor. */
function isBelow (env: NodeJS.ProcessEnv): boolean {
  return readVariable(env, supervisorVariable) === String(process.ppid)
}

/** What was given, on one line: in a message it stands in quotes of its own. */
function quoted (text: string): string {
  return show(text).replace(/^"|"$/g, '').replaceAll('\\"', '"')
}
