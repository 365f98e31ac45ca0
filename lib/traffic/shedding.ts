import type { ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import type { Faults } from '../util/faults.ts'
import type { Arrivals } from './arrivals.ts'
import type { Connections } from './connections.ts'
import { isLastOfChunk } from './early-replies.ts'
import type { FollowedReplies, Tracked } from './followed-replies.ts'
import type { FrontObserver } from './front-observer.ts'
import { decideHead, takeBackClose } from './head.ts'
import type { SessionEnds } from './session-end.ts'
import { carrierUnder, isUsed, kind } from './tags.ts'
import type { HttpSocket } from './tags.ts'

/** Milliseconds between two looks at all sessions, while the share stays. */
const lookInterval = 100

/** Whom to tell, and who counts it. */
interface Parts {
  followed: FollowedReplies
  connections: Connections
  arrivals: Arrivals
  front: FrontObserver
  endings: { sessions: SessionEnds }
}

/**
 * Tells connections to reconnect elsewhere: `Connection: close` in the head of a reply, GOAWAY on
 * HTTP/2. Each connection draws once when in the ramp that is: drawn for each reply, a busy one
 * would be told in the first tenth of it.
 */
export class Shedding {
  readonly #followed: FollowedReplies
  readonly #connections: Connections
  readonly #clock: Clock
  readonly #sessions: SessionEnds
  readonly #arrivals: Arrivals
  readonly #front: FrontObserver
  readonly #faults: Faults
  readonly #thresholds = new WeakMap<Socket | ServerHttp2Session, number>()
  /** The present share of connections of HTTP/1, 0 to 1. */
  #share = 0
  /** The present share of sessions. */
  #sessionShare = 0
  #lookedAt = -Infinity

  constructor (clock: Clock, parts: Parts, faults: Faults) {
    this.#faults = faults
    this.#clock = clock
    this.#sessions = parts.endings.sessions
    this.#followed = parts.followed
    this.#connections = parts.connections
    this.#arrivals = parts.arrivals
    this.#front = parts.front
  }

  /** A reply is followed: what its head says of the connection is decided when it is made. */
  follow (tracked: Tracked, predecessor: Tracked | undefined): void {
    const { socket } = tracked
    if (socket === undefined) return this.#sessions.follow(tracked.reply)
    // A reply that has pipelined successors must not end the connection: they would be lost.
    if (predecessor?.told === true && takeBackClose(predecessor.reply)) predecessor.told = false
    decideHead(tracked.reply, () => this.#isLast(tracked, socket), this.#faults)
  }

  /** The ramp has begun, or moved on. */
  raise (share: number): void {
    this.#share = share
    const isNew = share !== this.#sessionShare
    this.#sessionShare = share
    if (share > 0) this.look(isNew ? 0 : lookInterval)
  }

  /** Draining starts: every reply is the last of its connection. Sessions are told a few at a time, see `Endings`. */
  drain (): void {
    this.#share = 1
  }

  /** Tells sessions whose turn it is and that could not be told before, at most every `interval` milliseconds. */
  look (interval: number = lookInterval): void {
    const now = this.#clock.now()
    if (now - this.#lookedAt < interval) return
    this.#lookedAt = now
    for (const session of this.#connections.sessions) this.considerSession(session)
  }

  /**
   * Tells a session, where it is its turn. One that has just been opened is left alone until its first request is here:
   * its client would give that up. A balancer that goes by readiness sends nothing more on its sessions before they are
   * told in phase 3, and some lose what crosses a GOAWAY.
   *
   * @param isAsking whether a request has just come
   */
  considerSession (session: ServerHttp2Session, isAsking = false): void {
    if (!isUsed(session)) return
    if (!this.#sessions.isDemanded(session)) {
      if (!this.#isDue(session, this.#sessionShare)) return
      if (this.#front.goesByReadiness(carrierUnder(session)?.remoteAddress)) return
    }
    this.#sessions.tell(session, isAsking ? 'another' : 'none')
  }

  #isDue (connection: Socket | ServerHttp2Session, share: number): boolean {
    let threshold = this.#thresholds.get(connection)
    if (threshold === undefined) this.#thresholds.set(connection, threshold = Math.random())
    return threshold < share
  }

  #isLast (tracked: Tracked, socket: HttpSocket): boolean {
    const { reply } = tracked
    if (!this.#isDue(socket, this.#share) || !this.#followed.isNewest(reply, socket)) return false
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
    if (tracked.told && socket[kind] !== 'probe') this.#arrivals.shed()
  }
}

/** What Envoy reads from any reply: its host counts as failed at once, where the cluster is actively health-checked. */
const immediateFail = 'x-envoy-immediate-health-check-fail'

/** Tells Envoy with each reply that this host leaves. */
export class EnvoySignal {
  readonly #followed: FollowedReplies
  readonly #enabled: boolean
  #telling = false

  constructor (followed: FollowedReplies, enabled: boolean) {
    this.#followed = followed
    this.#enabled = enabled
  }

  /** From now on; replies in flight whose head is not sent are included. */
  tell (): void {
    if (!this.#enabled || this.#telling) return
    this.#telling = true
    this.again()
  }

  /** More replies are followed than when it began. */
  again (): void {
    for (const { reply } of this.#followed.tracked()) this.mark(reply)
  }

  /** Phase 1 was undone. */
  undo (): void {
    this.#telling = false
  }

  /** A reply has begun. Set on the raw one, so that hijacked replies carry it, too. */
  mark (reply: ServerResponse): void {
    if (this.#telling && !reply.headersSent && !reply.destroyed) reply.setHeader(immediateFail, 'true')
  }
}
