/** For how many turns new connections may put off the work that can wait. */
const longestDelay = 20

/**
 * Work that can wait, one piece in each turn of the event loop: between two pieces it takes what has come meanwhile.
 * The kernel hands over one new connection in a turn, and it may be a probe's: while they come, most turns are theirs
 * alone.
 */
export class Turns {
  /** One piece for each owner at most, in their order. */
  readonly #waiting = new Map<object, () => void>()
  #isRunning = false
  #isPostponed = false
  #delayed = 0

  /** Does it in one of the next turns, unless its owner is dropped before. */
  add (owner: object, work: () => void): void {
    this.#waiting.set(owner, work)
    if (this.#isRunning) return
    this.#isRunning = true
    setImmediate(() => { this.#run() })
  }

  /** Its work is not done any more: whoever connects and leaves again and again must not fill the queue. */
  drop (owner: object): void {
    this.#waiting.delete(owner)
  }

  /** Something has come in this turn that is more urgent. */
  postpone (): void {
    this.#isPostponed = true
  }

  #run (): void {
    const isDue = !this.#isPostponed || ++this.#delayed >= longestDelay
    this.#isPostponed = false
    if (!isDue) {
      setImmediate(() => { this.#run() })
      return
    }
    this.#delayed = 0
    const [first] = this.#waiting
    if (first !== undefined) this.#waiting.delete(first[0])
    this.#isRunning = this.#waiting.size > 0
    if (this.#isRunning) setImmediate(() => { this.#run() })
    first?.[1]()
  }
}
