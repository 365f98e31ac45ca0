import type { CheckKind } from '../../health/options.ts'
import type { Log } from '../../log.ts'
import type { RequestRecord } from '../../platform/kubernetes/message.ts'
import type {
  BlockedRecord, MetricsText, ProbeAnswers, ServerData, ThreadData, Verdicts, WatchedState
} from '../protocol.ts'

/** The option `watchdog`. Times are milliseconds. */
export interface WatchdogOptions {
  /** Default: `true` in production (`NODE_ENV`), in Kubernetes, and where `port` is given. */
  enabled?: boolean
  /** An event loop that has not turned for this long is reported. Default: 2000. */
  blocked?: number
  /** One that has not turned for this long fails liveness on the watchdog's port. Default: 30000. */
  liveness?: number
  /** Where the watchdog answers probes and admin requests itself. Default: none. */
  port?: number
  /**
   * The address that it listens on there. Default: `'::'`, all addresses of both families; where there is no IPv6,
   * `'0.0.0.0'`.
   */
  host?: string
}

/** {@link WatchdogOptions} with the defaults filled in. */
export interface WatchdogSettings {
  /** Heartbeats older than this mean that the event loop is blocked. */
  blocked: number
  /** An event loop that is blocked for longer than this fails liveness. */
  liveness: number
  /** Undefined where the watchdog has no port of its own. */
  port: number | undefined
  host: string
}

/** What the first application brings. */
export interface WatchdogSetup {
  settings: WatchdogSettings
  probes: ServerData['probes']
  admin: ServerData['admin']
  metrics: ServerData['metrics']
  terminationMessagePath: string | undefined
  systemd: ThreadData['systemd']
  /** The number of the process with which this one is to end; undefined where there is none. */
  parent: number | undefined
  /** Ends the process. */
  exit: (code: number) => void
}

/** One application, as the watchdog asks it. */
export interface WatchedApplication {
  log: Log
  state (): Omit<WatchedState, 'requests' | 'seenAt' | 'inFlight' | 'measured'>
  /** Requests in flight, the oldest first, at most so many. */
  requests (most: number): RequestRecord[]
  /** How many they are. */
  inFlight (): number
  /** So many connections that to list the requests costs time. */
  crowded (): boolean
  /** The verdicts of all probes; checks with `ttl: 0` are run for one of this kind, and for no other. */
  verdicts (kind?: CheckKind): Promise<Verdicts>
  /** Probes were answered on the watchdog's port. Times are milliseconds ago. */
  probed (answers: readonly ProbeAnswers[]): void
  /** What its registry says. Undefined where that is not to be served, or there is nothing yet. */
  metrics: (() => Promise<MetricsText | undefined>) | undefined
  /** All that is known, with at most so many requests. */
  status (mostRequests?: number): object
  /** The event loop turns again. */
  unblocked (record: BlockedRecord): void
  /** Phase 1 for a preStop hook that called `ago` milliseconds ago; settles when it could end. */
  prestop (ago: number): Promise<void>
}

/** What joining answers. */
export interface WatchHandle {
  /** Settles when the watchdog is up and hears the signals of this process, or has failed; within three seconds. */
  ready (): Promise<void>
  /** Tells the watchdog at once of a new phase. */
  changed (): void
  /** What the watchdog is, and what it has seen. */
  status (): WatchdogStatus
  /**
   * The end is over: whoever watches on the watchdog's port is told. Waits for the thread, a moment
   * at the longest, where somebody does.
   */
  farewell (): void
  /** The application has ended, and the process stays. */
  leave (): void
}

/** The watchdog, as the status shows it. Times are milliseconds. */
export interface WatchdogStatus {
  /** `starting` also after it has died, until it is up again; `failed`: it cannot be started. */
  state: 'starting' | 'watching' | 'failed'
  /** Its own port; undefined where it has none, or does not listen yet. */
  port: number | undefined
  /** How often the event loop did not turn for longer than `watchdog.blocked`. */
  blockedCount: number
  /** How long it did not turn in these, together. */
  blockedTime: number
  /** The last of them. */
  lastBlocked: BlockedRecord | undefined
}
