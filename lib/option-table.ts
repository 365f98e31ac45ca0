import { errors, hidden, refuseUnknownOptions, typeName } from './errors.ts'
import { show } from './util/shown.ts'
import { platformNames } from './platform/detect.ts'
import { defaultMessagePath } from './platform/kubernetes/message.ts'
import { unknownGracePeriod } from './platform/surroundings.ts'
import {
  absolutePath, aFunction, boolean, closeCode, closeReason, fileMode, integer, isObject, object, objectOrBoolean,
  objectOrFalse, oneOf, prefix, registry, route, routeOrFalse, text, time, token
} from './rules.ts'
import type { Rule } from './rules.ts'
import { drainDefaults } from './traffic/options.ts'
import { own } from './util/given.ts'

/** One row of the table in docs/reference/options.md; a test holds the two against each other. */
export interface OptionRow { name: string, default: string, rule: Rule }

const row = (name: string, rule: Rule, words: string): OptionRow => ({ name, default: words, rule })

/** Defaults that are plain values; those of the times that depend on the grace period are in `cutBudget`. */
export const defaults = {
  externalStatus: 503, shed: 'gradual', failures: 3, otherListeners: 'after',
  restartExitCode: 0, prefix: '', adminPrefix: '/-', blocked: 2000, liveness: 30_000, host: '::',
  metricsPath: '/-/metrics'
} as const

const gracePeriodDefault =
  `env \`TERMINATION_GRACE_PERIOD_SECONDS\` x 1000, else that of the platform, else ${unknownGracePeriod}`

/** Every option, what it takes, and its default in words. */
export const optionTable: readonly OptionRow[] = [
  row('gracePeriod', time(1000), gracePeriodDefault),
  row('platform', oneOf('auto', false, ...platformNames), "`'auto'`"),
  row('preStop', time(), 'env `PRESTOP_SECONDS` x 1000, else 0'),
  row('reserve', time(), '2000, at most a tenth of the grace period'),
  row('announce', object, '`{}`'),
  row('announce.min', time(), 'that of the platform: 5000 in Kubernetes; else 0'),
  row('announce.quiet', time(), '1000'),
  row('announce.blind', time(), 'that of the platform: 15000 in Kubernetes; else 0'),
  row('announce.max', time(), 'what the grace period leaves: 18000 of 30000'),
  row('announce.readinessDelay', time(), '0'),
  row('announce.failures', integer(0, 100), `that of the platform: 0 in Kubernetes; else ${defaults.failures}`),
  row('announce.shed', oneOf('gradual', 'immediate', 'off'), `\`'${defaults.shed}'\``),
  row('announce.envoy', boolean, '`false`'),
  row('announce.onClose', boolean, '`true` under Platformatic, else `false`'),
  row('drain', object, '`{}`'),
  row('drain.idle', time(), `${drainDefaults.idle.kubernetes} in Kubernetes, else ${drainDefaults.idle.elsewhere}`),
  row('drain.spread', time(), 'at most 5000, a third of what is left for draining'),
  row('drain.webSocket', objectOrFalse, '`{}`'),
  row('drain.webSocket.code', closeCode, `${drainDefaults.webSocket.code}`),
  row('drain.webSocket.reason', closeReason, `\`'${drainDefaults.webSocket.reason}'\``),
  row('drain.webSocket.quiet', time(), `${drainDefaults.webSocket.quiet}`),
  row('close', time(), '5000, at most a sixth of the grace period'),
  row('closeWith', aFunction, 'calls `app.close()`'),
  row('signals', object,
    "`{ SIGTERM: 'shutdown', SIGINT: 'shutdown', SIGHUP: 'restart' }`; in a pod SIGHUP is `'ignore'`, "
      + "under nodemon SIGUSR2 is `'restart'`"),
  row('otherListeners', oneOf('after', 'beside'), `\`'${defaults.otherListeners}'\``),
  row('restartExitCode', integer(0, 255), `${defaults.restartExitCode}`),
  row('crash', boolean, '`true`'),
  row('exit', boolean, '`true`'),
  row('probes', objectOrFalse, '`{}`'),
  row('probes.prefix', prefix, "`''`"),
  row('probes.expose', boolean, '`false`'),
  row('probes.external', objectOrFalse, '`false`'),
  row('probes.external.path', route, 'none: required'),
  row('probes.external.status', integer(200, 599), `${defaults.externalStatus}`),
  row('probes.external.delay', time(), '0'),
  row('admin', objectOrFalse, '`{}`'),
  row('admin.prefix', prefix, `\`'${defaults.adminPrefix}'\``),
  row('admin.token', token, 'none'),
  row('admin.authorize', aFunction, 'none'),
  row('admin.unixSocket', objectOrBoolean, '`false`'),
  row('admin.unixSocket.mode', fileMode, '`0o600`'),
  row('pressure', objectOrFalse, '`false`'),
  row('pressure.readiness', boolean, '`false`'),
  row('kubernetes', objectOrFalse, '`{}`'),
  row('kubernetes.terminationMessagePath', absolutePath, `\`'${defaultMessagePath}'\``),
  row('systemd', objectOrFalse, '`{}`'),
  row('systemd.extendTimeout', boolean, '`false`'),
  row('watchdog', objectOrFalse, '`{}`'),
  row('watchdog.enabled', boolean,
    '`true` if `NODE_ENV` is `production`, in Kubernetes, and if `watchdog.port` is set; else `false`'),
  row('watchdog.blocked', time(500), `${defaults.blocked}`),
  row('watchdog.liveness', time(1000), `${defaults.liveness}`),
  row('watchdog.port', integer(0, 65_535), 'none'),
  row('watchdog.host', text, `\`'${defaults.host}'\``),
  row('metrics', objectOrBoolean, '`false`'),
  row('metrics.registry', registry, 'one of its own'),
  row('metrics.path', routeOrFalse, `\`'${defaults.metricsPath}'\``)
]

