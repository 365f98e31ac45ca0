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

/** How long answers took. */
export interface Latency extends Percentiles {
  /** By the second in which each answer was complete; a second without one is absent. */
  series: LatencySecond[]
}

const second = 1000
/** Microseconds are recorded: an answer over loopback takes a fraction of a millisecond. */
const perMillisecond = 1000

/** Records how long answers took, in histograms of the HdrHistogram kind. */
export class LatencyRecorder {
  readonly #all = createHistogram()
  readonly #seconds = new Map<number, RecordableHistogram>()

  /**
   * @param took milliseconds
   * @param at milliseconds since 1970 at which the answer was complete
   */
  record (took: number, at: number): void {
    const value = Math.max(1, Math.round(took * perMillisecond))
    this.#all.record(value)
    const start = Math.floor(at / second) * second
    let histogram = this.#seconds.get(start)
    if (histogram === undefined) this.#seconds.set(start, histogram = createHistogram())
    histogram.record(value)
  }

  /** What was recorded. */
  read (): Latency {
    return {
      ...percentilesOf(this.#all),
      series: [...this.#seconds].toSorted(([a], [b]) => a - b).map(([at, histogram]) => {
        const { count, p50, p99, max } = percentilesOf(histogram)
        return { at, count, p50, p99, max }
      })
    }
  }
}

function percentilesOf (histogram: RecordableHistogram): Percentiles {
  const { count } = histogram
  const at = (percentile: number): number => count === 0 ? 0 : histogram.percentile(percentile) / perMillisecond
  return {
    count, p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: count === 0 ? 0 : histogram.max / perMillisecond
  }
}
