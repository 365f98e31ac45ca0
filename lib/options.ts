import type { AdminOptions } from './admin/routes.ts'
import { checkBudget, cutBudget } from './lifecycle/budget.ts'
import type { AnnounceBudget, Budget } from './lifecycle/budget.ts'
import { conceal, errors, hidden, invalidOption, refuseUnknownOptions, show, typeName } from './errors.ts'
import type { WatchdogOptions, WatchdogSettings } from './watchdog/main/types.ts'
import type { ExternalProbeOptions, ProbesOptions } from './health/options.ts'
import type { PressureOptions } from './health/pressure.ts'
import type { Environment } from './platform/kubernetes/environment.ts'
import { defaultMessagePath } from './platform/kubernetes/message.ts'
import type { MetricsOptions, MetricsSettings } from './metrics/options.ts'
import { valueOf, withDefaults } from './util/named.ts'
import { nothing, own, ownTree } from './util/own.ts'
import type { OtherListenersTime, SignalAction } from './process/types.ts'
import {
  absolutePath, aFunction, boolean, closeCode, closeReason, fileMode, integer, isObject, modeOf, object,
  objectOrBoolean, objectOrFalse, oneOf, prefix, registry, route, routeOrFalse, text, time, token
} from './rules.ts'
import type { Rule } from './rules.ts'
import { defaultSocketMode } from './server/socket-files.ts'
import { ofThisPlatform, refuseSignals } from './process/signal-names.ts'
import type { FrontSettings } from './traffic/front-observer.ts'
import { drainDefaults, readDrain } from './traffic/options.ts'
import type { DrainOptions, DrainSettings } from './traffic/options.ts'
import type { Shed } from './traffic/ramp.ts'

export type { AdminOptions } from './admin/routes.ts'
export type { WatchdogOptions } from './watchdog/main/types.ts'
export type { ExternalProbeOptions, ProbesOptions } from './health/options.ts'
export type { MetricsOptions, MetricsRegistry } from './metrics/options.ts'
export type { DrainOptions, WebSocketOptions } from './traffic/options.ts'

/** Phase 1. Times are milliseconds. */
export interface AnnounceOptions extends Partial<AnnounceBudget> {
  /** How connections are told to reconnect elsewhere during phase 1. Default: `'gradual'`. */
  shed?: Shed
  /**
   * Failing answers that each prober of a readiness route is served before phase 1 ends; 0: nobody
   * is waited for. Default: 3, in Kubernetes 0.
   */
  failures?: number
  /** Whether an `app.close()` from outside runs phase 1, too. Default: under Platformatic's runtime. */
  onClose?: boolean
  /** Whether replies tell Envoy that this host has failed (`x-envoy-immediate-health-check-fail`). Default: `false`. */
  envoy?: boolean
}

/** Kubernetes. */
export interface KubernetesOptions {
  /**
   * The container's `terminationMessagePath`. Default: `'/dev/termination-log'`, where the end of
   * this application is that of the container.
   */
  terminationMessagePath?: string
}

/** Options of the plugin. Times are milliseconds. Every default is in `optionTable`. */
export interface GracefulOptions {
  /** From the start of preStop (or the signal, without one) to SIGKILL. */
  gracePeriod?: number
  /** Time a preStop hook takes before the signal: off the grace period, `announce.min` and `announce.blind`. */
  preStop?: number
  /** Kept for the exit: flush, report, the kernel. */
  reserve?: number
  announce?: AnnounceOptions
  drain?: DrainOptions
  /** Kept for `app.close()`, which may use all that is left until the deadline of the process. */
  close?: number
  /** Replaces the call of `app.close()`, and must close the application. For frameworks: `() => nest.close()`. */
  closeWith?: () => unknown
  /** What each signal does. */
  signals?: Record<string, SignalAction>
  /**
   * When listeners of others on the signals that end the service are called: `'after'` its last
   * request, or `'beside'`, at once.
   */
  otherListeners?: OtherListenersTime
  /** Exit code after a restart. */
  restartExitCode?: number
  /** Whether uncaught exceptions and unhandled rejections set off a shutdown. */
  crash?: boolean
  /** Whether the process ends when the shutdown is over; `false` for embedding and tests. */
  exit?: boolean
  probes?: ProbesOptions | false
  admin?: AdminOptions | false
  pressure?: PressureOptions | false
  /** `false`: the process counts as not in a pod, whatever its environment says. */
  kubernetes?: KubernetesOptions | false
  watchdog?: WatchdogOptions | false
  /** Metrics for Prometheus, with the package `prom-client`. */
  metrics?: MetricsOptions | boolean
}

/** The admin routes. */
interface AdminSettings extends AdminOptions {
  prefix: string
  /** The mode of the unix socket that the application listens on; undefined where its umask decides. */
  socketMode: number | undefined
}

