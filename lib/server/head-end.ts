const lineFeed = 0x0a
const carriageReturn = 0x0d

/**
 * Finds where the head of a request ends: at the first empty line behind a line that is not. It reads no more out of a
 * head than that; whether the head is one, Node's parser says.
 */
export class HeadEnd {
  /** A line that is not empty has come. */
  #hasBegun = false
  /** Nothing has come of the present line, but for carriage returns. */
  #isEmpty = true

  /** The index behind the end in the next piece of what is sent; undefined where it is not in it. */
  find (piece: Buffer): number | undefined {
    for (let start = 0; start < piece.length;) {
      const found = piece.indexOf(lineFeed, start)
      const end = found === -1 ? piece.length : found
      this.#isEmpty &&= isBlank(piece, start, end)
      if (!this.#isEmpty) this.#hasBegun = true
      if (found === -1) return undefined
      const isOver = this.#hasBegun && this.#isEmpty
      this.#isEmpty = true
      if (isOver) {
        this.#hasBegun = false
        return found + 1
      }
      start = found + 1
    }
    return undefined
  }
}

function isBlank (piece: Buffer, start: number, end: number): boolean {
  for (let index = start; index < end; index++) if (piece[index] !== carriageReturn) return false
  return true
}
