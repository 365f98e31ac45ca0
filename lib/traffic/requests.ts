import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { Faults } from '../util/faults.ts'
import { monotonicNow } from '../clock.ts'
import type { CutRequest } from '../lifecycle/report.ts'
import { setImmediate } from '../util/timers.ts'
import { CoarseClock } from './coarse.ts'
import type { Connections } from './connections.ts'
import { isEventStream } from './event-stream.ts'
import { handlerRuns, isGone, watchHandler } from './handlers.ts'
import { currentReply, isBusy, isUpgraded } from './http-socket.ts'
import type { HttpSocket } from './http-socket.ts'
import { isStreamRoute } from './stream-end.ts'
import { noteStart, replyOf, startOf, tie } from './reply-tags.ts'
import { noteReply } from '../fastify/node-internals.ts'

/** Connections whose reply is found in one turn of the event loop. */
const adoptBatch = 1000
/** Requests that are looked at where only some are to be named. */
const longestLook = 1000

/** What a request in flight is, as the status and the report show it. */
export type RequestKind =
  /** Somebody waits for the answer. */
  | 'request'
  /**
   * An event stream, a reply whose handler took `request.drainSignal` or whose route says that it
   * is one: its client comes back.
   */
  | 'stream'
  /** A WebSocket or another upgraded socket that came in through a route. */
  | 'upgraded'

/** A request in flight. */
export interface InFlight extends CutRequest { kind: RequestKind }

/** A request as it is followed from phase 1 on. */
export interface Tracked {
  readonly reply: ServerResponse
  readonly socket: HttpSocket | undefined
  /** Whether its head says that the connection ends. */
  told: boolean
  /** Whether what came together with it is still being parsed. */
  isParsing: boolean
  /** Nobody waits for the answer any more. */
  gone: boolean
}

/** Where a reply stands among those that no connection shows. */
const place: unique symbol = Symbol('fastify-graceful.place')
interface UnshownReply extends ServerResponse { [place]?: number }

/** Who hears of replies from phase 1 on. */
export interface RequestWatcher {
  /** One is followed; `predecessor` is the one before it on its connection, while that is in flight. */
  follow (tracked: Tracked, predecessor: Tracked | undefined): void
  /** One has closed, complete or not. */
  close (reply: ServerResponse, socket: HttpSocket | undefined): void
}

/**
 * Requests in flight. While the service runs, a connection is busy while Node writes a reply to it, which
 * costs nothing to know; only what that cannot see is followed one by one: pipelined successors, HTTP/2 streams,
 * `inject`. From phase 1 on each reply is followed to its `close`, the one event that comes in every case.
 */
export class Requests {
  /** When requests came, coarsely; it runs while a server is bound. */
  readonly clock: CoarseClock = new CoarseClock()
  readonly #connections: Connections
  readonly #live = new Map<ServerResponse, Tracked>()
  #liveLimit = 64
  /** While the service runs: replies that no connection shows, of HTTP/2 and `inject`, in no order. */
  readonly #unshown: UnshownReply[] = []
  /** Replies whose client left while the handler ran, from before phase 1. */
  #lost: Array<WeakRef<ServerResponse>> = []
  #lostLimit = 64
  /** The newest reply of a connection that has or had several at once. */
  readonly #newest = new WeakMap<HttpSocket, ServerResponse>()
  /** Connections that have had several requests at once. */
  readonly #several = new WeakSet<HttpSocket>()
  readonly #streams = new WeakSet<IncomingMessage>()
  readonly #onIdle: () => void
  readonly #watcher: RequestWatcher
  readonly #faults: Faults
  #exact = false
  /** How many of those that were followed have come to their end. */
  ended = 0

  /**
   * @param onIdle called when no request is in flight that is followed
   * @param watcher hears of each reply from phase 1 on
   */
  constructor (connections: Connections, onIdle: () => void, watcher: RequestWatcher, faults: Faults) {
    this.#faults = faults
    this.#connections = connections
    this.#onIdle = onIdle
    this.#watcher = watcher
  }

  /** Notes when a request came. */
  noteStart (reply: ServerResponse): void {
    noteStart(reply, this.clock.now)
  }