/** Groups whose keys are ours alone; `pressure` also takes those of `@fastify/under-pressure`, `signals` any signal. */
const closedGroups: readonly string[] = [
  'announce', 'drain', 'drain.webSocket', 'probes', 'probes.external', 'admin', 'admin.unixSocket', 'kubernetes',
  'systemd', 'watchdog', 'metrics'
]
/** All groups: what is in them is read once, as they are. */
export const groups: readonly string[] = [...closedGroups, 'pressure', 'signals']

/**
 * Refuses options that do not exist, or are not what the table says.
 *
 * @throws FST_GRACEFUL_INVALID_OPTION, FST_GRACEFUL_UNKNOWN_OPTION
 */
export function refuseWrong (given: object): void {
  refuseUnknown(given)
  for (const { name, rule } of optionTable) refuseInvalid(given, name, rule)
}

function refuseUnknownIn (given: object, group: string): void {
  const known = optionTable.map(({ name }) => name)
    .filter((name) => name.startsWith(group) && !name.slice(group.length).includes('.'))
  refuseUnknownOptions(Object.keys(given).map((key) => group + key), known)
}

function refuseUnknown (options: object): void {
  // What `register` itself understands comes along with the options.
  const all = options as Record<string, unknown>
  const { prefix: _prefix, logLevel: _logLevel, logSerializers: _logSerializers, ...ours } = all
  refuseUnknownIn(ours, '')
  for (const group of closedGroups) {
    const value = valueOf(options, group)
    if (isObject(value)) refuseUnknownIn(value as object, `${group}.`)
  }
}

function refuseInvalid (options: object, name: string, rule: Rule): void {
  const value = valueOf(options, name)
  if (value === undefined || rule.test(value)) return
  // A token that is too short, or in the wrong place, is still a secret.
  const isSecret = name === 'admin' || (name.startsWith('admin.') && name !== 'admin.prefix')
  const shown = isSecret ? hidden : show(value)
  throw new errors.FST_GRACEFUL_INVALID_OPTION(name, rule.expected, shown, typeName(value))
}

/** The value of an option by its name (`announce.min`); undefined where it, or its group, is not given. */
function valueOf (options: object, name: string): unknown {
  return name.split('.').reduce<unknown>((group, key) => {
    const isThere = isObject(group) && Object.hasOwn(group as object, key)
    return isThere ? (group as Record<string, unknown>)[key] : undefined
  }, options)
}

/** A copy of the options with values, by their names, where they say nothing. A group that is switched off stays so. */
export function withDefaults<T extends object> (options: T, values: Readonly<Record<string, unknown>>): T {
  const copy: T = own(options)
  for (const [name, value] of Object.entries(values)) fill(copy as Record<string, unknown>, name.split('.'), value)
  return copy
}

function fill (group: Record<string, unknown>, [key = '', ...rest]: string[], value: unknown): void {
  if (rest.length === 0) {
    group[key] ??= value
    return
  }
  const inner = group[key] ?? {}
  if (isObject(inner)) fill(group[key] = own(inner) as Record<string, unknown>, rest, value)
}
