import type { AnnounceBudget, Budget } from '../lifecycle/budget.ts'
import type { Failure, Stall } from '../lifecycle/participants.ts'
import type { Phase } from '../lifecycle/phase.ts'
import type {
  Cut, CutConnection, CutRequest, FrontEnd, LateSource, PhaseRecord, ProbeSummary, Report, ShutdownProgress,
  TrafficSummary
} from '../lifecycle/report.ts'
import type {
  CheckStatus, ParticipantStatus, PressureStatus, RequestStatus, Status, TrafficStatus, WatchdogState
} from './model.ts'
import type { ChildStatus } from '../supervisor/parent/status.ts'
import type { Shown } from './shown.ts'

/** Makes of a value from the wire, which may be anything, what its type says. */
type Reader<T> = (value: unknown) => T
type Shape<T> = { [K in keyof T]-?: Reader<T[K]> }

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const flag: Reader<boolean | undefined> = (value) => typeof value === 'boolean' ? value : undefined
const number: Reader<number | undefined> = (value) => typeof value === 'number' ? value : undefined
const amount: Reader<number> = (value) => number(value) ?? 0
/** A time or a figure that nobody knows is none. */
const figure: Reader<number> = (value) => number(value) ?? Number.NaN
/* oxlint-disable typescript/no-unnecessary-type-parameters -- which word it is says the type of the field */
/** One of a few words in a status of this version; in that of another one, any. */
const word = <T extends string>(value: unknown): T | undefined => typeof value === 'string' ? value as T : undefined
const name = <T extends string>(value: unknown): T => word<T>(value) ?? '?' as T
/* oxlint-enable typescript/no-unnecessary-type-parameters */

const fields = <T>(shape: Shape<T>): Reader<T | undefined> => (value) => isRecord(value)
  ? Object.fromEntries(Object.entries<Reader<unknown>>(shape).flatMap(([key, read]) => {
    const inner = read(Object.hasOwn(value, key) ? value[key] : undefined)
    return inner === undefined ? [] : [[key, inner]]
  })) as T
  : undefined

/** What is in no list is not there, and neither is what is none of its items. */
const list = <T>(read: Reader<T | undefined>): Reader<T[]> => (value) =>
  Array.isArray(value) ? value.flatMap((item) => read(item) ?? []) : []
/** An object with all its fields, also where there is none. */
const always = <T>(read: Reader<T | undefined>): Reader<T> => (value) => read(value) ?? read({})!
const maybe = <T>(read: Reader<T>): Reader<T | undefined> => (value) => Array.isArray(value) ? read(value) : undefined
const counts: Reader<Record<string, number> | undefined> = (value) => isRecord(value)
  ? Object.fromEntries(Object.entries(value).flatMap(([key, count]) => typeof count === 'number' ? [[key, count]] : []))
  : undefined

const texts = list(word)
const isSo: Reader<boolean> = (value) => value === true
const isNotDenied: Reader<boolean> = (value) => value !== false
const participant = fields<ParticipantStatus>({ name, reason: word })
const stall = fields<Stall>({ name, reason: name })
const request = fields<RequestStatus>({ method: name, route: word, age: figure, kind: name })
const check = fields<CheckStatus>({
  name, kinds: texts, critical: isNotDenied, state: name, age: number, duration: number, error: word
})
const pressure = fields<PressureStatus>({
  underPressure: isSo, heapUsed: figure, rssBytes: figure, eventLoopDelay: figure, eventLoopUtilized: figure
})
const announce = fields<AnnounceBudget>({
  min: amount, quiet: amount, blind: amount, max: amount, readinessDelay: amount
})
const budget = fields<Budget>({
  gracePeriod: amount, preStop: amount, reserve: amount, close: amount, closing: amount, announce: always(announce)
})
const record = fields<PhaseRecord>({ phase: name, duration: figure, endedBy: name, stalledBy: list(stall) })
const shutdown = fields<ShutdownProgress>({
  kind: word, reason: word, startedAt: amount, hurried: word, phases: list(record), floor: amount, cap: number
})
const arrivals = {
  arrivals: amount,
  lastArrival: number,
  lateArrivals: amount,
  lateSources: list(fields<LateSource>({ address: name, count: amount })),
  probes: list(fields<ProbeSummary>({ prober: name, answers: amount, first: figure, last: figure })),
  frontEnds: list(fields<FrontEnd>({
    prober: name, route: name, userAgent: word, address: word, interval: number, answers: amount, first: number,
    last: number, outcome: (value) => word(value) ?? 'pending'
  }))
}
const traffic = fields<TrafficStatus>({ ...arrivals, rate: figure, evidence: word })
const summary = fields<TrafficSummary>({
  ...arrivals, evidence: name, rateBefore: figure, suggestedMin: number, shed: amount
})
const cutRequest = fields<CutRequest>({ method: name, route: word, age: figure })
const cut = fields<Cut>({
  requests: list(cutRequest), streams: amount, upgraded: amount, byOthers: list(cutRequest), waiting: texts,
  connections: list(fields<CutConnection>({ method: word, route: word, address: word, age: figure }))
})
const report = fields<Report>({
  verdict: name, summary: name, kind: name, reason: name, exitCode: figure, startedAt: amount, duration: figure,
  announcedBefore: amount, gracePeriod: amount, hurried: word, phases: list(record), traffic: always(summary),
  cut: always(cut), failures: list(fields<Failure & { phase: Phase }>({ name, message: name, phase: name })),
  advice: texts
})
const blocked = fields<NonNullable<WatchdogState['lastBlocked']>>({ duration: figure, at: figure, blockedIn: word })
const watchdog = fields<WatchdogState>({
  state: name, port: number, blockedCount: amount, blockedTime: figure, lastBlocked: blocked
})
const eventLoop = fields<NonNullable<Shown['eventLoop']>>({ silence: figure, blocked: isSo, blockedIn: word })
const applications: Reader<Shown[] | undefined> = maybe(list((value) => status(value)))
const child = fields<ChildStatus>({
  child: figure, pid: number, phase: word, ready: isSo, responding: isNotDenied, leaving: isSo, startedAt: figure,
  restarts: amount, memory: number, inFlight: number, connections: number,
  applications: applications as Reader<Status[] | undefined>
})

const status = fields<Omit<Shown, 'instance' | 'process' | 'versions' | 'ended' | 'exitCode'>>({
  at: number, access: word, name: word, phase: word, number, since: number, ready: flag, started: flag,
  deadline: number, shutdown, holds: texts, inFlight: number, connections: counts,
  participants: maybe(list(participant)), stalls: maybe(list(stall)), requests: maybe(list(request)),
  checks: maybe(list(check)), pressure, budget, platform: word, traffic, work: texts, watchdog, report, eventLoop,
  workers: number, minReady: number, readyChildren: number, reloading: flag, children: maybe(list(child)), applications
})

/**
 * A status that came over the wire, from whatever version of this package: what is missing, or of another type than it
 * has here, is undefined, or what its type has for something that is not known.
 */
export function readStatus (value: unknown): Shown {
  return status(value) ?? {}
}
