import type { Verdict } from '../health/health.ts'
import type { CheckKind } from '../health/options.ts'
import type { RequestRecord } from '../platform/kubernetes/message.ts'
import type { Way } from '../platform/systemd/environment.ts'
import type { Phase } from '../lifecycle/phase.ts'
import type { Stall } from '../lifecycle/participants.ts'
import type { ShutdownKind } from '../lifecycle/report.ts'
import type { PageTexts } from '../page/document.ts'
import type { CallerIdentity } from '../traffic/callers.ts'

/**
 * A signal; `count` is 1 for the first, 2 for the one that hurries, 3 for the one that exits at
 * once. `at` is of the shared clock.
 */
export interface Signal { name: string, at: number, count: number }

/**
 * One application as the watchdog has to know it. Times are milliseconds; those of `graceStart`,
 * `hurriedAt`, `seenAt` and `heard` are of the shared clock.
 */
export interface WatchedState {
  name: string
  phase: Phase
  /** Epoch milliseconds at which the phase began. */
  since: number
  ready: boolean
  /** Epoch milliseconds from which readiness fails because of the end; undefined while it need not. */
  unreadyFrom: number | undefined
  /** Boot is over: from here on a silent event loop is a blocked one. */
  started: boolean
  /** It serves, so the process stays for it. */
  open: boolean
  /** Its end is to be the end of the process, and is under way. */
  ending: boolean
  /** Whether its end may end the process at all. */
  exit: boolean
  kind: ShutdownKind | undefined
  reason: string | undefined
  /** Epoch milliseconds of the announcement. */
  startedAt: number | undefined
  /** The last signals that the main thread has counted, the oldest first. */
  heard: Signal[]
  /** When a second signal capped the phases; undefined where none did. */
  hurriedAt: number | undefined
  /** When the kubelet's clock started; undefined while it does not run. */
  graceStart: number | undefined
  gracePeriod: number
  preStop: number
  reserve: number
  close: number
  announceMax: number
  /** The signals that begin its end. */
  signals: string[]
  /** Who stalls the phase. */
  stalls: Stall[]
  /** In flight, the oldest first, at most some, as old as they were at `seenAt`. */
  requests: RequestRecord[]
  /** When they were looked at; undefined where they were not, or there were none. Of the shared clock. */
  seenAt: number | undefined
  /** How many they are; undefined where they are too many to be looked at. */
  inFlight: number | undefined
  /** Whether it has metrics to serve. */
  measured: boolean
}

/** Equal answers to probes, from the watchdog's port. Times are of the shared clock. */
export interface ProbeAnswers {
  prober: string
  probe: string
  ok: boolean
  count: number
  /** When the first and the last went out. */
  first: number
  last: number
  /** Who asked; undefined where it is not for readiness, and where too many have asked to tell them apart. */
  caller: CallerIdentity | undefined
}

/** Metrics as a registry writes them. */
export interface MetricsText {
  text: string
  /** The content type of the form they are in. */
  type: string
}

/** Metrics that the thread is not given, because they would not fit into its memory. */
export interface RefusedMetrics {
  /** One sentence: how large they are, how large they may be, and where else to read them. */
  refused: string
}

/** The verdicts of an application's probes. */
export type Verdicts = Record<CheckKind, Verdict>

/** What the thread is started with. */
export interface ThreadData {
  buffer: SharedArrayBuffer
  /** Memory of the last look at the requests in flight. */
  snapshots: SharedArrayBuffer
  /** Heartbeats older than this mean that the event loop is blocked. */
  blocked: number
  /** An event loop that is blocked for longer than this fails liveness. */
  liveness: number
  /** Whether the inspector may be used at all. */
  inspect: boolean
  terminationMessagePath: string | undefined
  /** The number of the process with which this one is to end; undefined where there is none. */
  parent: number | undefined
  /** Whether it acts where the event loop hangs; one that does not only answers. */
  watches: boolean
  /** The watchdog's own port; undefined where it does not answer on one. */
  server: ServerData | undefined
  /** How systemd is told that the event loop turns, and how often in milliseconds; undefined where it is not. */
  systemd: { way: Way, interval: number } | undefined
  /** A descriptor that is kept for the end; undefined where there was none left. */
  reservedFd: number | undefined
}

/** The watchdog's own port. */
export interface ServerData {
  port: number
  host: string
  /** Before the probe routes; undefined where there are none. */
  probes: { prefix: string, expose: boolean } | undefined
  /** The admin routes; undefined where there are none. They have a page where there are its texts. */
  admin: { prefix: string, tokens: string[], page: PageTexts | undefined } | undefined
  /** Where metrics are served. */
  metrics: string[]
}

/** A main thread that hung. */
export interface BlockedRecord {
  /** How long the event loop did not turn, in milliseconds. */
  duration: number
  /** Epoch milliseconds at which it was noticed. */
  at: number
  /** The function that held it, as `name (file:line:column)`; undefined where no pause came, as inside native code. */
  blockedIn: string | undefined
}

/** From the main thread to the watchdog. */
export type ToThread =
  | { type: 'applications', applications: WatchedState[], verdicts: Verdicts[] | undefined }
  /** Asks for `ready`, which tells that all before it has been heard. */
  | { type: 'hello', id: number }
  | { type: 'answer', id: number, value: unknown }
  /** The end is over. Answered through the heartbeat, for the main thread waits. */
  | { type: 'farewell', status: object }
  /** The metrics that were asked for; undefined where there are none. */
  | { type: 'metrics', metrics: MetricsText | RefusedMetrics | undefined }

/** From the watchdog to the main thread. */
export type ToMain =
  /** It runs. */
  | { type: 'up' }
  /** It watches, and hears the signals of all it was told of before this `hello`. */
  | { type: 'ready', id: number, signals: boolean }
  | { type: 'listening', port: number }
  | { type: 'unblocked', record: BlockedRecord }
  | { type: 'warning', message: string }
  | { type: 'signal', signal: string, number: number }
  | { type: 'prestop', id: number, at: number }
  | { type: 'status', id: number, mostRequests: number }
  /** A probe has come, and checks with `ttl: 0` are to be run for it. */
  | { type: 'verdicts', id: number, kind: CheckKind }
  /** So many watch on the watchdog's port. */
  | { type: 'watched', viewers: number }
  | { type: 'metrics' }
  | { type: 'probed', answers: ProbeAnswers[] }
