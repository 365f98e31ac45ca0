import type { Budget } from '../lifecycle/budget.ts'
import type { Stall } from '../lifecycle/participants.ts'
import { phaseNumber } from '../lifecycle/phase.ts'
import type { Phase } from '../lifecycle/phase.ts'
import type { Report, ShutdownProgress, TrafficSummary } from '../lifecycle/report.ts'

/** What anyone may know. */
export interface PublicStatus {
  phase: Phase
  /** The phase's number, 0 to 4. */
  number: number
  /** Epoch milliseconds at which it began. */
  since: number
  /** The last known readiness. */
  ready: boolean
}

/** A request in flight. Never more of it than this: what a client sent is nobody's business. */
export interface RequestStatus {
  method: string
  /** The route's pattern; undefined where no route matched. */
  route: string | undefined
  /** Milliseconds since it came. */
  age: number
  /** What holds it: an ordinary request, a stream, an upgraded socket and so on. */
  kind: string
}

/** Who may stall a phase. */
export interface ParticipantStatus {
  name: string
  /** Why it stalls now; undefined where it does not. */
  reason: string | undefined
}

/** A health check with its last outcome. */
export interface CheckStatus {
  name: string
  /** The probes that ask it. */
  kinds: readonly string[]
  /** Whether the probes that ask it fail with it. */
  critical: boolean
  /** `unknown` until it has run, `degraded` where it fails and is not critical. */
  state: 'passing' | 'failing' | 'degraded' | 'unknown'
  /** Milliseconds since it ran; undefined until then, like the two below. */
  age: number | undefined
  /** Milliseconds that took. */
  duration: number | undefined
  /** Why it fails. */
  error: string | undefined
}

/** What `@fastify/under-pressure` measures. */
export interface PressureStatus {
  /** Whether it answers 503 now. */
  underPressure: boolean
  heapUsed: number
  rssBytes: number
  /** Milliseconds. */
  eventLoopDelay: number
  /** 0 to 1. */
  eventLoopUtilized: number
}

/** What the thread that watches the event loop has seen. Times are milliseconds. */
export interface WatchdogState {
  /** `starting` also after it has died, until it is up again; `failed`: it cannot be started. */
  state: 'starting' | 'watching' | 'failed'
  /** Its own port; undefined where it has none, or does not listen yet. */
  port: number | undefined
  /** How often the event loop did not turn for longer than `watchdog.blocked`. */
  blockedCount: number
  /** How long it did not turn in these, together. */
  blockedTime: number
  /**
   * The last of them: its length, when it was noticed, and the function that held the event loop, which is undefined
   * where the thread could not be paused, as in native code.
   */
  lastBlocked: { duration: number, at: number, blockedIn: string | undefined } | undefined
}

/** What is known of the traffic. */
export interface TrafficStatus {
  /** New traffic connections per second: now while running, before the announcement after it. */
  rate: number
  /** New traffic connections since the announcement. */
  arrivals: number
  /** Whether silence has shown that the balancer stopped sending; undefined before the announcement. */
  evidence: TrafficSummary['evidence'] | undefined
  /** As in the report. */
  lastArrival: TrafficSummary['lastArrival']
  lateArrivals: TrafficSummary['lateArrivals']
  lateSources: TrafficSummary['lateSources']
  probes: TrafficSummary['probes']
  /** Who is in front, as observed. */
  frontEnds: TrafficSummary['frontEnds']
}

/** The versions of what runs. */
interface Versions {
  /** Of this package. */
  package: string
  node: string
  fastify: string
}

/** The whole: what `app.graceful.status()` answers, and `GET /-/status` to the authorised. */
export interface Status extends PublicStatus {
  /** Whether boot is over. */
  started: boolean
  /** Epoch milliseconds by which all work must be over; undefined while no end was asked for. */
  deadline: number | undefined
  /** How far the end has come, or a drain by hand; undefined while running. */
  shutdown: ShutdownProgress | undefined
  /** The reasons of all who hold. */
  holds: string[]
  /** How many requests are in flight. */
  inFlight: number
  /** The requests in flight, the oldest first. */
  requests: RequestStatus[]
  /** Open connections by kind. */
  connections: Record<string, number>
  /** Everybody who may stall a phase, and whatever else stalls it. */
  participants: ParticipantStatus[]
  checks: CheckStatus[]
  /** Undefined where `@fastify/under-pressure` is not registered. */
  pressure: PressureStatus | undefined
  /** How the grace period is cut, in milliseconds. */
  budget: Budget
  /** Where the service runs, as the option `platform` calls it; undefined where nothing was recognised. */
  platform?: string | undefined
  traffic: TrafficStatus
  /** The names of background work. */
  work: string[]
  /** The thread that watches the event loop; undefined where there is none. */
  watchdog: WatchdogState | undefined
  /** Undefined until the end is over. */
  report: Report | undefined
  versions: Versions
}

/** What a {@link Status} is built from; every room gives its part. */
export interface StatusParts extends Omit<Status, 'number' | 'requests' | 'participants'> {
  requests: Iterable<RequestStatus>
  /** The names of all participants. */
  participants: readonly string[]
  /** Who stalls now. */
  stalls: readonly Stall[]
}

/** Puts the parts together. Only what the types name is taken over, so that nothing else of a request gets out. */
export function buildStatus (parts: StatusParts): Status {
  const { phase, since, ready, started, deadline, shutdown, inFlight, budget, pressure, report } = parts
  return {
    phase,
    number: phaseNumber(phase),
    since,
    ready,
    started,
    deadline,
    shutdown,
    holds: [...parts.holds],
    inFlight,
    requests: [...parts.requests]
      .map(({ method, route, age, kind }) => ({ method, route, age, kind }))
      .toSorted((a, b) => b.age - a.age),
    connections: { ...parts.connections },
    participants: listParticipants(parts.participants, parts.stalls),
    checks: [...parts.checks],
    pressure,
    budget,
    platform: parts.platform,
    traffic: parts.traffic,
    work: [...parts.work],
    watchdog: parts.watchdog,
    report,
    versions: parts.versions
  }
}

/** The part of a status that anyone may know. */
export function publicStatus ({ phase, number, since, ready }: PublicStatus): PublicStatus {
  return { phase, number, since, ready }
}

/** Hooks, background work and the plugin's own observers stall without being participants. */
function listParticipants (names: readonly string[], stalls: readonly Stall[]): ParticipantStatus[] {
  const unnamed = [...stalls]
  const named = names.map((name): ParticipantStatus => {
    const index = unnamed.findIndex((stall) => stall.name === name)
    return { name, reason: index === -1 ? undefined : unnamed.splice(index, 1)[0]?.reason }
  })
  return [...named, ...unnamed.map(({ name, reason }) => ({ name, reason }))]
}
