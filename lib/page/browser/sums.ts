import type { ChildStatus } from '../../supervisor/parent/overview.ts'
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
  if (all.length === 0) return undefined
  const sums: Record<string, number> = {}
  for (const [kind, count] of all) sums[kind] = (sums[kind] ?? 0) + count
  return sums
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

/** Each address once, the busiest first, at most five. */
function sumSources (sources: LateSource[]): LateSource[] {
  const counts = new Map<string, number>()
  for (const { address, count } of sources) counts.set(address, (counts.get(address) ?? 0) + count)
  return [...counts].map(([address, count]) => ({ address, count })).toSorted((a, b) => b.count - a.count).slice(0, 5)
}

/** Each prober once. */
function sumProbes (probes: ProbeSummary[]): ProbeSummary[] {
  const sums = new Map<string, ProbeSummary>()
  for (const { prober, answers, first, last } of probes) {
    const known = sums.get(prober)
    sums.set(prober, known === undefined ? { prober, answers, first, last } : {
      prober,
      answers: known.answers + answers,
      first: Math.min(known.first, first),
      last: Math.max(known.last, last)
    })
  }
  return [...sums.values()]
}

/** Each front end once: every child sees a part of its questions. */
function sumFrontEnds (frontEnds: FrontEnd[]): FrontEnd[] {
  const sums = new Map<string, FrontEnd>()
  for (const one of frontEnds) {
    const key = [one.route, one.userAgent, one.address].join(' ')
    const known = sums.get(key)
    const times = [known?.first, known?.last, one.first, one.last].filter((time) => time !== undefined)
    const [first, last] = times.length === 0 ? [] : [Math.min(...times), Math.max(...times)]
    const outcome = known?.outcome === 'pending' ? known.outcome : one.outcome
    sums.set(key, { ...one, answers: one.answers + (known?.answers ?? 0), first, last, outcome })
  }
  return [...sums.values()]
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
