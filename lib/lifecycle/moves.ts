/** Runs changes of phase one after the other: what a listener asks for begins when all have been told of the first. */
export class Moves {
  readonly #waiting: Array<() => void> = []
  readonly #run: <T>(work: () => T) => T
  #isMoving = false

  /** @param run calls a change in an async context of its own, instead of that of the caller. Default: the caller's. */
  constructor (run: <T>(work: () => T) => T = (work) => work()) {
    this.#run = run
  }

  /** Makes a change now, or after the one that is under way. */
  run (move: () => void): void {
    this.#waiting.push(move)
    if (this.#isMoving) return
    this.#isMoving = true
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) this.#run(next)
    } finally {
      this.#isMoving = false
      this.#waiting.length = 0
    }
  }
}
