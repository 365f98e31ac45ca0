import type { ServerResponse } from 'node:http'
import { handlerRuns } from './handlers.ts'

/** From how many on they are looked through for those whose handler has ended. */
const leastLimit = 64

/**
 * Replies whose client left while the handler ran, from before phase 1. They are held weakly: while the service runs,
 * none must be kept by the plugin alone.
 */
export class LostReplies {
  #held: Array<WeakRef<ServerResponse>> = []
  #limit = leastLimit

  add (reply: ServerResponse): void {
    this.#held.push(new WeakRef(reply))
    if (this.#held.length < this.#limit) return
    this.#held = this.running().map((left) => new WeakRef(left))
    this.#limit = Math.max(leastLimit, this.#held.length * 2)
  }

  /** Those whose handler has not come to its end. */
  running (): ServerResponse[] {
    return this.#held
      .map((held) => held.deref())
      .filter((reply) => reply !== undefined && handlerRuns(reply)) as ServerResponse[]
  }

  /** Somebody else follows them from now on. */
  clear (): void {
    this.#held = []
  }
}
