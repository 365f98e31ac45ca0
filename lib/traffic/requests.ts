import type { ServerResponse } from 'node:http'
import { monotonicNow } from '../clock.ts'
import type { Faults } from '../util/faults.ts'
import { onTick } from '../util/ticker.ts'
import { setImmediate } from '../util/timers.ts'
import type { Connections } from './connections.ts'
import type { FollowedReplies } from './followed-replies.ts'
import { isGone } from './handlers.ts'
import { currentReply, isBusy, noteStart, tie } from './tags.ts'
import type { HttpSocket } from './tags.ts'

/** Connections whose reply is found in one turn of the event loop. */
const adoptBatch = 1000

/**
 * Requests in flight. While the service runs, a connection is busy while Node writes a reply to it, which
 * costs nothing to know; only what that cannot see is noted one by one: pipelined successors, HTTP/2 streams,
 * `inject`. From phase 1 on each reply is followed to its end.
 */
export class Requests {
  /** When requests came, coarsely; it runs while a server is bound. */
  readonly clock: CoarseClock = new CoarseClock()
  readonly #connections: Connections
  readonly #followed: FollowedReplies
  readonly #unshown: UnshownReplies
  readonly #faults: Faults

  constructor (connections: Connections, followed: FollowedReplies, faults: Faults) {
    this.#connections = connections
    this.#followed = followed
    this.#unshown = new UnshownReplies(followed, faults)
    this.#faults = faults
  }

  /** Notes when a request came. */
  noteStart (reply: ServerResponse): void {
    noteStart(reply, this.clock.now)
  }

  /** Notes a reply that no connection shows, while the service runs: cheaper than to follow it. */
  note (reply: ServerResponse, hasGone: boolean = isGone(reply)): void {
    tie(reply)
    if (hasGone) this.#followed.leave(reply)
    else this.#unshown.add(reply)
  }

  /** A request whose answer can never be sent: its handler is waited for, as where the client has left. */
  noteUnanswered (reply: ServerResponse): void {
    tie(reply)
    this.#followed.leave(reply)
  }

  /**
   * From now on each reply is followed. Those in flight are found by their connections, some in
   * each turn of the event loop; `adopted` is called when all are.
   */
  beExact (adopted: () => void): void {
    this.#followed.beExact()
    for (const reply of this.#unshown.take()) this.#followed.follow(reply)
    this.#adoptSome(this.#connections.sockets.values(), adopted)
    this.#followed.adoptLost()
  }

  /**
   * Follows a reply no longer, and does not count it: nobody waits for its end.
   *
   * @param socket the connection whose last reply it is
   */
  exempt (reply: ServerResponse, socket?: HttpSocket): void {
    this.#unshown.forget(reply)
    this.#followed.exempt(reply, socket)
  }

  /** How many requests are in flight. While the service runs, a connection counts each of its pipelined requests. */
  count (): number {
    const followed = this.#followed
    followed.sweep()
    let count = followed.size + followed.lost.running().length + this.#unshown.all.length
    for (const socket of this.#connections.sockets) {
      const reply = currentReply(socket)
      if (reply && !followed.has(reply)) count++
    }
    return count
  }

  /** The replies of all requests in flight; one may come twice. */
  * inFlight (): Generator<ServerResponse> {
    for (const { reply } of this.#followed.tracked()) yield reply
    yield * this.#unshown.all
    yield * this.#followed.lost.running()
    for (const socket of this.#connections.sockets) if (isBusy(socket)) yield currentReply(socket)!
  }

  #adoptSome (sockets: Iterator<HttpSocket>, adopted: () => void): void {
    for (let index = 0; index < adoptBatch; index++) {
      const { done, value: socket } = sockets.next()
      if (done === true) return adopted()
      const reply = currentReply(socket)
      if (reply) this.#followed.adopt(reply, socket)
    }
    const goOn = (): void => { if (this.#followed.exact) this.#adoptSome(sockets, adopted) }
    setImmediate(this.#faults.guard('the search for requests', goOn))
  }
}

/**
 * A clock that is read ten times a second instead of once per request: asking the real one costs one and a half
 * percent of a small request (measured with `bench/cpu.js`), and the age of a request in flight needs no more.
 */
export class CoarseClock {
  /**
   * Whole milliseconds of `performance.now()`, at most a tenth of a second old while it runs: a
   * fraction would be an object of its own per request.
   */
  now: number = Math.floor(monotonicNow())
  #stop: (() => void) | undefined

  start (): void {
    this.#stop ??= onTick(() => { this.now = Math.floor(monotonicNow()) })
  }

  stop (): void {
    this.#stop?.()
    this.#stop = undefined
  }
}

/** Where a reply stands among those that no connection shows. */
const place: unique symbol = Symbol('fastify-graceful.place')
interface UnshownReply extends ServerResponse { [place]?: number }

/**
 * While the service runs: replies that no connection shows, of HTTP/2 and `inject`, in no order. To note one is cheaper
 * than to follow it.
 */
export class UnshownReplies {
  readonly #replies: UnshownReply[] = []
  readonly #followed: FollowedReplies
  readonly #faults: Faults

  constructor (followed: FollowedReplies, faults: Faults) {
    this.#followed = followed
    this.#faults = faults
  }

  /** All of them. */
  get all (): readonly ServerResponse[] {
    return this.#replies
  }

  /** One whose client is there. */
  add (reply: ServerResponse): void {
    reply.on('close', this.#closed)
    ;(reply as UnshownReply)[place] = this.#replies.push(reply) - 1
  }

  /** Takes all of them out: they are followed from now on. */
  take (): ServerResponse[] {
    return this.#replies.splice(0)
  }

  /** One that has closed, or that nobody waits for. One that is not among them is left alone. */
  forget (reply: UnshownReply): void {
    const { [place]: index = 0 } = reply
    if (this.#replies[index] !== reply) return
    const last = this.#replies.pop()!
    if (last === reply) return
    this.#replies[index] = last
    last[place] = index
  }

  // One function for all replies.
  readonly #closed = this.#makeClosed()

  #makeClosed (): (this: ServerResponse) => void {
    // The listener's own `this` is the reply.
    // oxlint-disable-next-line typescript/no-this-alias, unicorn/no-this-assignment
    const unshown = this
    return function unshownClosed (this: UnshownReply) {
      try {
        unshown.forget(this)
        // Since phase 1 it has been followed.
        unshown.#followed.leave(this)
      } catch (error) {
        unshown.#faults.note('the close of a reply', error)
      }
    }
  }
}
