import type { ServerResponse } from 'node:http'
import type { Faults } from '../util/faults.ts'
import { noteReply } from '../fastify/node-internals.ts'
import { handlerRuns, isGone, watchHandler, LostReplies } from './handlers.ts'
import { currentReply, isBusy, tie } from './tags.ts'
import type { HttpSocket } from './tags.ts'

/** From how many on they are looked through for what is over. */
const leastLimit = 64

/** A reply that is followed to its end. */
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

/** Who hears of replies from phase 1 on. */
export interface ReplyWatcher {
  /** One is followed; `predecessor` is the one before it on its connection, while that is in flight. */
  follow (tracked: Tracked, predecessor: Tracked | undefined): void
  /** One has closed, complete or not. */
  close (reply: ServerResponse, socket: HttpSocket | undefined): void
}

/**
 * Replies that are followed one by one to their `close`, the one event that comes in every case, or to the end of their
 * handler, where the client leaves before: from phase 1 on all of them, before it pipelined successors alone.
 */
export class FollowedReplies {
  /** Those whose client left before phase 1, while the handler ran. */
  readonly lost: LostReplies = new LostReplies()
  readonly #live = new Map<ServerResponse, Tracked>()
  #liveLimit = leastLimit
  /** The newest reply of a connection that has or had several at once. */
  readonly #newest = new WeakMap<HttpSocket, ServerResponse>()
  /** Connections that have had several requests at once. */
  readonly #several = new WeakSet<HttpSocket>()
  readonly #onIdle: () => void
  readonly #watcher: ReplyWatcher
  readonly #faults: Faults
  #exact = false
  /** How many have come to their end. */
  ended = 0

  /**
   * @param onIdle called when none is left
   * @param watcher hears of each reply from phase 1 on
   */
  constructor (onIdle: () => void, watcher: ReplyWatcher, faults: Faults) {
    this.#onIdle = onIdle
    this.#watcher = watcher
    this.#faults = faults
  }

  /** Whether each reply is followed now. */
  get exact (): boolean {
    return this.#exact
  }

  /** How many are followed. */
  get size (): number {
    return this.#live.size
  }

  has (reply: ServerResponse): boolean {
    return this.#live.has(reply)
  }

  /** All of them, newest last. */
  tracked (): Iterable<Tracked> {
    return this.#live.values()
  }

  /** From now on each reply is followed, and the watcher hears of it. */
  beExact (): void {
    this.#exact = true
    for (const tracked of this.#live.values()) this.#watcher.follow(tracked, undefined)
  }

  /** Phase 1 was undone. */
  beCheap (): void {
    this.#exact = false
  }

  /** Follows one reply to its end. */
  follow (reply: ServerResponse, socket?: HttpSocket): Tracked {
    const known = this.#live.get(reply)
    if (known !== undefined) return known
    const gone = isGone(reply)
    const tracked: Tracked = { reply, socket, told: false, isParsing: false, gone }
    this.#live.set(reply, tracked)
    tie(reply)
    if (socket !== undefined) noteReply(socket, reply)
    const predecessor = socket && this.#predecessor(socket, tracked)
    if (this.#exact) this.#watcher.follow(tracked, predecessor)
    if (!gone) reply.once('close', () => this.#closed(tracked))
    this.#limitLive()
    return tracked
  }

  /** Follows what a connection showed when phase 1 began. */
  adopt (reply: ServerResponse, socket: HttpSocket): void {
    const newest = this.#newest.get(socket)
    // A pipelined successor was followed when it came, and is still the newest.
    const isNewest = newest === undefined || !this.#live.has(newest)
    if (isNewest) this.#newest.delete(socket)
    this.follow(reply, socket)
    this.#newest.set(socket, isNewest ? reply : newest)
  }

  /** Follows those whose client left before phase 1. */
  adoptLost (): void {
    for (const reply of this.lost.running()) this.#followGone(reply)
    this.lost.clear()
  }

  /** The client of a reply that is not followed has left: its handler is waited for, where it still runs. */
  leave (reply: ServerResponse): void {
    if (!this.#live.has(reply) && handlerRuns(reply)) this.#lose(reply)
  }

  /** A connection has closed. Where its reply was not ended the handler may run on, and phase 3 waits for it. */
  disconnect (socket: HttpSocket): void {
    const reply = currentReply(socket)
    if (this.#several.has(socket)) this.#closeAll(socket)
    if (!reply || this.#live.has(reply)) return
    if (this.#exact) this.#watcher.close(reply, socket)
    if (handlerRuns(reply)) this.#lose(reply)
  }

  /**
   * Follows a reply no longer, and does not count it: nobody waits for its end.
   *
   * @param socket the connection whose last reply it is: what has been asked for behind it gets no answer, and never
   * closes
   */
  exempt (reply: ServerResponse, socket?: HttpSocket): void {
    const isIdle = this.#live.delete(reply) && this.#live.size === 0
    if (socket !== undefined && this.#several.has(socket)) this.#closeAll(socket)
    if (isIdle) this.#onIdle()
  }

  /** Whether a reply is the one of its connection that came last, of those followed. */
  isNewest (reply: ServerResponse, socket: HttpSocket): boolean {
    return this.#newest.get(socket) === reply
  }

  /** Forgets the replies that closed first and whose handler ended later: no event tells. */
  sweep (): void {
    for (const tracked of this.#live.values()) {
      if (tracked.gone && !handlerRuns(tracked.reply)) this.#forget(tracked)
    }
  }

  /** It is the newest of its connection; answers the one before. */
  #predecessor (socket: HttpSocket, { reply }: Tracked): Tracked | undefined {
    if (isBusy(socket) && currentReply(socket) !== reply) this.#several.add(socket)
    const newest = this.#newest.get(socket)
    this.#newest.set(socket, reply)
    return newest && this.#live.get(newest)
  }

  /** Pipelined replies that wait for their connection never say 'close'. */
  #closeAll (socket: HttpSocket): void {
    for (const tracked of this.#live.values()) if (tracked.socket === socket) this.#closed(tracked)
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

  #lose (reply: ServerResponse): void {
    watchHandler(reply)
    if (this.#exact) this.#followGone(reply)
    else this.lost.add(reply)
  }

  #followGone (reply: ServerResponse): void {
    // A pipelined reply that never got the connection says neither `destroyed` nor `close`.
    this.follow(reply).gone = true
  }

  /** While the service runs nobody asks for the count, and those whose client has left must not pile up. */
  #limitLive (): void {
    if (this.#live.size < this.#liveLimit) return
    this.sweep()
    this.#liveLimit = Math.max(leastLimit, this.#live.size * 2)
  }

  #forget (tracked: Tracked): void {
    if (this.#live.delete(tracked.reply)) this.ended++
    if (this.#live.size === 0) this.#onIdle()
  }
}
