import type { AdminOptions } from './admin/routes.ts'
import { checkBudget, cutBudget } from './lifecycle/budget.ts'
import type { AnnounceBudget, Budget } from './lifecycle/budget.ts'
import { conceal, errors, invalidOption, typeName } from './errors.ts'
import type { WatchdogOptions, WatchdogSettings } from './watchdog/main/types.ts'
import type { ProbesOptions } from './health/options.ts'
import type { PressureOptions } from './health/pressure.ts'
import type { Environment } from './environment.ts'
import type { MetricsOptions, MetricsSettings } from './metrics/options.ts'
import { defaultMessagePath } from './platform/kubernetes/message.ts'
import { deployedGracePeriod, floorsOf, surroundingsOf, unknownGracePeriod } from './platform/surroundings.ts'
import type { Surroundings } from './platform/surroundings.ts'
import type { SystemdOptions } from './platform/systemd/applications.ts'
import { withDefaults, defaults, groups, refuseWrong } from './option-table.ts'
import { nothing, own, ownTree } from './util/given.ts'
import type { OtherListenersTime, SignalAction } from './process/types.ts'
import { isObject, modeOf, route } from './rules.ts'
import type { AdminSettings, Settings } from './settings.ts'
import { defaultSocketMode } from './server/socket-files.ts'
import { ofThisPlatform, refuseSignals } from './process/signal-names.ts'
import { readDrain } from './traffic/options.ts'
import type { DrainOptions } from './traffic/options.ts'
import type { Shed } from './traffic/stagger.ts'

export type { AdminOptions } from './admin/routes.ts'
export type { WatchdogOptions } from './watchdog/main/types.ts'
export type { ExternalProbeOptions, ProbesOptions } from './health/options.ts'
export type { MetricsOptions, MetricsRegistry } from './metrics/options.ts'
export type { SystemdOptions } from './platform/systemd/applications.ts'
export type { DrainOptions, WebSocketOptions } from './traffic/options.ts'

/** Options of phase 1. Times are milliseconds. */
export interface AnnounceOptions extends Partial<AnnounceBudget> {
  /** How clients of kept connections are told to reconnect in phase 1. Default: `'gradual'`. */
  shed?: Shed
  /**
   * How many failing responses each prober of a readiness route gets before phase 1 ends; 0 waits for no prober.
   * Default: 3; 0 on a platform that itself takes the service out of its load balancer.
   */
  failures?: number
  /** Whether `app.close()` runs phase 1, too. Default: `true` under Platformatic's runtime, else `false`. */
  onClose?: boolean
  /** Whether responses from phase 1 on carry `x-envoy-immediate-health-check-fail`. Default: `false`. */
  envoy?: boolean
}

/** Options for Kubernetes. */
export interface KubernetesOptions {
  /**
   * Where the termination message goes: the container's `terminationMessagePath`. Default: `'/dev/termination-log'`;
   * none with `exit: false`, in worker threads and in workers of `node:cluster`.
   */
  terminationMessagePath?: string
}

/** Options of the plugin, all of them optional. Times are milliseconds. More: `docs/reference/options.md`. */
export interface GracefulOptions {
  /**
   * Time from the start of the preStop hook, or from the signal without one, to SIGKILL. Default:
   * `TERMINATION_GRACE_PERIOD_SECONDS` of the environment, else that of the platform, else 30000.
   */
  gracePeriod?: number
  /**
   * Where the service runs, which decides the defaults of `gracePeriod`, `announce` and `signals`. `'auto'`, the
   * default, detects it by environment variables; a name of `docs/guides/platforms.md` sets it; `false` is none.
   */
  platform?: string | false
  /** Duration of the preStop hook, a part of the grace period. Default: `PRESTOP_SECONDS`, else 0. */
  preStop?: number
  /** Time reserved for the exit: log flush, report, the kernel. Default: 2000, at most a tenth of the grace period. */
  reserve?: number
  /** Phase 1. */
  announce?: AnnounceOptions
  /** Phase 3. */
  drain?: DrainOptions
  /** Time reserved for `app.close()`, which may take longer. Default: 5000, at most a sixth of the grace period. */
  close?: number
  /** Called instead of `app.close()`; it must close the application. For frameworks: `() => nest.close()`. */
  closeWith?: () => unknown
  /** What each signal does. Default: SIGTERM and SIGINT `'shutdown'`, SIGHUP `'restart'`, in a pod `'ignore'`. */
  signals?: Record<string, SignalAction>
  /**
   * When other listeners for the signals that end the service are called: `'after'` the last request, which is the
   * default, or `'beside'`, immediately.
   */
  otherListeners?: OtherListenersTime
  /** Exit code after a signal whose action is `'restart'`. Default: 0. */
  restartExitCode?: number
  /** Whether an uncaught exception or an unhandled rejection starts a shutdown. Default: `true`. */
  crash?: boolean
  /** Whether the process exits after the shutdown. Default: `true`; `false` is for tests and embedding. */
  exit?: boolean
  /** The health routes; `false` registers none. */
  probes?: ProbesOptions | false
  /** The admin routes; `false` registers none. */
  admin?: AdminOptions | false
  /** Options of `@fastify/under-pressure`, which is then registered. Default: `false`. */
  pressure?: PressureOptions | false
  /** `false`: the process does not count as in a pod, whatever its environment says. */
  kubernetes?: KubernetesOptions | false
  /** `false`: systemd gets no messages, and its variables stay in the environment. */
  systemd?: SystemdOptions | false
  /** The thread that reports a blocked event loop, and ends a process that hangs; `false` disables it. */
  watchdog?: WatchdogOptions | false
  /** Metrics for Prometheus through the package `prom-client`; `true` or options. Default: `false`. */
  metrics?: MetricsOptions | boolean
}

