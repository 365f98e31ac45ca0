/** Bytes of a line; a longer one is skipped. An answer of Loki is one line, with up to 5000 lines of logs in it. */
export const longestLine: number = 16 * 2 ** 20

/** Cuts bytes that come in pieces into lines. It holds one line at most. */
export class LineSplitter {
  readonly #line: (text: string) => void
  readonly #longest: number
  #pieces: Buffer[] = []
  #length = 0
  /** How many lines were too long. */
  tooLong = 0

  /** @param line called with each line, without its end */
  constructor (line: (text: string) => void, longest: number = longestLine) {
    this.#line = line
    this.#longest = longest
  }

  push (chunk: Buffer): void {
    let from = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      this.#keep(chunk.subarray(from, end))
      this.#finish()
      from = end + 1
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from))
  }

  /** The last line may have no end. */
  end (): void {
    if (this.#length > 0) this.#finish()
  }

  #keep (piece: Buffer): void {
    this.#length += piece.length
    if (this.#length > this.#longest) this.#pieces = []
    else this.#pieces.push(piece)
  }

  #finish (): void {
    const [first, ...others] = this.#pieces
    const isTooLong = this.#length > this.#longest
    const bytes = others.length === 0 ? first : Buffer.concat(this.#pieces)
    this.#pieces = []
    this.#length = 0
    if (isTooLong) this.tooLong++
    else this.#line((bytes?.toString() ?? '').replace(/\r$/, '').replace(/^\uFEFF/, ''))
  }
}
