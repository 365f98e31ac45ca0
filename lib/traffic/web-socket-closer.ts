import type { Clock } from '../clock.ts'
import type { HttpSocket } from './tags.ts'
import type { DrainSettings } from './options.ts'
import { closed, closing, messagesOf } from './web-socket.ts'
import type { WebSocketLike } from './web-socket.ts'
import { bytesInKernelQueue } from '../fastify/node-internals.ts'

/** Milliseconds between two looks. */
const interval = 10
/** WebSockets looked at in one look: of 20,000 the bytes alone take milliseconds. */
const lookBatch = 2000
/** Never slower than this many in a second, unless `drain.spread` asks for it. */
const leastPerSecond = 200
/** Default of `drain.spread`. */
const longestSpread = 5000
/** Milliseconds a client has for its answer to a close frame, once that is out. */
const answerTime = 5000
/** What began longer ago than this, in milliseconds, will not end within half of what is left either. */
const oldestWork = 30_000

/** A WebSocket that has not been told yet. */
interface Waiting {
  socket: HttpSocket
  webSocket: WebSocketLike
  /** Bytes of both directions less those of pings and pongs, when it was looked at last. */
  bytes: number
  /** When they were first seen to be as many. */
  since: number
}

/** What {@link WebSocketCloser} is told by those around it. */
export interface CloserPorts {
  /** How long phase 3 may still last, in milliseconds. */
  left: () => number
  /** Whether a feed that is never quiet is not waited for; work in hand is. */
  isFast: () => boolean
  /** Whether work that somebody waits for belongs to a socket. */
  hasWork: (socket: HttpSocket) => boolean
  /** Tells a WebSocket by its request's signal, where its handler has taken that and was not told; whether it did. */
  signal: (socket: HttpSocket) => boolean
}

/**
 * Tells WebSockets to go, each as soon as nothing is under way on it, a few at a time, and all of
 * them by the time half of what is left is over.
 */
export class WebSocketCloser {
  readonly #clock: Clock
  readonly #settings: DrainSettings
  readonly #ports: CloserPorts
  #waiting: Waiting[] = []
  #next = 0
  readonly #told = new Set<() => void>()
  #stop: (() => void) | undefined
  /** Of phase 3, in milliseconds, as it began. */
  #budget = 0
  #perSecond = 0
  /** How many may be told by now. */
  #allowance = 0
  #lookedAt = 0
  /** How many had to be cut because their client did not answer. */
  cut = 0

  constructor (clock: Clock, settings: DrainSettings, ports: CloserPorts) {
    this.#clock = clock
    this.#settings = settings
    this.#ports = ports
  }

  /** Begins to tell WebSockets; `budget` milliseconds are left. */
  start (found: Iterable<[HttpSocket, WebSocketLike]>, budget: number): void {
    this.#budget = budget
    this.#lookedAt = this.#clock.now()
    for (const [socket, webSocket] of found) this.#add(socket, webSocket)
    const { spread } = this.#settings
    const { length } = this.#waiting
    const window = Math.min(spread ?? longestSpread, budget / 3)
    const fitting = window > 0 ? length * 1000 / window : Infinity
    this.#perSecond = spread === undefined ? Math.max(leastPerSecond, fitting) : fitting
    this.#schedule()
  }

