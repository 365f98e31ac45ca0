import { nameOf, textOf, timeOf } from './facts.ts'
import type { LogRecord, Origin } from './records.ts'

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