/** The options with every default filled in. */
export interface Settings {
  budget: Budget
  shed: Shed
  envoy: boolean
  front: FrontSettings
  /** Whether other workers of somebody else's cluster serve on when a signal ends this one. */
  othersServe: boolean
  /** Whether `app.close()` from outside runs phase 1, too. */
  announceOnClose: boolean
  /** How long phase 1 keeps it from the balancer: the longest delay of what it may ask. */
  toldAfter: number
  drain: DrainSettings
  closeWith: (() => unknown) | undefined
  signals: Record<string, SignalAction>
  otherListeners: OtherListenersTime
  restartExitCode: number
  crash: boolean
  exit: boolean
  probes: { prefix: string, expose: boolean, external: Required<ExternalProbeOptions> | false } | false
  admin: AdminSettings | false
  pressure: PressureOptions | undefined
  watchdog: WatchdogSettings | undefined
  metrics: MetricsSettings | undefined
  inKubernetes: boolean
  /** In production, or in Kubernetes. */
  inService: boolean
  /** Where the termination message goes; undefined where nothing is to be written. */
  terminationMessagePath: string | undefined
}

/** One row of the table in the README; a test holds the two against each other. */
export interface OptionRow { name: string, default: string, rule: Rule }

const row = (name: string, rule: Rule, words: string): OptionRow => ({ name, default: words, rule })

/** Defaults that are plain values; those of the times that depend on the grace period are in `cutBudget`. */
const defaults = {
  terminationMessagePath: defaultMessagePath, externalStatus: 503, gracePeriod: 30_000, shed: 'gradual', failures: 3,
  otherListeners: 'after', restartExitCode: 0, prefix: '', adminPrefix: '/-', blocked: 2000, liveness: 30_000,
  host: '::', metricsPath: '/-/metrics'
} as const

/** Every option, what it takes, and its default in words. */
export const optionTable: readonly OptionRow[] = [
  row('gracePeriod', time(1000), `env \`TERMINATION_GRACE_PERIOD_SECONDS\` x 1000, else ${defaults.gracePeriod}`),
  row('preStop', time(), 'env `PRESTOP_SECONDS` x 1000, else 0'),
  row('reserve', time(), '2000, at most a tenth of the grace period'),
  row('announce', object, '`{}`'),
  row('announce.min', time(), '5000 in Kubernetes, else 0'),
  row('announce.quiet', time(), '1000'),
  row('announce.blind', time(), '15000 in Kubernetes, else 0'),
  row('announce.max', time(), 'what the grace period leaves: 18000 of 30000'),
  row('announce.readinessDelay', time(), '0'),
  row('announce.failures', integer(0, 100), `${defaults.failures}; 0 in Kubernetes`),
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
    "`{ SIGTERM: 'shutdown', SIGINT: 'shutdown', SIGHUP: 'restart' }`; in a pod SIGHUP is `'ignore'`"),
  row('otherListeners', oneOf('after', 'beside'), `\`'${defaults.otherListeners}'\``),
  row('restartExitCode', integer(0, 255), `${defaults.restartExitCode}`),
  row('crash', boolean, '`true`'),
  row('exit', boolean, '`true`'),
  row('probes', objectOrFalse, '`{}`'),
  row('probes.prefix', prefix, "`''`"),
  row('probes.expose', boolean, '`false`'),
  row('probes.external', objectOrFalse, '`false`'),
  row('probes.external.path', route, 'none: it has to be given'),
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
  row('kubernetes.terminationMessagePath', absolutePath, `\`'${defaults.terminationMessagePath}'\``),
  row('watchdog', objectOrFalse, '`{}`'),
  row('watchdog.enabled', boolean,
    '`true` where `NODE_ENV` is `production`, in Kubernetes, and where `watchdog.port` is given; else `false`'),
  row('watchdog.blocked', time(500), `${defaults.blocked}`),
  row('watchdog.liveness', time(1000), `${defaults.liveness}`),
  row('watchdog.port', integer(0, 65_535), 'none'),
  row('watchdog.host', text, `\`'${defaults.host}'\``),
  row('metrics', objectOrBoolean, '`false`'),
  row('metrics.registry', registry, 'one of its own'),
  row('metrics.path', routeOrFalse, `\`'${defaults.metricsPath}'\``)
]

/** Groups whose keys are ours alone; `pressure` also takes those of `@fastify/under-pressure`, `signals` any signal. */
const closedGroups = [
  'announce', 'drain', 'drain.webSocket', 'probes', 'probes.external', 'admin', 'admin.unixSocket', 'kubernetes',
  'watchdog', 'metrics'
]
/** All groups: what is in them is read once, as they are. */
const groups = [...closedGroups, 'pressure', 'signals']

/**
 * Checks the options and fills in the defaults. The caller's object is never changed.
 *
 * @throws FST_GRACEFUL_INVALID_OPTION, FST_GRACEFUL_UNKNOWN_OPTION, FST_GRACEFUL_BUDGET
 */
