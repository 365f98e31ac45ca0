import type { ProbeAnswers } from './protocol.ts'

/** Answers to probes that the main thread has not been told of, added up: a main thread that hangs must not find one message for each. */
export class ProbeTally {
  readonly #now: () => number
  #answers = new Map<string, ProbeAnswers>()

  constructor (now: () => number) {
    this.#now = now
  }

  /** One has gone out. */
  add (prober: string, probe: string, ok: boolean): void {
    const at = this.#now()
    const key = `${prober} ${probe} ${ok}`
    const { count = 0, first = at } = this.#answers.get(key) ?? {}
    this.#answers.set(key, { prober, probe, ok, count: count + 1, first, last: at })
  }

  /** All since the last call. */
  take (): ProbeAnswers[] {
    if (this.#answers.size === 0) return []
    const answers = [...this.#answers.values()]
    this.#answers = new Map()
    return answers
  }
}
