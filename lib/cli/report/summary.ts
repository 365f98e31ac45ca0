import { phases } from '../../lifecycle/phase.ts'
import { adviseOn } from './advice.ts'
import type { Advice } from './advice.ts'
import type { Unreported, Facts } from './facts.ts'
import type { LineCounts } from './reader.ts'
import type { Group, Place, Stalled, Tally } from './tally.ts'

/** Bounds of the {@link Bucket}s. */
const bounds = [0, 1000, 2000, 5000, 10_000, 15_000, 20_000, 30_000, 60_000]

/** What was read. */
export interface Input extends LineCounts { files: string[] }

/** One process, and its report. */
export type Pod = Omit<Facts, 'oldest' | 'drainedWithout' | 'terminatedWithout'>

/** How times are spread. All in milliseconds. */
export interface Spread {
  count: number
  least: number
  median: number
  /** Nine of ten took no longer. */
  most90: number
  longest: number
  longestOf: string
}

/** How many times lie from one bound, inclusive, to the next; the last has no end. In milliseconds. */
export interface Bucket { from: number, to: number | undefined, count: number }

/** What the log of a rollout tells, as `--json` prints it. Times are milliseconds. */
export interface Summary {
  input: Input & { repeated: number, left: number }
  reports: number
  verdicts: Record<string, number>
  pods: Pod[]
  /** Ends without a report. */
  unreported: Unreported[]
  phases: Array<Spread & { phase: string, capped: number }>
  /** From the announcement to the last new connection, of those reports that had one. */
  lastArrivals: (Spread & { buckets: Bucket[] }) | undefined
  late: { reports: number, connections: number, sources: Array<Group<{ address: string }>> }
  cut: {
    requests: Array<Group<Place>>
    connections: Array<Group<Place>>
    byOthers: Array<Group<Place>>
    streams: number
    upgraded: number
  }
  /** Who still stalled when a phase was over. */
  stalled: Array<Group<Stalled>>
  /** Who was waited for so long that a line said so: `count` lines. */
  waited: Array<Group<Stalled>>
  failures: Array<Group<{ name: string, phase: string, message: string }>>
  blocked: Array<Group<{ blockedIn: string | undefined }>>
  /** Other warnings and errors of the plugin's. */
  warnings: Array<Group<{ event: string, message: string }>>
  advice: Advice
}

/** What all lines together tell. */
export function summarize (tally: Tally, input: Input): Summary {
  const { reports, left, repeated, ends: { unreported } } = tally
  const sum = (amountOf: (facts: Facts) => number): number => reports.reduce((all, facts) => all + amountOf(facts), 0)
  const verdicts = new Map<string, number>()
  for (const { verdict } of reports) verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1)
  return {
    input: { ...input, repeated: repeated.count, left },
    reports: reports.length,
    verdicts: Object.fromEntries(verdicts),
    pods: reports.map(podOf).toSorted((one, other) => one.startedAt - other.startedAt),
    unreported,
    phases: phasesOf(reports),
    lastArrivals: lastArrivalsOf(reports),
    late: {
      reports: reports.filter(({ lateArrivals }) => lateArrivals > 0).length,
      connections: sum(({ lateArrivals }) => lateArrivals),
      sources: tally.late.sorted
    },
    cut: {
      requests: tally.requests.sorted,
      connections: tally.connections.sorted,
      byOthers: tally.byOthers.sorted,
      streams: sum(({ streams }) => streams),
      upgraded: sum(({ upgraded }) => upgraded)
    },
    stalled: tally.stalled.sorted,
    waited: tally.waited.sorted,
    failures: tally.failures.sorted,
    blocked: tally.blocked.sorted,
    warnings: tally.warnings.sorted,
    advice: adviseOn(reports, unreported)
  }
}

function podOf ({ oldest: _oldest, drainedWithout: _drained, terminatedWithout: _terminated, ...pod }: Facts): Pod {
  return pod
}

function phasesOf (reports: readonly Facts[]): Summary['phases'] {
  return phases.flatMap((phase) => {
    const all = reports.flatMap(({ name, phases: passed }) => passed
      .filter((record) => record.phase === phase)
      .map(({ duration: time, endedBy }) => ({ name, time, endedBy })))
    const spread = spreadOf(all)
    const capped = all.filter(({ endedBy }) => endedBy === 'cap').length
    return spread === undefined ? [] : [{ phase, ...spread, capped }]
  })
}

function lastArrivalsOf (reports: readonly Facts[]): Summary['lastArrivals'] {
  const all = reports.flatMap(({ name, lastArrival: time }) => time === undefined ? [] : [{ name, time }])
  const spread = spreadOf(all)
  return spread && { ...spread, buckets: bucketsOf(all.map(({ time }) => time)) }
}

/** A time, and whose it was. */
interface Sample { time: number, name: string }

/** How times are spread; undefined where there are none. */
export function spreadOf (samples: readonly Sample[]): Spread | undefined {
  const sorted = samples.toSorted((one, other) => one.time - other.time)
  const [first, last] = [sorted[0], sorted.at(-1)]
  if (first === undefined || last === undefined) return undefined
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!.time
  const half = sorted.length / 2
  return {
    count: sorted.length,
    least: first.time,
    median: Math.round((at(0.5) + (Number.isInteger(half) ? sorted[half]!.time : at(0.5))) / 2),
    most90: at(0.9),
    longest: last.time,
    longestOf: last.name
  }
}

/** How often times lie where, without the empty ends. */
export function bucketsOf (times: readonly number[]): Bucket[] {
  const buckets = bounds.map((from, index): Bucket => {
    const to = bounds[index + 1]
    return { from, to, count: times.filter((time) => time >= from && time < (to ?? Infinity)).length }
  })
  const last = buckets.findLastIndex(({ count }) => count > 0)
  return buckets.slice(0, last + 1)
}
