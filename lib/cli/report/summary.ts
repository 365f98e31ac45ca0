import { phases } from '../../lifecycle/phase.ts'
import { adviseOn } from './advice.ts'
import type { Advice } from './advice.ts'
import type { Unreported, Facts } from './facts.ts'
import type { Group, Bucket, Spread } from './groups.ts'
import type { LineCounts } from './reader.ts'
import { bucketsOf, spreadOf } from './groups.ts'
import type { Place, Stalled, Tally } from './tally.ts'

/** What was read. */
export interface Input extends LineCounts { files: string[] }

/** One process, and its report. */
export type Pod = Omit<Facts, 'oldest' | 'drainedWithout' | 'terminatedWithout'>

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
