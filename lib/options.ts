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

/** Phase 1. Times are milliseconds. */
export interface AnnounceOptions extends Partial<AnnounceBudget> {
  /** How connections are told to reconnect elsewhere during phase 1. Default: `'gradual'`. */
  shed?: Shed
  /**
   * Failing answers that each prober of a readiness route is served before phase 1 ends; 0 waits for
   * none. Default: 3; 0 where the platform's front end does not go by readiness.
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
  /**
   * Where the service runs, hence the defaults of `gracePeriod`, `announce` and `signals`: `'auto'`, by the variables
   * of the environment; the name of a platform; or `false` for none. The names are in `docs/guides/platforms.md`.
   */
  platform?: string | false
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
  /** `false`: systemd is told nothing, and its variables stay where they are. */
  systemd?: SystemdOptions | false
  watchdog?: WatchdogOptions | false
  /** Metrics for Prometheus, with the package `prom-client`. */
  metrics?: MetricsOptions | boolean
}

/**
 * Checks the options and fills in the defaults. The caller's object is never changed.
 *
 * @throws FST_GRACEFUL_INVALID_OPTION, FST_GRACEFUL_UNKNOWN_OPTION, FST_GRACEFUL_BUDGET
 */
export function readOptions (all: GracefulOptions, environment: Environment): Settings {
  // Whatever it is, a token may be in it.
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
    // What is only assumed refuses nothing that was said.
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
      // The signal with which it asks for the next start.
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
  return kubernetes.terminationMessagePath ?? (speaksForContainer ? defaultMessagePath : undefined)
}
