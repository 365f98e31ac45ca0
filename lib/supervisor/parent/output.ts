import { Buffer } from 'node:buffer'
import { clearTimeout, setImmediate, setTimeout } from 'node:timers'
import { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { closeOutput } from './terminal.ts'

/** Bytes after which a line that has no end is cut: a child must not fill the parent's memory. */
const longestLine: number = 1 << 20
/** The last bytes of each child that are kept, for the log line that tells of its crash. */
const lastWordsLength = 4000
const newline = 0x0a

/** Where lines go: the parent's standard output or error. Never more than one line of one child at a time. */
export class Sink {
  readonly #stream: Writable
  readonly #sources = new Set<Readable>()
  /** Written, and not taken yet by whoever reads. */
  readonly #pending: Array<Buffer | string> = []
  #broken = false
  #stuck = false
  #dropped = 0
  #lastTimer: NodeJS.Timeout | undefined
  #released = false

  constructor (stream: Writable) {
    this.#stream = stream
    stream.on('drain', this.#onDrain).on('error', this.#onError)
  }

  /** Whether its reader has stopped, and nobody waits for that one any more. */
  get stuck (): boolean { return this.#stuck }

  /** Lines that nobody got because their reader had stopped: those that were dropped, and those still to be taken. */
  get lost (): number {
    return this.#broken ? 0 : this.#pending.reduce((sum, lines) => sum + linesIn(lines), this.#dropped)
  }

  /**
   * From now on a reader who takes nothing for `longest` milliseconds, though there is something, is not
   * waited for any more, nor is any after `last` milliseconds: what comes is dropped until he goes on.
   */
  limit (longest: number, last: number): void {
    // A socket, as of a pipe or a terminal, is the one to know of what was taken in part. A file takes all at once.
    if (this.#stream instanceof Socket) {
      this.#stream.on('timeout', this.#giveUp)
      this.#stream.setTimeout(longest)
    }
    this.#lastTimer = setTimeout(this.#giveUp, last).unref()
  }

  /** Counts lines as dropped that no reader has taken in time. */
  drop (lines: number): void {
    this.#dropped += lines
  }

  add (source: Readable): void {
    this.#sources.add(source)
    if (this.#stream.writableNeedDrain && !this.#broken && !this.#stuck) source.pause()
  }

  remove (source: Readable): void {
    this.#sources.delete(source)
  }

  /** Writes whole lines. Whoever reads too slowly slows the children down, and not the parent. */
  write (lines: Buffer | string): void {
    if (this.#stuck) return this.drop(linesIn(lines))
    if (this.#broken || this.#released) return
    this.#pending.push(lines)
    if (this.#stream.write(lines, this.#onTaken)) return
    for (const source of this.#sources) source.pause()
  }

  /** Settles when all is written, or after `timeout` milliseconds. */
  flush (timeout: number): Promise<void> {
    if (this.#broken || this.#stuck) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#stuck = true
        resolve()
      }, timeout)
      this.#stream.write('', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /** Nothing is written any more, nobody is limited, and the stream is as it was before. */
  release (): void {
    this.#released = true
    clearTimeout(this.#lastTimer)
    this.#stream.off('drain', this.#onDrain)
    if (this.#stream instanceof Socket) {
      this.#stream.off('timeout', this.#giveUp)
      this.#stream.setTimeout(0)
    }
    this.#leave()
    closeOutput(this.#stream)
  }

  /** What is still under way may fail later, which is not the program's concern. */
  #leave (): void {
    if (this.#released && this.#pending.length === 0) this.#stream.off('error', this.#onError)
  }

  readonly #onDrain = (): void => {
    this.#stuck = false
    this.#resume()
  }

  /** Nobody reads any more. The service goes on, as nginx does without its log. */
  readonly #onError = (): void => {
    this.#broken = true
    this.#resume()
  }

  readonly #onTaken = (): void => {
    this.#pending.shift()
    // An error of this very write is told after this.
    if (this.#released) setImmediate(() => this.#leave())
  }

  readonly #giveUp = (): void => {
    if (this.#broken || !this.#stream.writableNeedDrain) return
    this.#stuck = true
    this.#resume()
  }

  #resume (): void {
    for (const source of this.#sources) source.resume()
  }
}

function linesIn (lines: Buffer | string): number {
  let count = 0
  for (let end = lines.indexOf('\n'); end !== -1; end = lines.indexOf('\n', end + 1)) count++
  return count
}

/** The parent's two streams, which may be one and the same. */
export interface Sinks { stdout: Sink, stderr: Sink }

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
  #dropping = false

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
   * The child has exited: what it wrote is in the pipe, and is read to the end of file. Where a process that it left
   * behind holds the pipe open, reading goes on until nothing has come for `quiet` milliseconds, or for ten times as
   * long. Where whoever reads the parent's output has taken nothing for `longest` milliseconds, the rest is dropped.
   */
  finish (quiet: number, longest: number): void {
    let since = this.#readAt = performance.now()
    let takenAt = since
    const look = (): void => {
      if (this.#source.destroyed) return
      const now = performance.now()
      // A reader that is slow gets all of it all the same.
      if (!this.#source.isPaused()) takenAt = now
      else if (now - takenAt < longest) since = this.#readAt = now
      else this.#drop()
      if (now - this.#readAt >= quiet || now - since >= 10 * quiet) this.#source.destroy()
      else setTimeout(look, quiet / 4)
    }
    look()
  }

  #drop (): void {
    this.#dropping = true
    this.#sink.remove(this.#source)
    this.#source.resume()
  }

  #read (chunk: Buffer): void {
    this.#readAt = performance.now()
    const tail = chunk.subarray(-lastWordsLength)
    this.#lastWords = Buffer.concat([
      this.#lastWords.subarray(-Math.max(0, lastWordsLength - tail.length) || lastWordsLength),
      tail
    ]).subarray(-lastWordsLength)
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
    if (this.#dropping) this.#sink.drop(linesIn(whole))
    else this.#sink.write(whole)
  }
}
