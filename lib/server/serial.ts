import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { HeadEnd } from './plain.ts'

/** What a connection waits for: the first byte of a request, the rest of its head, its answer, or the client's end. */
export type Waiting = 'request' | 'head' | 'answer' | 'end'

/** Hands on what has come when there is time for it; that is looked at before. */
type WaitForTurn = (chunk: Buffer, handOn: () => void) => void

/** One of several things that are written at once. */
interface Piece { chunk: Buffer, encoding: BufferEncoding }

/** Bytes that are read and thrown away behind the last request of a connection: more than a slip is an attack. */
const mostIgnored = 64 * 1024

/**
 * A connection that gives its HTTP server one request at a time. Node's own parser makes an object of every request
 * that has come in one piece, a thousand of them at once: here the next head is handed on when the answer before it
 * has been taken by the kernel, and reading stops meanwhile, so that whoever asks without reading the answers fills the
 * kernel's buffers and not our memory.
 *
 * A body is never read: the server has to close the connection after the answer to a request that has one.
 */
export class SerialConnection extends Duplex {
  /** Where it comes from. */
  readonly address: string | undefined
  readonly #socket: Socket
  readonly #waitForTurn: WaitForTurn
  readonly #head = new HeadEnd()
  #waiting: Waiting = 'request'
  #since = performance.now()
  /** What has come behind the head that is being answered, or waits for its turn. */
  #rest: Buffer | undefined
  /** A whole head has been handed on, and what follows is kept back. */
  #isHeld = false
  /** What has come waits for its turn. */
  #isPending = false
  #isLasting = false
  #hasEnded = false
  #ignored = 0

  constructor (socket: Socket, address: string | undefined, waitForTurn: WaitForTurn) {
    super({ allowHalfOpen: true })
    this.#socket = socket
    this.address = address
    this.#waitForTurn = waitForTurn
    this.on('error', () => {})
    socket.on('data', (chunk: Buffer) => { this.receive(chunk) })
    socket.on('end', () => { this.#receiveEnd() })
    socket.on('close', () => { this.destroy() })
  }

  get remoteAddress (): string | undefined { return this.#socket.remoteAddress }
  get remotePort (): number | undefined { return this.#socket.remotePort }
  get localAddress (): string | undefined { return this.#socket.localAddress }
  get localPort (): number | undefined { return this.#socket.localPort }

  /** What it waits for. */
  get waiting (): Waiting { return this.#waiting }

  /** Whether it waits for us, and not for the client. */
  get isOurs (): boolean {
    return this.#isPending || (this.#waiting === 'answer' && this.writableLength === 0)
  }

  /** Whether something has come behind the request that is being answered. */
  get hasMore (): boolean { return this.#rest !== undefined }

  /** Since when it does, on the clock that never goes backwards. */
  get since (): number { return this.#since }

  /** Whether the answer under way may take as long as it likes. */
  get isLasting (): boolean { return this.#isLasting }

  /** Begins with what has been read before, and reads on. */
  start (first: Buffer): void {
    this.#feed(first)
    if (this.#rest === undefined) this.#socket.resume()
    // It ends while it is paused, too, where nothing is left to be read.
    if (this.#socket.readableEnded) this.#receiveEnd()
  }

  /** Bytes have come. */
  receive (chunk: Buffer): void {
    if (this.#waiting === 'end' || this.#isLasting) {
      this.#ignored += chunk.length
      if (this.#ignored > mostIgnored) this.destroy()
      return
    }
    if (!this.#isHeld && !this.#isPending) {
      this.#isPending = true
      this.#rest = chunk
      this.#waitForTurn(chunk, () => { this.#handOn() })
      return
    }
    this.#rest = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    this.#socket.pause()
  }

  /** A request has come; false where it is not the one that the last head stood for. */
  begin (): boolean {
    if (!this.#isHeld || this.#waiting === 'answer') return false
    this.#wait('answer')
    return true
  }

  /** The answer under way may last: nothing else is asked for here, and the client's leaving is to be noticed. */
  last (): void {
    this.#isLasting = true
    this.#rest = undefined
    this.#socket.resume()
    if (this.#hasEnded) this.push(null)
  }

  /** The answer under way has been given: it is the turn of the next request. */
  next (): void {
    if (this.destroyed || this.#waiting !== 'answer') return
    this.#isLasting = false
    this.#wait('request')
    this.#isHeld = false
    this.#handOn()
  }

  /** Called by Node's server, whose times are not the ones that count here. */
  setTimeout (): this { return this }

  /** Ends when all was sent. What the client still sends is read for a moment: a reset would take the answer away. */
  destroySoon (): void {
    if (this.destroyed || this.#waiting === 'end') return
    this.#wait('end')
    this.#rest = undefined
    this.end()
    this.#socket.resume()
    if (this.#hasEnded) this.once('finish', () => { this.destroy() })
  }

  override _read (): void {
    // What comes is handed on as it comes; there is never more of it than one head.
  }

  override _write (chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, encoding, done)
  }

  override _writev (chunks: Piece[], done: (error?: Error | null) => void): void {
    this.#socket.cork()
    for (const { chunk, encoding } of chunks.slice(0, -1)) this.#socket.write(chunk, encoding)
    const last = chunks.at(-1)!
    this.#socket.write(last.chunk, last.encoding, done)
    this.#socket.uncork()
  }

  override _final (done: () => void): void {
    this.#socket.end(done)
  }

  override _destroy (_error: Error | null, done: (error?: Error | null) => void): void {
    this.#rest = undefined
    this.#socket.destroy()
    done()
  }

  #wait (what: Waiting): void {
    this.#waiting = what
    this.#since = performance.now()
  }

  /** Hands on what has come, as far as it is one head, and reads on. */
  #handOn (): void {
    this.#isPending = false
    if (this.destroyed) return
    const rest = this.#rest
    this.#rest = undefined
    if (rest !== undefined) this.#feed(rest)
    if (this.#rest === undefined) this.#socket.resume()
    if (this.#hasEnded && !this.#isHeld) this.push(null)
  }

  #feed (chunk: Buffer): void {
    if (this.#waiting === 'request') this.#wait('head')
    const end = this.#head.find(chunk)
    if (end === undefined) {
      this.push(chunk)
      return
    }
    this.#isHeld = true
    if (end < chunk.length) {
      this.#rest = chunk.subarray(end)
      this.#socket.pause()
    }
    this.push(chunk.subarray(0, end))
  }

  #receiveEnd (): void {
    this.#hasEnded = true
    if (this.#waiting === 'end') {
      if (this.writableFinished) this.destroy()
      else this.once('finish', () => { this.destroy() })
      return
    }
    // Who has asked and closed its side gets the answer first.
    if ((!this.#isHeld && !this.#isPending) || this.#isLasting) this.push(null)
  }
}
