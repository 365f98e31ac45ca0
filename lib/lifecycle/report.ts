import { counted } from '../util/text.ts'
import type { Failure, Stall } from './participants.ts'
import type { Phase } from './phase.ts'

/** What set a shutdown off. */
export type ShutdownKind = 'shutdown' | 'restart' | 'crash' | 'close'

/** How a phase came to its end. */
export type PhaseEnd =
  /** Its condition was observed: nobody stalled, and its floor was over. */
  | 'condition'
  /** Its cap was reached while somebody stalled. */
  | 'cap'
  /** `undrain` went back to phase 0. */
  | 'undrain'
  /** In phase 4 somebody else has ended the process. */
  | 'exit'

/** One phase as it happened. */
export interface PhaseRecord {
  phase: Phase
  /** Milliseconds spent in it. */
  duration: number
  endedBy: PhaseEnd
  /** Who still stalled when the cap was reached, or the process ended. */
  stalledBy: Stall[]
}

/** A request that was cut at the deadline. */
export interface CutRequest {
  method: string
  /** The route's pattern, never the URL; undefined where no route matched. */
  route: string | undefined
  /** Milliseconds since it came. */
  age: number
}

/** A connection without a request in flight whose client may have been about to send the next one. */
export interface CutConnection {
  /** Of the last request; undefined where it ended before phase 1. */
  method: string | undefined
  /** The pattern of its route; undefined where it is not known, or none matched. */
  route: string | undefined
  /** Of the client, or of the balancer before it; undefined on a unix socket. */
  address: string | undefined
  /** Milliseconds since the last request ended, or came, where its end is not known. */
  age: number
}

/** What had to be cut. */
export interface Cut {
  /** Ordinary requests: someone lost an answer. */
  requests: CutRequest[]
  /** Event streams and other replies that had been told to end, by number. */
  streams: number
  /** Upgraded sockets, WebSockets among them, by number. */
  upgraded: number
  /** Connections that were not told to close, and on which a request had ended within `drain.idle` at the deadline. */
  connections: CutConnection[]
  /** Ordinary requests whose connection other code of this process than the plugin ended, or a timeout of Node's. */
  byOthers: CutRequest[]
  /** Participants, hooks and background work, by name. */
  waiting: string[]
}

/** Where late connections came from. */
export interface LateSource {
  /** The address of whoever connected: the balancer's, where there is one. */
  address: string
  count: number
}

/** Answers of health routes that said "not ready" after the announcement and reached the prober. */
export interface ProbeSummary {
  /** `kube-probe`, `GoogleHC`, `ELB-HealthChecker`, `Envoy`, `HAProxy` and the like, or `other`. */
  prober: string
  answers: number
  /** Milliseconds from the announcement to the first of them. */
  first: number
  /** And to the last. */
  last: number
}

/** A prober that goes by what a readiness route answers: a balancer, or what stands for one. Times are milliseconds. */
export interface FrontEnd {
  /** `HAProxy`, `Traefik` and the like by its User-Agent, else `other`. */
  prober: string
  /** What it asks, as `GET /readyz`. */
  route: string
  /** As it was sent, cut to 120 characters; undefined where none was. */
  userAgent: string | undefined
  /** Undefined on a Unix socket, and where it comes from another address each time. */
  address: string | undefined
  /** Time between two of its questions; undefined where it has asked once. */
  interval: number | undefined
  /** Failing answers that have gone out to it since the announcement. */
  answers: number
  /** From the announcement to the first of them; undefined where there was none. */
  first: number | undefined
  /** And to the last. */
  last: number | undefined
  /**
   * - `pending`: it has to be told; in a report, it was not by the end of phase 1
   * - `told`: it was served as many failing answers as `announce.failures` says
   * - `stopped`: it has not asked for three of its own intervals
   * - `unaffected`: its route answered as before, so that there was nothing to wait for
   */
  outcome: 'pending' | 'told' | 'stopped' | 'unaffected'
}

/** What traffic did after the announcement. */
export interface TrafficSummary {
  /**
   * Whether silence showed that the balancer had stopped sending. `absent`: there was too little traffic, or it never
   * stopped.
   */
  evidence: 'observed' | 'absent'
  /** New traffic connections per second before the announcement. */
  rateBefore: number
  /** New traffic connections since the announcement. */
  arrivals: number
  /** Milliseconds from the announcement to the last of them; undefined where none came. */
  lastArrival: number | undefined
  /** How many came within `announce.quiet` before the listener closed: where this is not 0, later ones were refused. */
  lateArrivals: number
  /** Who sent those, the busiest first, at most five. */
  lateSources: LateSource[]
  /** The `announce.min` that would have been enough, preStop included; undefined where nobody came late. */
  suggestedMin: number | undefined
  /** Who was told that the service is not ready. */
  probes: ProbeSummary[]
  /** Who was in front, as observed: the probers that asked a readiness route when the end was announced. */
  frontEnds: FrontEnd[]
  /** Connections that were told to reconnect elsewhere. */
  shed: number
}

