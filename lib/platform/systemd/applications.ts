import { monotonicNow, systemClock } from '../../clock.ts'
import type { Health } from '../../health/health.ts'
import type { Budget } from '../../lifecycle/budget.ts'
import type { Holds } from '../../lifecycle/holds.ts'
import type { Lifecycle } from '../../lifecycle/lifecycle.ts'
import type { Stall } from '../../lifecycle/participants.ts'
import { phaseNumber } from '../../lifecycle/phase.ts'
import type { Log } from '../../log.ts'
import type { Membership } from '../../process/types.ts'
import { captureContext } from '../../util/context.ts'
import { afterUnref } from '../../util/timers.ts'
import type { WatchHandle } from '../../watchdog/main/types.ts'
import { takeSystemd } from './environment.ts'
import type { SystemdEnvironment, Way } from './environment.ts'
import { Notifier } from './notifier.ts'
import type { View } from './notifier.ts'
import { Sender } from './sender.ts'

/** The option `systemd`. */
export interface SystemdOptions {
  /**
   * Whether systemd is asked for more time (`EXTEND_TIMEOUT_USEC`) while the end is under way, never beyond the grace
   * period. Default: `false`.
   */
  extendTimeout?: boolean
}

/** An application's handle to the service manager. */
export interface SystemdHandle {
  /** What the watchdog's thread needs for systemd's watchdog; undefined where that is off. Milliseconds. */
  readonly pings: { way: Way, interval: number } | undefined
  /** The application listens. How systemd is reached is logged then, once in a process. */
  listening (): void
  /** State or status of the application may have changed. */
  changed (): void
  /** The application has ended, and the process stays. */
  leave (): void
}

/** The parts of an application that its state and its status are read from. `watchHandle` is set later. */
export interface NotifiedParts {
  settings: { systemd: SystemdOptions | undefined, budget: Pick<Budget, 'gracePeriod'> }
  lifecycle: Lifecycle
  health: Health
  holds: Holds
  membership: Membership
  watchHandle: WatchHandle | undefined
  log: Log
  started: () => boolean
}

/** Makes an application known to systemd; undefined where nobody is to hear of it. */
export function notifySystemd (
  shared: { systemd?: object | undefined },
  parts: NotifiedParts
): SystemdHandle | undefined {
  const { settings, lifecycle, health, membership, log, started } = parts
  return settings.systemd && joinSystemd(shared, settings.systemd, {
    log,
    hasBooted: started,
    serves: () => membership.serves(),
    ready: () => health.ready(),
    isEnding: () => membership.endsProcess(),
    status: () => statusOf(parts),
    left: () => lifecycle.graceStart === undefined
      ? 0
      : settings.budget.gracePeriod - (systemClock.now() - lifecycle.graceStart),
    isWatched: () => parts.watchHandle !== undefined && parts.watchHandle.status().state !== 'failed'
  })
}

/** More names than this are too many for a line. */
const most = 5

/** The status in words, as `systemctl status` shows it. */
function statusOf ({ lifecycle, health, holds, membership, started }: NotifiedParts): string {
  const { phase, request } = lifecycle
  if (phase !== 'running') {
    const why = request?.reason ?? 'drained by hand'
    return `Phase ${phaseNumber(phase)} of 4, ${phase} (${why})${waitingFor(lifecycle.stalls())}`
  }
  if (!started()) return 'Booting'
  if (!membership.serves()) return 'Not listening yet'
  const waits = [
    ...holds.reasons().map((reason) => `held by ${reason}`),
    ...health.checks()
      .filter(({ kinds, state }) => kinds.includes('readiness') && (state === 'failing' || state === 'unknown'))
      .map(({ name }) => `check ${name}`)
  ]
  return health.lastReady() ? 'Ready' : `Not ready: ${listed(waits) || 'under pressure'}`
}

const waitingFor = (stalls: readonly Stall[]): string =>
  stalls.length === 0 ? '' : `: waits for ${listed(stalls.map(({ name, reason }) => `${name} (${reason})`))}`

