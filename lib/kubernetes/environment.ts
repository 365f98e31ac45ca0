import cluster from 'node:cluster'
import { isMainThread } from 'node:worker_threads'
import { errors } from '../errors.ts'
import { longestTimer } from '../limits.ts'
import { readPlatformatic } from '../platformatic.ts'
import type { Platformatic } from '../platformatic.ts'
import { absolutePath, closeCode, integer, oneOf, prefix, route, token } from '../rules.ts'
import type { Rule } from '../rules.ts'

/** What the environment says. */
export interface Environment {
  /** Whether this is a pod: the kubelet sets `KUBERNETES_SERVICE_HOST` in every container. */
  inKubernetes: boolean
  /** Whether `NODE_ENV` says `production`. */
  inProduction: boolean
  /** Whether the end of this thread is the end of the container: neither a worker thread's nor a cluster worker's is, nor that of a process below a supervisor. */
  speaksForContainer: boolean
  /** Platformatic's runtime, which calls `app.close()` in a worker thread; undefined elsewhere. */
  platformatic: Platformatic | undefined
  /** Whether somebody else's primary of `node:cluster` hands out the connections. */
  foreignPrimary: boolean
  /** How many processes of a supervisor share the listener of this one; 1 without. */
  siblings: number
  /** What the variables say about options, by the options' names; see {@link variables}. */
  options: Readonly<Record<string, unknown>>
}

/** Which process supervises: those below it inherit it. */
export const supervisorVariable = 'GRACEFUL_SUPERVISOR_PID'
/** How many children it has. */
export const siblingsVariable = 'GRACEFUL_SUPERVISOR_CHILDREN'

/**
 * Whether this is a worker of a `node:cluster` whose primary is not our supervisor: pm2's, or a hand-made one. It hands out
 * connections until the worker closes, and the others serve on.
 */
export function hasForeignPrimary (env: NodeJS.ProcessEnv = process.env): boolean {
  return cluster.isWorker && env[supervisorVariable] !== String(process.ppid)
}

/** A variable, the option it is a default of, and how its text becomes a value: undefined where it is none. */
export interface Variable { name: string, option: string, expected: string, read: (text: string) => unknown }

/** Longest time, in seconds. */
const most = Math.floor(longestTimer / 1000)

function seconds (name: string, option: string, least = 0): Variable {
  const read = (text: string): number | undefined => {
    const value = Number(text)
    return Number.isFinite(value) && value >= least && value <= most ? value * 1000 : undefined
  }
  return { name, option, expected: `a number of seconds from ${least} to ${most}`, read }
}

function ruled (name: string, option: string, rule: Rule, convert: (text: string) => unknown = (text) => text): Variable {
  const read = (text: string): unknown => {
    const value = convert(text)
    return rule.test(value) ? value : undefined
  }
  return { name, option, expected: rule.expected, read }
}

const booleans: Record<string, boolean> = { true: true, false: false }

/** Every variable that is a default of an option. */
export const variables: readonly Variable[] = [
  seconds('TERMINATION_GRACE_PERIOD_SECONDS', 'gracePeriod', 1),
  seconds('PRESTOP_SECONDS', 'preStop'),
  seconds('GRACEFUL_RESERVE_SECONDS', 'reserve'),
  seconds('GRACEFUL_ANNOUNCE_MIN_SECONDS', 'announce.min'),
  seconds('GRACEFUL_ANNOUNCE_QUIET_SECONDS', 'announce.quiet'),
  seconds('GRACEFUL_ANNOUNCE_BLIND_SECONDS', 'announce.blind'),
  seconds('GRACEFUL_ANNOUNCE_MAX_SECONDS', 'announce.max'),
  seconds('GRACEFUL_ANNOUNCE_READINESS_DELAY_SECONDS', 'announce.readinessDelay'),
  ruled('GRACEFUL_ANNOUNCE_FAILURES', 'announce.failures', integer(0, 100), Number),
  ruled('GRACEFUL_ANNOUNCE_SHED', 'announce.shed', oneOf('gradual', 'immediate', 'off')),
  ruled('GRACEFUL_ANNOUNCE_ENVOY', 'announce.envoy', oneOf(true, false), (text) => booleans[text]),
  ruled('GRACEFUL_ANNOUNCE_ON_CLOSE', 'announce.onClose', oneOf(true, false), (text) => booleans[text]),
  seconds('GRACEFUL_DRAIN_IDLE_SECONDS', 'drain.idle'),
  seconds('GRACEFUL_DRAIN_SPREAD_SECONDS', 'drain.spread'),
  ruled('GRACEFUL_DRAIN_WEB_SOCKET_CODE', 'drain.webSocket.code', closeCode, Number),
  seconds('GRACEFUL_DRAIN_WEB_SOCKET_QUIET_SECONDS', 'drain.webSocket.quiet'),
  seconds('GRACEFUL_CLOSE_SECONDS', 'close'),
  ruled('GRACEFUL_OTHER_LISTENERS', 'otherListeners', oneOf('after', 'beside')),
  ruled('GRACEFUL_PROBES_PREFIX', 'probes.prefix', prefix),
  ruled('GRACEFUL_EXTERNAL_PATH', 'probes.external.path', route),
  ruled('GRACEFUL_EXTERNAL_STATUS', 'probes.external.status', integer(200, 599), Number),
  seconds('GRACEFUL_EXTERNAL_DELAY_SECONDS', 'probes.external.delay'),
  ruled('GRACEFUL_GUARDIAN_PORT', 'guardian.port', integer(0, 65_535), Number),
  ruled('GRACEFUL_ADMIN_PREFIX', 'admin.prefix', prefix),
  ruled('GRACEFUL_ADMIN_TOKEN', 'admin.token', { ...token, expected: 'tokens of at least 16 visible ASCII characters, separated by commas' }, (text) => text.split(',').map((one) => one.trim())),
  ruled('GRACEFUL_TERMINATION_MESSAGE_PATH', 'kubernetes.terminationMessagePath', absolutePath)
]

/**
 * Reads the environment. An empty variable is one that is not set.
 *
 * @throws FST_GRACEFUL_INVALID_ENVIRONMENT a variable is set to something that its option cannot be
 */
export function readEnvironment (env: NodeJS.ProcessEnv): Environment {
  const options: Record<string, unknown> = {}
  for (const { name, option, expected, read } of variables) {
    const text = env[name]
    if (text === undefined || text === '') continue
    options[option] = read(text)
    // A token that is too short is still a secret.
    if (options[option] === undefined) throw new errors.FST_GRACEFUL_INVALID_ENVIRONMENT(name, expected, option === 'admin.token' ? 'a value that is not shown' : text)
  }
  const platformatic = readPlatformatic()
  return {
    inKubernetes: Boolean(env['KUBERNETES_SERVICE_HOST']),
    inProduction: env['NODE_ENV'] === 'production',
    speaksForContainer: isMainThread && cluster.isPrimary && !env[supervisorVariable],
    platformatic,
    foreignPrimary: hasForeignPrimary(env),
    siblings: env[supervisorVariable] === String(process.ppid) ? Math.max(1, Number(env[siblingsVariable]) || 1) : platformatic?.workers ?? 1,
    options
  }
}