/**
 * Checks the options and fills in the defaults. Never changes the caller's object.
 *
 * @throws FST_GRACEFUL_INVALID_OPTION, FST_GRACEFUL_UNKNOWN_OPTION, FST_GRACEFUL_BUDGET
 */
export function readOptions (all: GracefulOptions, environment: Environment): Settings {
  // The value is concealed, because it may contain a token.
  if (!isObject(all)) throw new errors.FST_GRACEFUL_INVALID_OPTION('options', 'an object', conceal(all), typeName(all))
  const given = ownTree(all, groups)
  refuseWrong(given)
  refuseSignals(given.signals)
  const options = withDefaults(given, environment.options)
  const surroundings = surroundingsOf(options, environment)
  const gracePeriod = given.gracePeriod ?? deployedGracePeriod(options.gracePeriod, environment, surroundings)
  if (gracePeriod !== undefined) return settingsOf(options, environment, surroundings, gracePeriod, 'given')
  try {
    return settingsOf(options, environment, surroundings, surroundings.gracePeriod, 'platform')
  } catch (error) {
    // A grace period that is only assumed does not make given times invalid.
    const isTooShort = (error as { code?: unknown }).code === 'FST_GRACEFUL_BUDGET'
    if (!isTooShort || surroundings.gracePeriod >= unknownGracePeriod) throw error
    return settingsOf(options, environment, surroundings, unknownGracePeriod, 'yielded')
  }
}

function settingsOf (
  options: GracefulOptions,
  environment: Environment,
  surroundings: Surroundings,
  gracePeriod: number,
  graceFrom: Settings['graceFrom']
): Settings {
  const { place } = surroundings
  const inKubernetes = place?.name === 'kubernetes' && options.kubernetes !== false
  const inService = environment.inProduction || inKubernetes
  const goesByReadiness = place === undefined || place.front === 'unknown' || place.front === 'none'
  const announced: AnnounceOptions = own(options.announce ?? nothing)
  const { shed = defaults.shed, envoy = false, failures = goesByReadiness ? defaults.failures : 0 } = announced
  const { onClose = surroundings.all.some(({ name }) => name === 'platformatic') } = announced
  const { min, quiet, blind, max, readinessDelay } = announced
  const announce = own({ min, quiet, blind, max, readinessDelay }) as Partial<AnnounceBudget>
  const budget = cutBudget({
    gracePeriod,
    preStop: options.preStop ?? 0,
    reserve: options.reserve,
    close: options.close,
    announce
  }, floorsOf(place))
  const isKnown = place?.late !== undefined || envoy || Object.values(announce).some((value) => value !== undefined)
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
      ...Object.fromEntries(surroundings.all.map(({ signal }) => [signal, 'shutdown'] as const)),
      SIGHUP: inKubernetes ? 'ignore' : 'restart',
      // nodemon sends it before it starts the next process.
      ...environment.developer === 'nodemon' && { SIGUSR2: 'restart' as const },
      ...ofThisPlatform(options.signals)
    },
    otherListeners: options.otherListeners ?? defaults.otherListeners,
    restartExitCode: options.restartExitCode ?? defaults.restartExitCode,
    crash: options.crash ?? true,
    exit,
    probes,
    admin: admin && readAdmin(admin),
    pressure: pressure === false ? undefined : own(pressure),
    systemd: options.systemd !== false && environment.speaksForContainer ? options.systemd ?? {} : undefined,
    watchdog: readWatchdog(options.watchdog, inService),
    metrics: readMetrics(options.metrics),
    surroundings,
    graceFrom,
    supervised: environment.supervised,
    inKubernetes,
    inService,
    stateDirectory: exit ? environment.stateDirectory : undefined,
    developer: environment.developer,
    terminationMessagePath: pathOf(options.kubernetes, exit && environment.speaksForContainer)
  }
}

/** Keeps a `token` that was given as `undefined`, which differs from one that was not given. */
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
  return kubernetes.terminationMessagePath ?? (speaksForContainer ? defaultMessagePath : undefined)
}
