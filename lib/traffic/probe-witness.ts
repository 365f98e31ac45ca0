import type { ProbeSummary } from '../lifecycle/report.ts'

/** Whether those who ask for health have seen that it fails: what was told to each of them after the announcement. */
export class ProbeWitness {
  readonly #now: () => number
  readonly #told = new Map<string, ProbeSummary>()
  #announcedAt: number | undefined

  constructor (now: () => number) {
    this.#now = now
  }

  /** Phase 1 has begun. */
  announce (): void {
    this.#announcedAt = this.#now()
    this.#told.clear()
  }

  /** Phase 1 was undone. */
  undo (): void {
    this.#announcedAt = undefined
    this.#told.clear()
  }

  /**
   * Answers that say "not ready" have gone out: by default one, just now.
   *
   * @param count how many, and when the first and the last of them did, by the same clock
   */
  told (prober: string, count: number = 1, firstAt: number = this.#now(), lastAt: number = firstAt): void {
    if (this.#announcedAt === undefined || lastAt < this.#announcedAt) return
    const last = Math.round(lastAt - this.#announcedAt)
    const { answers = 0, first = Math.max(0, Math.round(firstAt - this.#announcedAt)) } = this.#told.get(prober) ?? {}
    this.#told.set(prober, { prober, answers: answers + count, first, last })
  }

  summary (): ProbeSummary[] {
    return [...this.#told.values()]
  }
}
