import type { AdminOptions } from './admin/routes.ts'
import type { ExternalProbeOptions } from './health/options.ts'
import type { PressureOptions } from './health/pressure.ts'
import type { Budget } from './lifecycle/budget.ts'
import type { MetricsSettings } from './metrics/options.ts'
import type { GraceSource, Surroundings } from './platform/surroundings.ts'
import type { SystemdOptions } from './platform/systemd/applications.ts'
import type { OtherListenersTime, SignalAction } from './process/types.ts'
import type { FrontSettings } from './traffic/front-observer.ts'
import type { DrainSettings } from './traffic/options.ts'
import type { Shed } from './traffic/stagger.ts'
import type { WatchdogSettings } from './watchdog/main/types.ts'

/** The admin routes. */
export interface AdminSettings extends AdminOptions {
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
  /** Undefined where systemd is told nothing. */
  systemd: SystemdOptions | undefined
  watchdog: WatchdogSettings | undefined
  metrics: MetricsSettings | undefined
  /** Where the process runs. */
  surroundings: Surroundings
  /** Who says how long the grace period is. */
  graceFrom: GraceSource
  /** Whether this is a child of the plugin's supervisor, which speaks for all of them. */
  supervised: boolean
  inKubernetes: boolean
  /** In production, or in Kubernetes. */
  inService: boolean
  /** Where is left what says that the process was killed; undefined: nowhere. */
  stateDirectory: string | undefined
  /** What says that somebody develops the service: its end is fast. */
  developer: string | undefined
  /** Where the termination message goes; undefined where nothing is to be written. */
  terminationMessagePath: string | undefined
}
