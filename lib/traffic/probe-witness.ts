import type { ProbeSummary } from '../lifecycle/report.ts'
import { proberOf } from './probers.ts'

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

  /** An answer that says "not ready" has gone out. */
  told (userAgent: string | undefined): void {
    if (this.#announcedAt === undefined) return
    const prober = proberOf(userAgent) ?? 'other'
    const last = Math.round(this.#now() - this.#announcedAt)
    const { answers = 0, first = last } = this.#told.get(prober) ?? {}
    this.#told.set(prober, { prober, answers: answers + 1, first, last })
  }

  summary (): ProbeSummary[] {
    return [...this.#told.values()]
  }
}
