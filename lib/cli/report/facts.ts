import { phases } from '../../lifecycle/phase.ts'
import type { Phase } from '../../lifecycle/phase.ts'
import type { Cut, CutRequest, PhaseRecord, Report, TrafficSummary } from '../../lifecycle/report.ts'
import { readStatus } from '../../status/read.ts'
import { shorten } from '../../util/text.ts'
import { printableAll } from '../printable.ts'
import type { Origin, LogRecord } from './records.ts'

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

/** An end without a report. Times are milliseconds. */
export interface Unreported {
  name: string
  pid: number | undefined
  /**
   * - `watchdog`: the event loop did not turn, and the watchdog ended the process at its deadline
   * - `killed`: the next start found that the process had been killed
   * - `unknown`: the log has its beginning, and no report
   */
  how: 'watchdog' | 'killed' | 'unknown'
  phase: string
  reason: string
  /** From the signal to the last sign of life, and what was planned; of `killed` alone. */
  elapsed?: number | undefined
  planned?: number | undefined
  /** What held the event loop; of `watchdog` alone. */
  blockedIn?: string | undefined
  /** Requests in flight; of `watchdog` alone. */
  requests?: number
}

/** Ends, and processes, that are remembered. */
const most = 100_000
/** A report's beginning is the time of the first line of its end, give or take as much, in milliseconds. */
const tolerance = 5000

interface Begun { name: string, pid: number | undefined, at: number | undefined, reason: string }

const keyOf = ({ hostname, pod, file, pid }: Origin): string => `${hostname ?? pod ?? file} ${pid ?? ''}`

/** Which ends have no report. */
export class Ends {
  readonly #begun = new Map<string, Begun[]>()
  readonly #lastPhase = new Map<string, { at: number, phase: string }>()
  readonly #reported = new Map<string, number[]>()
  readonly #told: Unreported[] = []

  /** The process has entered a phase. */
  enter ({ fields, origin }: LogRecord): void {
    const key = keyOf(origin)
    const at = timeOf(fields['time'])
    const phase = textOf(fields['phase'])
    if (phase === 'running') {
      // A drain by hand that was undone.
      this.#begun.delete(key)
      return
    }
    const last = this.#lastPhase.get(key)
    if (last === undefined || (at ?? 0) >= last.at) this.#lastPhase.set(key, { at: at ?? 0, phase })
    if (phase !== 'announcing' || this.#begun.size >= most) return
    const all = this.#begun.get(key) ?? []
    all.push({ name: nameOf(origin), pid: origin.pid, at, reason: textOf(fields['reason']) })
    this.#begun.set(key, all.slice(-100))
  }

  report (origin: Origin, startedAt: number): void {
    const key = keyOf(origin)
    if (this.#reported.size < most) this.#reported.set(key, [...this.#reported.get(key) ?? [], startedAt].slice(-100))
  }

  /** The watchdog has ended the process. */
  watchdog ({ fields, origin }: LogRecord): void {
    const { requests, blockedIn } = fields
    this.#tell(origin, fields, {
      how: 'watchdog',
      blockedIn: blockedIn === undefined ? undefined : textOf(blockedIn),
      requests: Array.isArray(requests) ? requests.length : 0
    })
    this.report(origin, timeOf(fields['time']) ?? 0)
    this.#begun.delete(keyOf(origin))
  }

  /** A process that is gone was killed. */
  predecessor ({ fields, origin }: LogRecord): void {
    const pid = timeOf(fields['childPid'])
    const before = { ...origin, pid }
    const facts = { elapsed: timeOf(fields['elapsed']), planned: timeOf(fields['planned']) }
    this.#tell(before, fields, { how: 'killed', ...facts })
    this.#begun.delete(keyOf(before))
  }

  get unreported (): Unreported[] {
    const unknown = [...this.#begun].flatMap(([key, all]) => all
      .filter(({ at }) => !this.#isReported(key, at))
      .map(({ name, pid, reason }): Unreported =>
        ({ name, pid, how: 'unknown', phase: this.#lastPhase.get(key)?.phase ?? 'announcing', reason })))
    return [...this.#told, ...unknown]
  }

  #isReported (key: string, at: number | undefined): boolean {
    const reported = this.#reported.get(key) ?? []
    return at === undefined ? reported.length > 0 : reported.some((begin) => Math.abs(begin - at) < tolerance)
  }

  #tell (
    origin: Origin,
    fields: LogRecord['fields'],
    more: Omit<Unreported, 'name' | 'pid' | 'phase' | 'reason'>
  ): void {
    if (this.#told.length >= most) return
    const { phase, reason } = fields
    this.#told.push({ name: nameOf(origin), pid: origin.pid, phase: textOf(phase), reason: textOf(reason), ...more })
  }
}