  /** One that was opened in the meantime. */
  add (socket: HttpSocket, webSocket: WebSocketLike): void {
    if (this.#waiting.some((waiting) => waiting.webSocket === webSocket)) return
    this.#add(socket, webSocket)
    this.#perSecond = Math.max(this.#perSecond, leastPerSecond)
    this.#schedule()
  }

  stop (): void {
    this.#stop?.()
    this.#stop = () => {}
    for (const cancel of this.#told) cancel()
  }

  #add (socket: HttpSocket, webSocket: WebSocketLike): void {
    this.#waiting.push({ socket, webSocket, bytes: bytesOf(socket, webSocket), since: this.#clock.now() })
  }

  #schedule (): void {
    this.#stop ??= this.#clock.after(interval, () => {
      this.#stop = undefined
      this.#look()
      if (this.#waiting.length > 0) this.#schedule()
    })
  }

  #look (): void {
    const now = this.#clock.now()
    const isLast = this.#isLast()
    this.#allow(now - this.#lookedAt, isLast)
    this.#lookedAt = now
    const oldest = Math.max(oldestWork, this.#budget / 2)
    for (let looked = Math.min(lookBatch, this.#waiting.length); looked > 0; looked--) {
      if (this.#next >= this.#waiting.length) this.#next = 0
      const waiting = this.#waiting[this.#next] as Waiting
      const isOver = waiting.webSocket.readyState >= closing
      if (isOver) this.#awaitAnswer(waiting)
      else if (
        this.#allowance < 1 || !(isLast || this.#isFree(waiting, now, oldest))
        || this.#signalFirst(waiting, now, isLast)
      ) {
        this.#watch(waiting, now)
        this.#next++
        continue
      } else this.#tell(waiting)
      // The last one takes its place.
      this.#waiting[this.#next] = this.#waiting.at(-1) as Waiting
      this.#waiting.pop()
    }
  }

  /**
   * Whether the time for work in hand is over: those who are left are told at a rate that brings
   * all of them their word by half time.
   */
  #isLast (): boolean {
    const { spread = longestSpread } = this.#settings
    const window = Math.min(spread, this.#waiting.length * 1000 / leastPerSecond, this.#budget / 4)
    return this.#ports.left() <= this.#budget / 2 + window
  }

  #allow (elapsed: number, isLast: boolean): void {
    const untilHalf = Math.max(interval, this.#ports.left() - this.#budget / 2)
    const needed = isLast ? this.#waiting.length * 1000 / untilHalf : 0
    const perSecond = Math.max(this.#perSecond, needed)
    // Behind time, a busy process catches up in steps: one long turn would only make the next one longer.
    const most = Math.max(1, Math.ceil(2 * interval * perSecond / 1000))
    this.#allowance = Math.min(most, this.#allowance + elapsed * perSecond / 1000)
  }

  #watch (waiting: Waiting, now: number): void {
    const bytes = bytesOf(waiting.socket, waiting.webSocket)
    if (bytes === waiting.bytes) return
    waiting.bytes = bytes
    waiting.since = now
  }

  #isFree (waiting: Waiting, now: number, oldest: number): boolean {
    const { socket, webSocket } = waiting
    this.#watch(waiting, now)
    const { quiet } = this.#settings.webSocket as { quiet: number }
    if ((now - waiting.since < quiet && !this.#ports.isFast()) || this.#ports.hasWork(socket)) return false
    return messagesOf(webSocket)?.isInHand(now, oldest) !== true
  }

  /** A handler that has taken `request.drainSignal` says good-bye itself, once it has heard of the end. */
  #signalFirst (waiting: Waiting, now: number, isLast: boolean): boolean {
    if (!this.#ports.signal(waiting.socket) || isLast) return false
    waiting.since = now
    return true
  }

  #tell (waiting: Waiting): void {
    this.#allowance--
    const { code, reason } = this.#settings.webSocket as { code: number, reason: string }
    try {
      waiting.webSocket.close(code, reason)
    } catch {
      // One that somebody has changed: better cut than waited for.
      waiting.webSocket.terminate()
    }
    this.#awaitAnswer(waiting)
  }

  /** Whoever does not answer the close in time, counted from the last byte that went out, is cut. */
  #awaitAnswer ({ socket, webSocket }: Waiting): void {
    if (webSocket.readyState === closed) return
    const time = Math.min(answerTime, this.#budget / 3)
    let unsent = unsentOf(socket, webSocket)
    const look = (): void => {
      this.#told.delete(cancel)
      if (webSocket.readyState === closed) return
      const left = unsentOf(socket, webSocket)
      if (left === 0 && unsent === 0 || left >= unsent) {
        this.cut++
        webSocket.terminate()
        return
      }
      unsent = left
      cancel = this.#after(time, look)
    }
    let cancel = this.#after(time, look)
  }

  #after (delay: number, callback: () => void): () => void {
    const cancel = this.#clock.after(delay, callback)
    this.#told.add(cancel)
    return cancel
  }
}

function bytesOf (socket: HttpSocket, webSocket: WebSocketLike): number {
  return socket.bytesRead + socket.bytesWritten - (messagesOf(webSocket)?.control ?? 0)
}

/** Bytes that the client has not taken: those not yet given to the kernel, of a large write what is left of it. */
function unsentOf (socket: HttpSocket, webSocket: WebSocketLike): number {
  return webSocket.bufferedAmount + bytesInKernelQueue(socket)
}
