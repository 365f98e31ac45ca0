import type { ChildStatus } from '../../supervisor/parent/status.ts'
import type { WatchdogState, TrafficStatus } from '../../status/model.ts'
import type { FrontEnd, LateSource, ProbeSummary } from '../../lifecycle/report.ts'
import { placeOf } from '../../status/sentences.ts'
import type { Shown } from '../../status/shown.ts'

/** The names of those children whose figures are in no sum, as they tell nothing now; empty where all do. */
export function untold (children: ChildStatus[] | undefined = []): string {
  return children
    .filter(({ applications = [] }) => applications.length === 0)
    .map(({ child }) => `child ${child}`)
    .join(', ')
}

/** Numbers, added up. */
function sum (numbers: number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}

/** Open connections of all children, by kind; undefined where none of them tells of any. */
export function sumConnections (children: ChildStatus[]): Record<string, number> | undefined {
  const all = children
    .flatMap(({ applications = [] }) => applications)
    .flatMap(({ connections }) => Object.entries(connections))
  const sums = mergedBy<[kind: string, count: number]>(all, ([kind]) => kind, ([kind, a], [, b]) => [kind, a + b])
  return sums.length === 0 ? undefined : Object.fromEntries(sums)
}

/** Traffic of all children, with those that ended since the end was asked for; undefined where none tells of any. */
export function sumTraffic ({ children = [], ended = [], number = 0 }: Shown): TrafficStatus | undefined {
  // Of a child that a reload replaces, the traffic has gone to its successor.
  const alive = children
    .flatMap(({ applications = [] }) => applications)
    .filter((one) => number > 0 || one.number === 0)
    .map(({ traffic }) => traffic)
  const over = ended.flatMap(({ report }) =>
    report === undefined ? [] : [{ ...report.traffic, rate: report.traffic.rateBefore }])
  const all = [...alive, ...over]
  if (all.length === 0) return undefined
  const last = all.flatMap(({ lastArrival }) => lastArrival ?? [])
  return {
    rate: sum(all.map(({ rate }) => rate)),
    arrivals: sum(all.map(({ arrivals }) => arrivals)),
    evidence: all.every(({ evidence }) => evidence === 'observed') ? 'observed' : 'absent',
    lastArrival: last.length === 0 ? undefined : Math.max(...last),
    lateArrivals: sum(all.map(({ lateArrivals }) => lateArrivals)),
    lateSources: sumSources(all.flatMap(({ lateSources }) => lateSources)),
    probes: sumProbes(all.flatMap(({ probes }) => probes)),
    // A child of another version may tell nothing of them.
    frontEnds: sumFrontEnds(all.flatMap(({ frontEnds = [] }: Partial<TrafficStatus>) => frontEnds))
  }
}

/** Items of the same key, added up. */
function mergedBy<T> (items: T[], keyOf: (item: T) => string, add: (known: T, item: T) => T): T[] {
  const sums = new Map<string, T>()
  for (const item of items) {
    const [key, known] = [keyOf(item), sums.get(keyOf(item))]
    sums.set(key, known === undefined ? item : add(known, item))
  }
  return [...sums.values()]
}

/** Each address once, the busiest first, at most five. */
function sumSources (sources: LateSource[]): LateSource[] {
  return mergedBy(sources, ({ address }) => address, (a, b) => ({ ...a, count: a.count + b.count }))
    .toSorted((a, b) => b.count - a.count)
    .slice(0, 5)
}

/** Each prober once. */
function sumProbes (probes: ProbeSummary[]): ProbeSummary[] {
  return mergedBy(probes, ({ prober }) => prober, (a, b) =>
    ({ ...a, answers: a.answers + b.answers, first: Math.min(a.first, b.first), last: Math.max(a.last, b.last) }))
}

/** Each front end once: every child sees a part of its questions. */
function sumFrontEnds (frontEnds: FrontEnd[]): FrontEnd[] {
  return mergedBy(frontEnds, ({ route, userAgent, address }) => [route, userAgent, address].join(' '), (a, b) => {
    const times = [a.first, a.last, b.first, b.last].filter((time) => time !== undefined)
    const [first, last] = times.length === 0 ? [] : [Math.min(...times), Math.max(...times)]
    const outcome = a.outcome === 'pending' ? a.outcome : b.outcome
    return { ...b, answers: a.answers + b.answers, first, last, outcome }
  })
}

/** The watchdogs of all children as one: the worst state, all blocks, and the last one; undefined without watchdogs. */
export function sumWatchdogs (children: ChildStatus[]): WatchdogState | undefined {
  // All applications of a child have the same.
  const all = children.flatMap(({ child, applications = [] }) => {
    const [watchdog] = applications.flatMap((one) => one.watchdog ?? [])
    return watchdog === undefined ? [] : [{ child, ...watchdog }]
  })
  if (all.length === 0) return undefined
  const [last] = all
    .flatMap(({ child, lastBlocked }) => lastBlocked === undefined ? [] : [{ child, ...lastBlocked }])
    .toSorted((a, b) => b.at - a.at)
  return {
    state: all.find(({ state }) => state === 'failed')?.state
      ?? all.find(({ state }) => state === 'starting')?.state
      ?? 'watching',
    port: undefined,
    blockedCount: sum(all.map(({ blockedCount }) => blockedCount)),
    blockedTime: sum(all.map(({ blockedTime }) => blockedTime)),
    lastBlocked: last && {
      duration: last.duration,
      at: last.at,
      blockedIn: `child ${last.child}: ${placeOf(last.blockedIn)}`
    }
  }
}
