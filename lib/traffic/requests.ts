import type { ServerResponse } from 'node:http'
import type { Faults } from '../util/faults.ts'
import { setImmediate } from '../util/timers.ts'
import { CoarseClock } from './coarse.ts'
import type { Connections } from './connections.ts'
import type { FollowedReplies } from './followed-replies.ts'
import { isGone } from './handlers.ts'
import { currentReply, isBusy } from './http-socket.ts'
import type { HttpSocket } from './http-socket.ts'
import { noteStart, tie } from './reply-tags.ts'
import { UnshownReplies } from './unshown-replies.ts'

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
