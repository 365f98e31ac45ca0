import type { LateSource } from '../lifecycle/report.ts'

/** An arrival, and how to find out who it was. */
export interface Arrival {
  at: number
  source: string | undefined
  /** Whether it turned out to be a prober's. Default: no. */
  isProber?: (() => boolean) | undefined
}

/** Times of phase 1 that are kept at most, and after a cut. */
const kept = { most: 20_000, least: 10_000 }
/** Sources that are named. */
const named = 5

/** Who came so late that others were surely refused: just before the listener closed, or first heard of after that. */
export class LateArrivals {
  readonly #onLate: (arrival: Arrival) => void
  #recent: Arrival[] = []
  #closed = false

  /** @param onLate called with each of them, when that is known */
  constructor (onLate: (arrival: Arrival) => void = () => {}) {
    this.#onLate = onLate
  }

  /** Phase 1 has begun. */
  announce (): void {
    this.#recent = []
    this.#closed = false
  }

  arrive (at: number, source: string | undefined, isProber?: () => boolean): void {
    if (this.#closed && isProber?.() === true) return
    this.#recent.push({ at, source, isProber })
    if (this.#closed) this.#onLate({ at, source })
    else if (this.#recent.length > kept.most) this.#recent = this.#recent.slice(-kept.least)
  }

  /** The listener has closed: who came within `quiet` milliseconds before it was late. A prober has lost nothing. */
  close (now: number, quiet: number): void {
    if (this.#closed) return
    this.#closed = true
    this.#recent = this.#recent.filter(({ at, isProber }) => now - at < quiet && isProber?.() !== true)
    for (const arrival of this.#recent) this.#onLate(arrival)
  }

  get count (): number {
    return this.#closed ? this.#recent.length : 0
  }

  /** Where they came from, the busiest first. */
  sources (): LateSource[] {
    if (!this.#closed) return []
    const counts = new Map<string, number>()
    for (const { source = 'unknown' } of this.#recent) counts.set(source, (counts.get(source) ?? 0) + 1)
    return [...counts]
      .map(([address, count]) => ({ address, count }))
      .toSorted((a, b) => b.count - a.count)
      .slice(0, named)
  }
}
