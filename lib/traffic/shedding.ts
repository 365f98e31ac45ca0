import type { Socket } from 'node:net'
import type { ServerHttp2Session } from 'node:http2'
import type { Faults } from '../util/faults.ts'
import type { Clock } from '../clock.ts'
import type { Connections } from './connections.ts'
import { decideHead, takeBackClose } from './head.ts'
import { isLastOfChunk } from './early-replies.ts'
import { isProbed, isUsed, kind } from './http-socket.ts'
import type { HttpSocket } from './http-socket.ts'
import { tellSession, wasTold } from './http-session.ts'
import type { Requests, Tracked } from './requests.ts'

/**
 * Tells connections to reconnect elsewhere: `Connection: close` in the head of a reply, GOAWAY on
 * HTTP/2. Each connection draws once when in the ramp that is: drawn for each reply, a busy one
 * would be told in the first tenth of it.
 */
export class Shedding {
  readonly #requests: Requests
  readonly #connections: Connections
  readonly #clock: Clock
  readonly #onShed: () => void
  readonly #faults: Faults
  readonly #thresholds = new WeakMap<Socket | ServerHttp2Session, number>()
  /** The present share, 0 to 1. */
  #share = 0

  constructor (clock: Clock, requests: Requests, connections: Connections, onShed: () => void, faults: Faults) {
    this.#faults = faults
    this.#clock = clock
    this.#requests = requests
    this.#connections = connections
    this.#onShed = onShed
  }

  /** A reply is followed: what its head says of the connection is decided when it is made. */
  follow (tracked: Tracked, predecessor: Tracked | undefined): void {
    const { socket } = tracked
    if (socket === undefined) return
    // A reply that has pipelined successors must not end the connection: they would be lost.
    if (predecessor?.told === true && takeBackClose(predecessor.reply)) predecessor.told = false
    decideHead(tracked.reply, () => this.#isLast(tracked, socket), this.#faults)
  }

  /**
   * Phase 1 begins. Sessions hear of it later: a GOAWAY on one that has no stream makes Node close
   * it, with the requests that lie in the kernel's buffer.
   */
  begin (share: number): void {
    this.#share = share
  }

  /** The ramp has moved on. */
  raise (share: number): void {
    this.#share = share
    if (share === 0) return
    for (const session of this.#connections.sessions) this.considerSession(session)
  }

  /** A session that has just been opened is left alone until its first request is here, which its client would lose. */
  considerSession (session: ServerHttp2Session): void {
    if (!isUsed(session) || !this.#isDue(session)) return
    if (wasTold(session) || session.destroyed || session.closed) return
    tellSession(session, this.#clock.now())
    if (!isProbed(session)) this.#onShed()
  }

  #isDue (connection: Socket | ServerHttp2Session): boolean {
    let threshold = this.#thresholds.get(connection)
    if (threshold === undefined) this.#thresholds.set(connection, threshold = Math.random())
    return threshold < this.#share
  }

  #isLast (tracked: Tracked, socket: HttpSocket): boolean {
    const { reply } = tracked
    if (!this.#isDue(socket) || !this.#requests.isNewest(reply, socket)) return false
    // Answered before the rest of what came with it was parsed: there may be a successor in it.
    if (tracked.isParsing && !isLastOfChunk(socket, reply)) return false
    tracked.told = true
    // A client that asked for the end itself was not sent away, and nobody was told before the reply is out.
    if (!reply.shouldKeepAlive) return true
    reply.once('finish', this.#faults.guard('the end of a reply', () => this.#count(tracked, socket)))
    return true
  }

  #count (tracked: Tracked, socket: HttpSocket): void {
    // Nobody's absence is evidence but the balancer's.
    if (tracked.told && socket[kind] !== 'probe') this.#onShed()
  }
}
