import { createHistogram } from 'node:perf_hooks'
import type { RecordableHistogram } from 'node:perf_hooks'

/** The distribution of the times of complete answers, in milliseconds with three digits. */
export interface Percentiles {
  /** Complete, right answers. */
  count: number
  p50: number
  p90: number
  p99: number
  p999: number
  max: number
}

/** One second of a load. */
export interface LatencySecond extends Pick<Percentiles, 'count' | 'p50' | 'p99' | 'max'> {
  /** Milliseconds since 1970 of its beginning. */
  at: number
}

/** The parts of a rehearsal: the load alone, the update from its first successor to its last departure, the rest. */
export const stages = ['before', 'during', 'after'] as const

/** One of the {@link stages}. */
export type Stage = typeof stages[number]

/** How long answers took. */
export interface Latency extends Percentiles {
  /** By the part of the rehearsal in which each answer was complete. */
  stages: Record<Stage, Percentiles>
  /** By the second in which each answer was complete; a second without one is absent. */
  series: LatencySecond[]
}

const second = 1000
/** Microseconds are recorded: an answer over loopback takes a fraction of a millisecond. */
const perMillisecond = 1000
/** An hour. A histogram without a bound of its own takes twice the memory. */
const bounds = { lowest: 1, highest: 3_600_000 * perMillisecond, figures: 3 }

/** Records how long answers took, in histograms of the HdrHistogram kind. */
export class LatencyRecorder {
  /** The part of the rehearsal that is under way. */
  stage: Stage = 'before'
  readonly #all = createHistogram(bounds)
  readonly #stages = {
    before: createHistogram(bounds), during: createHistogram(bounds), after: createHistogram(bounds)
  }
  /** Of the second that runs. */
  readonly #current = createHistogram(bounds)
  #start = 0
  readonly #series: LatencySecond[] = []

  /**
   * @param took milliseconds
   * @param at milliseconds since 1970 at which the answer was complete
   */
  record (took: number, at: number): void {
    const value = Math.min(bounds.highest, Math.max(1, Math.round(took * perMillisecond)))
    this.#all.record(value)
    this.#stages[this.stage].record(value)
    const start = Math.floor(at / second) * second
    // A clock that was set back begins no second twice.
    if (start > this.#start) {
      this.#endSecond()
      this.#start = start
    }
    this.#current.record(value)
  }

  /** What was recorded. */
  read (): Latency {
    this.#endSecond()
    const { before, during, after } = this.#stages
    return {
      ...percentilesOf(this.#all),
      stages: { before: percentilesOf(before), during: percentilesOf(during), after: percentilesOf(after) },
      series: [...this.#series]
    }
  }

  #endSecond (): void {
    const { count, p50, p99, max } = percentilesOf(this.#current)
    if (count > 0) this.#series.push({ at: this.#start, count, p50, p99, max })
    this.#current.reset()
  }
}

function percentilesOf (histogram: RecordableHistogram): Percentiles {
  const { count } = histogram
  const at = (percentile: number): number => {
    if (count === 0) return 0
    // Its own rank is the nearest one, which for a few values may be one too low.
    const rank = Math.ceil(percentile * count / 100)
    return histogram.percentile(rank / count * 100) / perMillisecond
  }
  return {
    count, p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: count === 0 ? 0 : histogram.max / perMillisecond
  }
}