  /**
   * From now on each reply is followed. Those in flight are found by their connections, some in
   * each turn of the event loop; `adopted` is called when all are.
   */
  beExact (adopted: () => void): void {
    this.#exact = true
    for (const tracked of this.#live.values()) this.#watcher.follow(tracked, undefined)
    for (const reply of this.#unshown.splice(0)) this.follow(reply)
    this.#adoptSome(this.#connections.sockets.values(), adopted)
    for (const reply of this.#stillRunning()) this.#followGone(reply)
    this.#lost = []
  }

  /** Phase 1 was undone. */
  beCheap (): void {
    this.#exact = false
  }

  get exact (): boolean {
    return this.#exact
  }

  /** Follows one reply to its end. */
  follow (reply: ServerResponse, socket?: HttpSocket): Tracked | undefined {
    const known = this.#live.get(reply)
    if (known !== undefined) return known
    const gone = isGone(reply)
    const tracked: Tracked = { reply, socket, told: false, isParsing: false, gone }
    this.#live.set(reply, tracked)
    tie(reply)
    if (socket !== undefined) noteReply(socket, reply)
    const predecessor = socket && this.#follows(socket, tracked)
    if (this.#exact) this.#watcher.follow(tracked, predecessor)
    if (!gone) reply.once('close', () => this.#closed(tracked))
    this.#limitLive()
    return tracked
  }

  /** Notes a reply that no connection shows, while the service runs: cheaper than to follow it. */
  note (reply: ServerResponse, hasGone: boolean = isGone(reply)): void {
    tie(reply)
    if (hasGone) {
      if (handlerRuns(reply)) this.#lose(reply)
      return
    }
    reply.on('close', this.#unshownClosed)
    ;(reply as UnshownReply)[place] = this.#unshown.push(reply) - 1
  }

  // One function for all replies.
  readonly #unshownClosed = this.#makeUnshownClosed()

  #makeUnshownClosed (): (this: ServerResponse) => void {
    // The listener's own `this` is the reply.
    // oxlint-disable-next-line typescript/no-this-alias, unicorn/no-this-assignment
    const requests = this
    return function unshownClosed (this: UnshownReply) {
      try {
        requests.#forgetUnshown(this)
        // Since phase 1 it has been followed.
        if (!requests.#live.has(this) && handlerRuns(this)) requests.#lose(this)
      } catch (error) {
        requests.#faults.note('the close of a reply', error)
      }
    }
  }

  #forgetUnshown (reply: UnshownReply): void {
    const unshown = this.#unshown
    const { [place]: index = 0 } = reply
    if (unshown[index] !== reply) return
    const last = unshown.pop()!
    if (last === reply) return
    unshown[index] = last
    last[place] = index
  }

  /**
   * Follows a reply no longer, and does not count it: nobody waits for its end.
   *
   * @param socket the connection whose last reply it is: what has been asked for behind it gets no answer, and never
   * closes
   */
  exempt (reply: ServerResponse, socket?: HttpSocket): void {
    this.#forgetUnshown(reply)
    const isIdle = this.#live.delete(reply) && this.#live.size === 0
    if (socket !== undefined && this.#several.has(socket)) this.#closeAll(socket)
    if (isIdle) this.#onIdle()
  }

  /** A request whose answer can never be sent: its handler is waited for, as where the client has left. */
  noteUnanswered (reply: ServerResponse): void {
    tie(reply)
    if (handlerRuns(reply)) this.#lose(reply)
  }

  /** Pipelined replies that wait for their connection never say 'close'. */
  #closeAll (socket: HttpSocket): void {
    for (const tracked of this.#live.values()) if (tracked.socket === socket) this.#closed(tracked)
  }

  /** It is the newest of its connection; answers the one before. */
  #follows (socket: HttpSocket, { reply }: Tracked): Tracked | undefined {
    if (isBusy(socket) && currentReply(socket) !== reply) this.#several.add(socket)
    const newest = this.#newest.get(socket)
    this.#newest.set(socket, reply)
    return newest && this.#live.get(newest)
  }

  /** Whether a reply is the one of its connection that came last, of those followed. */
  isNewest (reply: ServerResponse, socket: HttpSocket): boolean {
    return this.#newest.get(socket) === reply
  }

  /** A connection has closed. Where its reply was not ended the handler may run on, and phase 3 waits for it. */
  lose (socket: HttpSocket): void {
    const reply = currentReply(socket)
    if (this.#several.has(socket)) this.#closeAll(socket)
    if (!reply || this.#live.has(reply)) return
    if (this.#exact) this.#watcher.close(reply, socket)
    if (handlerRuns(reply)) this.#lose(reply)
  }

  #lose (reply: ServerResponse): void {
    watchHandler(reply)
    if (this.#exact) {
      this.#followGone(reply)
      return
    }
    this.#lost.push(new WeakRef(reply))
    if (this.#lost.length < this.#lostLimit) return
    this.#lost = this.#stillRunning().map((left) => new WeakRef(left))
    this.#lostLimit = Math.max(64, this.#lost.length * 2)
  }

  #followGone (reply: ServerResponse): void {
    const tracked = this.follow(reply)
    // A pipelined reply that never got the connection says neither `destroyed` nor `close`.
    if (tracked !== undefined) tracked.gone = true
  }

  /** Those of {@link #lost} whose handler has not come to its end. */
  #stillRunning (): ServerResponse[] {
    return this.#lost
      .map((lost) => lost.deref())
      .filter((reply) => reply !== undefined && handlerRuns(reply)) as ServerResponse[]
  }

  /** Marks a request as one that ends when told. */
  markStream (request: FastifyRequest): void {
    this.#streams.add(request.raw)
  }

  /** All followed requests, newest last. */
  tracked (): Iterable<Tracked> {
    return this.#live.values()
  }

  /** How many requests are in flight. While the service runs, a connection counts each of its pipelined requests. */
  count (): number {
    this.#sweep()
    let count = this.#live.size + this.#stillRunning().length + this.#unshown.length
    for (const socket of this.#connections.sockets) {
      const reply = currentReply(socket)
      if (reply && !this.#live.has(reply)) count++
    }
    return count
  }

  /**
   * The requests in flight with their names, oldest first. With a `limit`, at most so many, and of
   * more than a thousand only the thousand that were followed first are looked at: 20,000 would
   * hold the event loop for tens of milliseconds.
   *
   * @param isListed asked of each reply
   */
  list (limit: number = Infinity, isListed: (reply: ServerResponse) => boolean = () => true): InFlight[] {
    this.#sweep()
    const most = limit === Infinity ? Infinity : Math.max(limit, longestLook)
    const replies = new Set<ServerResponse>()
    for (const reply of this.inFlight()) {
      if (replies.size >= most) break
      if (isListed(reply)) replies.add(reply)
    }
    const now = monotonicNow()
    const oldest = [...replies]
      .map((reply) => ({ reply, start: startOf(reply) ?? now }))
      .toSorted((a, b) => a.start - b.start)
    return oldest.slice(0, limit).map(({ reply }) => this.describe(reply))
  }

  /** The replies of all requests in flight; one may come twice. */
  * inFlight (): Generator<ServerResponse> {
    yield * this.#live.keys()
    yield * this.#unshown
    yield * this.#stillRunning()
    for (const socket of this.#connections.sockets) if (isBusy(socket)) yield currentReply(socket)!
  }

  /** What kind of request a reply answers. */
  kindOf (reply: ServerResponse): RequestKind {
    const socket = reply.req.socket as HttpSocket | null
    // Neither a mock of `inject` nor an HTTP/2 stream is upgraded.
    if (socket !== null && this.#connections.sockets.has(socket) && isUpgraded(socket)) return 'upgraded'
    if (this.#streams.has(reply.req)) return 'stream'
    return isEventStream(reply) || isStreamRoute(reply) ? 'stream' : 'request'
  }

  /** The replies that are streams. */
  streams (): ServerResponse[] {
    return [...new Set(this.inFlight())].filter((reply) => this.kindOf(reply) === 'stream')
  }

  /** A request in flight with its name. */
  describe (reply: ServerResponse): InFlight {
    const now = monotonicNow()
    return {
      method: reply.req.method ?? '',
      route: replyOf(reply)?.request.routeOptions.url,
      age: Math.max(0, Math.round(now - (startOf(reply) ?? now))),
      kind: this.kindOf(reply)
    }
  }

  #adoptSome (sockets: Iterator<HttpSocket>, adopted: () => void): void {
    for (let index = 0; index < adoptBatch; index++) {
      const { done, value: socket } = sockets.next()
      if (done === true) return adopted()
      this.#adopt(socket)
    }
    const goOn = (): void => { if (this.#exact) this.#adoptSome(sockets, adopted) }
    setImmediate(this.#faults.guard('the search for requests', goOn))
  }

  #adopt (socket: HttpSocket): void {
    const reply = currentReply(socket)
    if (!reply) return
    const newest = this.#newest.get(socket)
    // A pipelined successor was followed when it came, and is still the newest.
    const isNewest = newest === undefined || !this.#live.has(newest)
    if (isNewest) this.#newest.delete(socket)
    this.follow(reply, socket)
    this.#newest.set(socket, isNewest ? reply : newest)
  }

  #closed (tracked: Tracked): void {
    tracked.gone = true
    try {
      if (this.#exact && this.#live.has(tracked.reply)) this.#watcher.close(tracked.reply, tracked.socket)
      // Its handler may run on for a client that left; it is kept until that has ended.
      if (!handlerRuns(tracked.reply)) this.#forget(tracked)
      else if (this.#exact) watchHandler(tracked.reply)
      else {
        // While the service runs it must not be kept by us alone.
        this.#forget(tracked)
        this.#lose(tracked.reply)
      }
    } catch (error) {
      this.#faults.note('the close of a reply', error)
    }
  }

  /** Forgets the replies that closed first and whose handler ended later: no event tells. */
  #sweep (): void {
    for (const tracked of this.#live.values()) {
      if (tracked.gone && !handlerRuns(tracked.reply)) this.#forget(tracked)
    }
  }

  /** While the service runs nobody asks for the count, and those whose client has left must not pile up. */
  #limitLive (): void {
    if (this.#live.size < this.#liveLimit) return
    this.#sweep()
    this.#liveLimit = Math.max(64, this.#live.size * 2)
  }

  #forget (tracked: Tracked): void {
    if (this.#live.delete(tracked.reply)) this.ended++
    if (this.#live.size === 0) this.#onIdle()
  }
}
