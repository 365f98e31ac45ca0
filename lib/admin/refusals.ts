import { afterUnref } from '../util/after.ts'
import { counted } from '../util/text.ts'

/** Callers that are told apart at the same time: a stranger may come from any number of addresses. */
const mostKinds = 32
/** Milliseconds between two sums of what was not told one by one. */
const interval = 60_000

interface RefusalLog { warn (details: object, message: string): void }

/**
 * Refusals, as the log is told of them: the first of each kind and source at once, and the others as a count a minute.
 * Whoever tries ten thousand tokens writes some lines, and not ten thousand. A kind that has rested for a minute is
 * told of as a first one again.
 */
export class Refusals {
  readonly #log: RefusalLog
  readonly #after: typeof afterUnref
  /** How many of each have come since the last sum, without the first. */
  readonly #counts = new Map<string, number>()
  /** Those for which there was no room. */
  #others = 0
  #isTimed = false

  /** @param after calls back after so many milliseconds, without keeping the process */
  constructor (log: RefusalLog, after: typeof afterUnref = afterUnref) {
    this.#log = log
    this.#after = after
  }

  /**
   * One was refused.
   *
   * @param kind what and why
   * @param source who has asked
   */
  add (kind: string, source: string, details: object, message: string): void {
    const key = `${kind}\n${source}`
    const count = this.#counts.get(key)
    if (count !== undefined) this.#counts.set(key, count + 1)
    else if (this.#counts.size >= mostKinds) this.#others++
    else {
      this.#counts.set(key, 0)
      this.#log.warn(details, message)
    }
    this.#time()
  }

  #time (): void {
    if (this.#isTimed) return
    this.#isTimed = true
    this.#after(interval, () => {
      this.#isTimed = false
      this.#sum()
    })
  }

  #sum (): void {
    const repeated = [...this.#counts.values()].filter((count) => count > 0)
    const refused = repeated.reduce((sum, count) => sum + count, this.#others)
    for (const [key, count] of this.#counts) {
      if (count === 0) this.#counts.delete(key)
      else this.#counts.set(key, 0)
    }
    this.#others = 0
    if (refused > 0) {
      const calls = counted(refused, 'more admin call was', 'more admin calls were')
      this.#log.warn({ event: 'graceful.refused', refused }, `${calls} refused in the last minute`)
    }
    if (this.#counts.size > 0) this.#time()
  }
}
