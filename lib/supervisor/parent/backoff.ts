/** Milliseconds before a child that crashed is started again: the first time, and at most. */
const firstDelay = 1000
const longestDelay = 30_000
/** A child that was ready for this long is healthy: its crash is a first one, and it is replaced at once. */
const healthyAfter = 60_000

/** How long to wait before the next start of one place: 1 s, doubling, at most 30 s. */
export class Backoff {
  #delay = firstDelay
  /** Children in a row that ended before they were ready. */
  #failedStarts = 0

  get failedStarts (): number { return this.#failedStarts }

  /** A child has become ready. */
  started (): void {
    this.#failedStarts = 0
  }

  /**
   * A child has ended that nobody told to. Answers how long to wait, in milliseconds.
   *
   * @param readyFor milliseconds since it became ready; undefined where it never did
   */
  ended (readyFor: number | undefined): number {
    if (readyFor === undefined) this.#failedStarts++
    if (readyFor !== undefined && readyFor >= healthyAfter) {
      this.#delay = firstDelay
      return 0
    }
    const delay = this.#delay
    this.#delay = Math.min(longestDelay, delay * 2)
    return delay
  }
}
