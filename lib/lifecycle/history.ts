import type { Failure, Stall } from './participants.ts'
import type { Phase } from './phase.ts'
import { completeReport, draftReport } from './report.ts'
import type { Cut, PhaseRecord, Report, ReportDraft } from './report.ts'
import { clip } from '../util/text.ts'

/**
 * Failures that a report names, and of them those of one name: somebody who is asked again and again may fail with
 * another message each time.
 */
const mostFailures = { all: 100, ofOne: 10 } as const

const noCut: Omit<Cut, 'waiting'> = { requests: [], streams: 0, upgraded: 0, connections: [], byOthers: [] }

/** What of the report is known only at the end. */
export type Ending = Pick<ReportDraft, 'kind' | 'reason' | 'exitCode' | 'gracePeriod' | 'hurried' | 'traffic'> & {
  now: number
}

/** The report as it is being written: the only record of an end, which all who tell of it read. */
export interface Draft extends Readonly<Pick<ReportDraft, 'startedAt' | 'announcedBefore' | 'phases' | 'failures'>> {
  /** Undefined until the end of phase 3. */
  readonly cut: Cut | undefined
}

/** Records what happens from the announcement on; the report is made of it. */
export class History {
  #phases: PhaseRecord[] = []
  #failures: Array<Failure & { phase: Phase }> = []
  /** Messages by name, also of failures that found no room in the report. */
  readonly #known = new Map<string, Set<string>>()
  #waiting: string[] = []
  #cut: Omit<Cut, 'waiting'> | undefined
  #startedAt = 0
  #startedEpoch = 0
  /** Milliseconds from the announcement until the end was asked for. */
  #announcedBefore = 0

  /** The announcement: where all durations are counted from. What a drain left that was undone is forgotten. */
  start (now: number, epoch: number): void {
    this.#phases = []
    this.#failures = []
    this.#known.clear()
    this.#waiting = []
    this.#startedAt = now
    this.#startedEpoch = epoch
    this.#announcedBefore = 0
  }

  /** The end was asked for; answers how long ago the announcement was. */
  ask (now: number): number {
    this.#announcedBefore = Math.round(now - this.#startedAt)
    return this.#announcedBefore
  }

  /** A phase is over. */
  add (record: PhaseRecord): void {
    this.#phases.push(record)
  }

  /** Something went wrong: answers it as it is shown, and undefined where it is no news. */
  fail ({ name, message, phase }: Failure & { phase: Phase }): (Failure & { phase: Phase }) | undefined {
    const shown = { name: clip(name), message: clip(message), phase }
    const known = this.#known.get(shown.name) ?? new Set()
    if (known.size >= mostFailures.ofOne || known.has(shown.message)) return undefined
    this.#known.set(shown.name, known.add(shown.message))
    if (this.#failures.length < mostFailures.all) this.#failures.push(shown)
    return shown
  }

  /** Those who are no longer waited for. */
  leave (stalls: Stall[]): void {
    this.#waiting.push(...stalls.map(({ name }) => name))
  }

  /** What was cut at the end of phase 3. */
  cut (cut: Omit<Cut, 'waiting'>): void {
    this.#cut = cut
  }

  /** What is known by now. */
  get draft (): Draft {
    return {
      startedAt: this.#startedEpoch,
      announcedBefore: this.#announcedBefore,
      phases: this.#phases,
      cut: this.#cut && { ...this.#cut, waiting: this.#waiting },
      failures: this.#failures
    }
  }

  /** The whole report, with the advice that `advise` gives on it. */
  report ({ now, ...ending }: Ending, advise: (draft: ReportDraft) => string[]): Report {
    const draft = draftReport({
      ...ending,
      startedAt: this.#startedEpoch,
      duration: Math.round(now - this.#startedAt),
      announcedBefore: this.#announcedBefore,
      phases: [...this.#phases],
      cut: { ...this.#cut ?? noCut, waiting: [...this.#waiting] },
      failures: [...this.#failures]
    })
    return completeReport(draft, advise(draft))
  }
}