export function readOptions (all: GracefulOptions, environment: Environment): Settings {
  // Whatever it is, a token may be in it.
  if (!isObject(all)) throw new errors.FST_GRACEFUL_INVALID_OPTION('options', 'an object', conceal(all), typeName(all))
  const given = ownTree(all, groups)
  refuseUnknown(given)
  for (const { name, rule } of optionTable) refuseInvalid(given, name, rule)
  refuseSignals(given.signals)
  const options = withDefaults(given, environment.options)
  const inKubernetes = environment.inKubernetes && options.kubernetes !== false
  const inService = environment.inProduction || inKubernetes
  const announced: AnnounceOptions = own(options.announce ?? nothing)
  const { shed = defaults.shed, envoy = false, failures = inKubernetes ? 0 : defaults.failures } = announced
  const { onClose = environment.platformatic !== undefined } = announced
  const { min, quiet, blind, max, readinessDelay } = announced
  const announce = own({ min, quiet, blind, max, readinessDelay }) as Partial<AnnounceBudget>
  const budget = cutBudget({
    gracePeriod: gracePeriodOf(given.gracePeriod, options.gracePeriod, environment),
    preStop: options.preStop ?? 0,
    reserve: options.reserve,
    close: options.close,
    announce
  }, inKubernetes)
  const isKnown = inKubernetes || envoy || Object.values(announce).some((value) => value !== undefined)
  const chosen = (['preStop', 'reserve', 'close'] as const).filter((name) => options[name] !== undefined)
  const problem = checkBudget(budget, chosen)
  if (problem !== undefined) throw new errors.FST_GRACEFUL_BUDGET(problem.option, problem.expected, problem.given)
  const { admin = nothing, pressure = false, exit = true } = options
  const probes = readProbes(options.probes, budget)
  return {
    budget,
    shed,
    envoy,
    front: { isKnown, failures, sharedBy: environment.siblings },
    othersServe: environment.foreignPrimary && !isKnown,
    announceOnClose: onClose,
    toldAfter: Math.max(budget.announce.readinessDelay, probes && probes.external ? probes.external.delay : 0),
    drain: readDrain(options.drain, inKubernetes),
    closeWith: options.closeWith,
    signals: {
      SIGTERM: 'shutdown',
      SIGINT: 'shutdown',
      SIGHUP: inKubernetes ? 'ignore' : 'restart',
      ...ofThisPlatform(options.signals)
    },
    otherListeners: options.otherListeners ?? defaults.otherListeners,
    restartExitCode: options.restartExitCode ?? defaults.restartExitCode,
    crash: options.crash ?? true,
    exit,
    probes,
    admin: admin && readAdmin(admin),
    pressure: pressure === false ? undefined : own(pressure),
    watchdog: readWatchdog(options.watchdog, inService),
    metrics: readMetrics(options.metrics),
    inKubernetes,
    inService,
    terminationMessagePath: pathOf(options.kubernetes, exit && environment.speaksForContainer)
  }
}

/**
 * What a deployment gives, or Platformatic's runtime, which kills sooner: its own default is 10 s.
 * What code says wins over both.
 */
function gracePeriodOf (
  given: number | undefined,
  deployed: number = defaults.gracePeriod,
  { platformatic }: Environment
): number {
  return given ?? Math.min(deployed, platformatic?.gracePeriod ?? Infinity)
}

/** A token that was given as `undefined` stays one that was given. */
function readAdmin (given: AdminOptions): AdminSettings {
  const { unixSocket = false, prefix: path = defaults.adminPrefix } = given
  const { mode = defaultSocketMode } = typeof unixSocket === 'object' ? unixSocket : nothing
  return Object.assign(own(given), { prefix: path, socketMode: unixSocket === false ? undefined : modeOf(mode) })
}

function readWatchdog (
  options: GracefulOptions['watchdog'] = nothing,
  inService: boolean
): WatchdogSettings | undefined {
  if (options === false) return undefined
  const { blocked = defaults.blocked, liveness = defaults.liveness, host = defaults.host, port } = options
  const { enabled = inService || port !== undefined } = options
  return enabled ? { blocked, liveness, port, host } : undefined
}

function readMetrics (options: GracefulOptions['metrics'] = false): MetricsSettings | undefined {
  if (options === false) return undefined
  const { registry: given, path = defaults.metricsPath } = options === true ? nothing : options
  return { registry: given, path }
}

function readProbes (
  probes: GracefulOptions['probes'] = nothing,
  { announce: { max } }: Budget
): Settings['probes'] {
  if (probes === false) return false
  const { external = false } = probes
  const common = { prefix: probes.prefix ?? defaults.prefix, expose: probes.expose ?? false }
  if (external === false) return { ...common, external }
  const { path, status = defaults.externalStatus, delay = 0 } = external
  if (path === undefined) throw invalidOption('probes.external.path', route.expected, path)
  if (delay > max) {
    throw new errors.FST_GRACEFUL_BUDGET('probes.external.delay', `at most announce.max = ${max} ms`, `${delay} ms`)
  }
  return { ...common, external: { path, status, delay } }
}

function pathOf (
  kubernetes: GracefulOptions['kubernetes'] = nothing,
  speaksForContainer: boolean
): string | undefined {
  if (kubernetes === false) return undefined
  return kubernetes.terminationMessagePath ?? (speaksForContainer ? defaults.terminationMessagePath : undefined)
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