/** The story of a shutdown, as data. All durations are milliseconds. */
export interface Report {
  /**
   * `clean`: all was served. `cut`: something had to be cut, see {@link Report.cut}. `failed`: a hook, a participant or
   * `close` failed, or it was a crash.
   */
  verdict: 'clean' | 'cut' | 'failed'
  /** One sentence for a human. */
  summary: string
  kind: ShutdownKind
  /** Who asked first: a signal's name, or the `reason` given to `shutdown`. */
  reason: string
  exitCode: number
  /** Epoch milliseconds of the announcement. */
  startedAt: number
  /** From the announcement to the end of `close`. */
  duration: number
  /** The part before the end was asked for: a drain by hand or a preStop call had begun it. 0 without these. */
  announcedBefore: number
  gracePeriod: number
  /** The phase in which a second signal came, which caps every phase at one second; undefined where none came. */
  hurried: Phase | undefined
  phases: PhaseRecord[]
  traffic: TrafficSummary
  cut: Cut
  failures: Array<Failure & { phase: Phase }>
  /** What an operator should change, in words; empty where there is nothing. */
  advice: string[]
}

/** How far a shutdown has come, or a drain by hand. Durations are milliseconds. */
export interface ShutdownProgress {
  /** Undefined during a drain by hand, like the reason. */
  kind: ShutdownKind | undefined
  reason: string | undefined
  /** Epoch milliseconds of the announcement. */
  startedAt: number
  hurried: Phase | undefined
  /** The phases that are over. */
  phases: PhaseRecord[]
  /** What the current phase lasts at least. */
  floor: number
  /** And at most; undefined where nothing but a shutdown ends it. */
  cap: number | undefined
}

/** A report before the advice. */
export type ReportDraft = Omit<Report, 'summary' | 'advice'>

/** Judges what happened: the verdict, and the exit code where it went wrong. */
export function draftReport (facts: Omit<ReportDraft, 'verdict'>): ReportDraft {
  const { kind, cut, failures, exitCode } = facts
  // Long-lived streams and sockets reconnect by themselves; nobody waits for an answer.
  const lost = cut.requests.length + cut.connections.length + cut.byOthers.length + cut.waiting.length > 0
  const failed = kind === 'crash' || failures.length > 0
  const verdict = failed ? 'failed' : lost || cut.streams > 0 || cut.upgraded > 0 ? 'cut' : 'clean'
  return { ...facts, verdict, exitCode: exitCode === 0 && (failed || lost) ? 1 : exitCode }
}

/** Adds what is said to a human. */
export function completeReport (draft: ReportDraft, advice: string[]): Report {
  return { ...draft, advice, summary: summarize(draft) }
}

function summarize ({
  kind, reason, duration, announcedBefore, hurried, phases, cut, failures, traffic
}: ReportDraft): string {
  const how = [`${kind} by ${reason} in ${Math.round(duration - announcedBefore)} ms`]
  if (announcedBefore > 0) how.push(`announced ${announcedBefore} ms before`)
  if (hurried !== undefined) how.push(`hurried by a second signal in phase '${hurried}'`)
  const parts: string[] = []
  if (cut.requests.length > 0) parts.push(`${counted(cut.requests.length, 'request')} cut`)
  if (cut.connections.length > 0) {
    parts.push(`${counted(cut.connections.length, 'connection')} cut soon after a request`)
  }
  if (cut.byOthers.length > 0) parts.push(`${counted(cut.byOthers.length, 'request')} ended by others in this process`)
  if (cut.waiting.length > 0) parts.push(`no longer waited for: ${cut.waiting.join(', ')}`)
  if (cut.streams + cut.upgraded > 0) {
    parts.push(`${counted(cut.streams, 'stream')} and ${counted(cut.upgraded, 'upgraded socket')} cut`)
  }
  if (traffic.lateArrivals > 0) parts.push(`${counted(traffic.lateArrivals, 'connection')} came late`)
  if (failures.length > 0) {
    parts.push(`failed: ${failures.map((failure) => `${failure.name} (${failure.message})`).join(', ')}`)
  }
  const last = phases.at(-1)
  if (last?.endedBy === 'exit') {
    const names = last.stalledBy.map(({ name }) => name).join(', ')
    how.push(`ended by somebody's process.exit before these were over: ${names}`)
  }
  return parts.length === 0 ? [...how, 'nothing cut'].join(', ') : [how.join(', '), ...parts].join('; ')
}

/** A summary of no traffic at all: where none was seen, or nobody knows. */
export function noTraffic (): TrafficSummary {
  return {
    evidence: 'absent',
    rateBefore: 0,
    arrivals: 0,
    lastArrival: undefined,
    lateArrivals: 0,
    lateSources: [],
    suggestedMin: undefined,
    probes: [],
    frontEnds: [],
    shed: 0
  }
}
