import type { ServerResponse } from 'node:http'
import type { Faults } from '../util/faults.ts'
import type { FollowedReplies } from './followed-replies.ts'

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
