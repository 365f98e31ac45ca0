import type { Cut, CutRequest, PhaseRecord, Report, TrafficSummary } from '../../lifecycle/report.ts'
import { phases } from '../../lifecycle/phase.ts'
import type { Phase } from '../../lifecycle/phase.ts'
import { readStatus } from '../../status/read.ts'
import { shorten } from '../../util/shown.ts'
import { printableAll } from '../status/fields.ts'
import type { Origin } from './records.ts'

/** Characters of a name or a sentence that are kept. */
const longestText = 300
/** The longest time that is believed, in milliseconds: some three centuries. */
const longestTime = 1e13
/** A report is less deep. */
const deepest = 8
/** Reports have up to a hundred of most things, and any number of cut requests. */
const mostItems = 10_000

/** What of a report is kept. Times are milliseconds. */
export interface Facts extends Omit<Report, 'phases' | 'traffic' | 'cut' | 'failures' | 'advice'>,
  Pick<TrafficSummary, 'lastArrival' | 'lateArrivals' | 'suggestedMin'>, Pick<Cut, 'streams' | 'upgraded'> {
  name: string
  pid: number | undefined
  phases: Array<Omit<PhaseRecord, 'stalledBy'>>
  /** How many of each were cut. */
  requests: number
  connections: number
  byOthers: number
  /** The oldest of the cut requests. */
  oldest: CutRequest | undefined
  /** Who was no longer waited for when draining, and when phase 4 was over. */
  drainedWithout: string[]
  terminatedWithout: string[]
}

/** How a process is called. */
export function nameOf ({ pod, hostname, file }: Origin): string {
  return textOf(pod ?? hostname ?? file)
}

/** A text of somebody else's: short, and safe on a terminal. */
export function textOf (value: unknown): string {
  return shorten(printableAll(typeof value === 'string' ? shorten(value, longestText) : '?') as string, longestText)
}

/** A time from the wire; undefined for what is none. */
export function timeOf (value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 ? Math.min(value, longestTime) : undefined
}

/** A report that came over the wire, {@link bounded}; undefined for what is none. */
export function readReport (value: unknown): Report | undefined {
  const { report } = readStatus({ report: value })
  return report === undefined || report.phases.length + report.startedAt === 0 ? undefined : report
}

/** A value that was JSON, neither deep nor endless, with text that is safe on a terminal and numbers that add up. */
export function bounded (value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return textOf(value)
  if (typeof value === 'number') return value < 0 ? 0 : Math.min(value, longestTime)
  if (typeof value !== 'object' || value === null) return value
  if (depth > deepest) return undefined
  if (Array.isArray(value)) return value.slice(0, mostItems).map((item) => bounded(item, depth + 1))
  return Object.fromEntries(Object.entries(value).slice(0, mostItems)
    .map(([name, inner]) => [name, bounded(inner, depth + 1)]))
}

/** What is kept of a report. */
export function factsOf (report: Report, origin: Origin): Facts {
  const { phases: passed, traffic, cut, failures: _failures, advice: _advice, ...rest } = report
  const { lastArrival, lateArrivals, suggestedMin } = traffic
  const { requests, connections, byOthers, streams, upgraded, waiting } = cut
  const without = (name: Phase): string[] => passed
    .filter(({ phase, endedBy }) => phase === name && endedBy === 'cap')
    .flatMap(({ stalledBy }) => stalledBy.map((stall) => stall.name))
    .filter((stalled) => waiting.includes(stalled))
  const [oldest] = requests.toSorted((one, other) => (other.age || 0) - (one.age || 0))
  return {
    ...rest,
    exitCode: rest.exitCode || 0,
    duration: rest.duration || 0,
    name: nameOf(origin),
    pid: origin.pid,
    phases: passed.filter(({ phase }) => phases.includes(phase)).slice(0, phases.length)
      .map(({ phase, duration, endedBy }) => ({ phase, duration: duration || 0, endedBy })),
    lastArrival,
    lateArrivals,
    suggestedMin,
    requests: requests.length,
    connections: connections.length,
    byOthers: byOthers.length,
    streams,
    upgraded,
    oldest,
    drainedWithout: without('draining'),
    terminatedWithout: without('terminated')
  }
}
