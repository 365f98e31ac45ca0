import { Buffer } from 'node:buffer'
import { clearTimeout, setTimeout } from 'node:timers'
import type { Readable, Writable } from 'node:stream'

/** Bytes after which a line that has no end is cut: a child must not fill the parent's memory. */
export const longestLine: number = 1 << 20
/** The last bytes of each child that are kept, for the log line that tells of its crash. */
const lastWordsLength = 4000
const newline = 0x0a

/** Where lines go: the parent's standard output or error. Never more than one line of one child at a time. */
export class Sink {
  readonly #stream: Writable
  readonly #sources = new Set<Readable>()
  #broken = false

  constructor (stream: Writable) {
    this.#stream = stream
    stream.on('drain', () => { for (const source of this.#sources) source.resume() })
    // Nobody reads any more. The service goes on, as nginx does without its log.
    stream.on('error', () => {
      this.#broken = true
      for (const source of this.#sources) source.resume()
    })
  }

  add (source: Readable): void {
    this.#sources.add(source)
    if (this.#stream.writableNeedDrain && !this.#broken) source.pause()
  }

  remove (source: Readable): void {
    this.#sources.delete(source)
  }

  /** Writes whole lines. Whoever reads too slowly slows the children down, and not the parent. */
  write (lines: Buffer | string): void {
    if (this.#broken || this.#stream.write(lines)) return
    for (const source of this.#sources) source.pause()
  }

  /** Settles when all is written, or after `timeout` milliseconds. */
  flush (timeout: number): Promise<void> {
    if (this.#broken) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeout)
      this.#stream.write('', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}

/** One stream of one child, forwarded line by line to its very end. */
export class Forward {
  /** Settles at end of file. */
  readonly ended: Promise<void>
  readonly #source: Readable
  readonly #sink: Sink
  #held: Buffer[] = []
  #heldBytes = 0
  #lastWords: Buffer = Buffer.alloc(0)
  #readAt = 0

  constructor (source: Readable, sink: Sink) {
    this.#source = source
    this.#sink = sink
    sink.add(source)
    source.on('data', (chunk: Buffer) => this.#read(chunk))
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        sink.remove(source)
        if (this.#heldBytes > 0) this.#release(Buffer.from('\n'))
        resolve()
      }
      source.once('close', end)
      // A pipe can break; what was read of it is all there is.
      source.on('error', () => source.destroy())
    })
  }

  /** The last lines so far. */
  get lastWords (): string {
    return this.#lastWords.toString('utf8').trim()
  }

  /**
   * The child has exited: what it wrote is in the pipe, and is read to the end of file. Where a process that it left behind holds
   * the pipe open, reading goes on until nothing has come for `quiet` milliseconds, or for ten times as long.
   */
  finish (quiet: number): void {
    let since = this.#readAt = performance.now()
    const look = (): void => {
      if (this.#source.destroyed) return
      const now = performance.now()
      // Whoever reads slowly gets all the same all of it.
      if (this.#source.isPaused()) since = this.#readAt = now
      if (now - this.#readAt >= quiet || now - since >= 10 * quiet) this.#source.destroy()
      else setTimeout(look, quiet / 4)
    }
    look()
  }

  #read (chunk: Buffer): void {
    this.#readAt = performance.now()
    const tail = chunk.subarray(-lastWordsLength)
    this.#lastWords = Buffer.concat([this.#lastWords.subarray(-Math.max(0, lastWordsLength - tail.length) || lastWordsLength), tail]).subarray(-lastWordsLength)
    const end = chunk.lastIndexOf(newline)
    if (end !== -1) this.#release(chunk.subarray(0, end + 1))
    this.#hold(chunk.subarray(end + 1))
  }

  #hold (rest: Buffer): void {
    if (rest.length === 0) return
    this.#held.push(rest)
    this.#heldBytes += rest.length
    if (this.#heldBytes >= longestLine) this.#release(Buffer.from('\n'))
  }

  #release (lines: Buffer): void {
    const whole = this.#heldBytes === 0 ? lines : Buffer.concat([...this.#held, lines])
    this.#held = []
    this.#heldBytes = 0
    this.#sink.write(whole)
  }
}
