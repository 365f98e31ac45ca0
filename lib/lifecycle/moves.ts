/** Changes of phase, one after the other: one that a listener of a change asks for begins when all listeners have heard of the first. */
export class Moves {
  readonly #waiting: Array<() => void> = []
  #isMoving = false

  /** Makes a change now, or after the one that is under way. */
  run (move: () => void): void {
    this.#waiting.push(move)
    if (this.#isMoving) return
    this.#isMoving = true
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) next()
    } finally {
      this.#isMoving = false
      this.#waiting.length = 0
    }
  }
}