function listed (names: readonly string[]): string {
  const shown = names.slice(0, most).join(', ')
  return names.length > most ? `${shown} and ${names.length - most} more` : shown
}

/** One application, as {@link NotifiedApplications} reads it. */
interface NotifiedApplication {
  log: Log
  /** Whether its boot is over. */
  hasBooted (): boolean
  /** Whether it listens, and its end is not over. */
  serves (): boolean
  /** Its readiness as it is known; what is not known yet is asked in the background. */
  ready (): boolean
  /** Whether its end is under way and the process ends with it. */
  isEnding (): boolean
  status (): string
  /** Milliseconds until the process has to be gone. */
  left (): number
  /** Whether the watchdog's thread can tell that the event loop turns. */
  isWatched (): boolean
}

/** Makes an application known to systemd; undefined where nobody listens. All copies of the package share `shared`. */
function joinSystemd (
  shared: { systemd?: object | undefined },
  { extendTimeout = false }: SystemdOptions,
  application: NotifiedApplication
): SystemdHandle | undefined {
  if (shared.systemd === undefined) {
    const environment = takeSystemd(process.env)
    if (environment === undefined) return undefined
    shared.systemd = new NotifiedApplications(environment, extendTimeout)
  }
  return (shared.systemd as NotifiedApplications).join(application)
}

/** All applications of a process, which are one service for systemd: ready when each of them is. */
class NotifiedApplications {
  readonly #environment: SystemdEnvironment
  readonly #applications = new Set<NotifiedApplication>()
  readonly #notifier: Notifier | undefined
  #hasLogged = false
  #log: Log | undefined

  constructor (environment: SystemdEnvironment, extendsTimeout: boolean) {
    this.#environment = environment
    const { way, watchdog } = environment
    if (way === undefined) return
    const run = captureContext()
    const sender = new Sender(way, (problem) => this.#log?.warn({ event: 'graceful.systemd' }, problem))
    this.#notifier = new Notifier({
      view: () => this.#view(),
      send: (message) => run(() => sender.send(message)),
      now: monotonicNow,
      monotonic: () => process.hrtime.bigint() / 1000n,
      after: (delay, callback) => afterUnref(delay, () => run(callback)),
      statusInterval: statusIntervalOf(way),
      extendsTimeout,
      watchdog,
      isAlive: () => [...this.#applications].every((one) => !one.isWatched())
    })
  }

  join (application: NotifiedApplication): SystemdHandle {
    this.#log ??= application.log
    this.#applications.add(application)
    const { way, watchdog } = this.#environment
    return {
      pings: way === undefined || watchdog === undefined ? undefined : { way, interval: watchdog / 2 },
      listening: () => {
        if (!this.#hasLogged) logWay(application.log, this.#environment)
        this.#hasLogged = true
        this.#notifier?.look()
      },
      changed: () => this.#notifier?.look(),
      leave: () => {
        this.#applications.delete(application)
      }
    }
  }

  #view (): View {
    const all = [...this.#applications]
    const ending = all.filter((one) => one.isEnding())
    const waited = all.filter((one) => one.serves() || !one.hasBooted())
    const isReady = waited.length > 0 && waited.every((one) => one.serves() && one.ready())
    return {
      state: ending.length > 0 ? 'stopping' : isReady ? 'running' : 'starting',
      status: [...new Set(all.map((one) => one.status()))].join('; '),
      left: Math.max(0, ...ending.map((one) => one.left()))
    }
  }
}

/** Says how systemd is reached, or why it is not. */
export function logWay (log: Pick<Log, 'info' | 'warn'>, { way, problems }: SystemdEnvironment): void {
  const fields = { event: 'graceful.systemd' }
  for (const problem of problems) log.warn(fields, problem)
  if (way !== undefined && 'command' in way) {
    log.info(fields, `systemd is told by ${way.command}, a process for each message: NotifyAccess=all`)
  }
}

/** Milliseconds between two texts of the status: a message that takes a process is one that may wait. */
export const statusIntervalOf = (way: Way): number => 'command' in way ? 2000 : 1000
