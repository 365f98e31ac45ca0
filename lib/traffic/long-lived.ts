import type { ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { FastifyRequest } from 'fastify'
import type { Faults } from '../util/faults.ts'
import type { Clock } from '../clock.ts'
import type { Connections } from './connections.ts'
import type { Arrivals } from './arrivals.ts'
import { abort, DrainSignals } from './drain-signals.ts'
import type { DrainSignal } from './drain-signals.ts'
import { currentReply, isUpgraded, isUsed, whenPeerEnds } from './tags.ts'
import type { HttpSocket } from './tags.ts'
import type { InFlightList } from './in-flight.ts'
import type { DrainSettings } from './options.ts'
import { pace } from './stagger.ts'
import type { PaceOptions } from './stagger.ts'
import { SessionEnds } from './session-end.ts'
import type { SocketWork } from './socket-work.ts'
import { endInOrder, isStreamRoute, mayEndInOrder } from './stream-end.ts'
import type { Upgrades } from './upgrades.ts'
import { followMessages, webSocketOf } from './web-socket.ts'
import type { WebSocketLike } from './web-socket.ts'
import { WebSocketCloser } from './web-socket-closer.ts'

/** Milliseconds that a new HTTP/2 session has for its first request. */
const patience = 1000
/** Longest time over which those who are told to end are spread by default, in milliseconds. */
const longestSpread = 5000
/** Milliseconds between two looks for a WebSocket that is being opened, or at a stream that is not to be ended yet. */
const lookInterval = 100
/** Milliseconds that a handler has for a good-bye of its own, once `request.drainSignal` has told it. */
const goodbyeTime = 1000
/** Milliseconds over which streams that are cut are ended. */
const cutSpread = 250

/** Whoever knows what there is to end. */
interface Parts {
  inFlight: InFlightList
  connections: Connections
  upgrades: Upgrades
  work: SocketWork
  arrivals: Arrivals
}

/**
 * Streams, WebSockets and HTTP/2 sessions do not end by themselves. Each is told in its own way when draining starts,
 * spread over some seconds, so that those who come back do not come as one wave.
 */
export class Endings {
  readonly #clock: Clock
  readonly #settings: DrainSettings
  readonly #inFlight: InFlightList
  readonly #connections: Connections
  readonly #upgrades: Upgrades
  readonly #work: SocketWork
  /** The ends of HTTP/2 sessions. */
  readonly sessions: SessionEnds
  readonly #left: () => number
  readonly #faults: Faults
  readonly #closer: WebSocketCloser | undefined
  readonly #signals = new DrainSignals()
  readonly #stops: Array<() => void> = []
  /** Whether the next start waits: nobody is spread, and streams are ended that nobody marked as such. */
  isFast = false
  #draining = false
  #ending = false
  #budget = 0

  /** @param left how long phase 3 may still last, in milliseconds */
  constructor (clock: Clock, settings: DrainSettings, parts: Parts, left: () => number, faults: Faults) {
    this.#faults = faults
    this.#clock = clock
    this.#settings = settings
    this.#inFlight = parts.inFlight
    this.#connections = parts.connections
    this.#upgrades = parts.upgrades
    this.#work = parts.work
    this.sessions = new SessionEnds(clock, parts.connections, left, () => parts.arrivals.shed(), faults)
    this.#left = left
    if (settings.webSocket === false) return
    this.#closer = new WebSocketCloser(clock, settings, {
      left,
      isFast: () => this.isFast,
      hasWork: (socket) => this.#work.hasUpgraded(socket),
      signal: (socket) => this.#signal(socket)
    })
  }

  /** The signal of one request, made on first use. */
  signalOf (request: FastifyRequest): AbortSignal {
    this.#inFlight.markStream(request)
    return this.#signals.of(request.raw, this.#draining)
  }

  /** A request has come to our hook. */
  arrive (request: FastifyRequest, reply: ServerResponse): void {
    this.#signals.arrive(request.raw, reply)
  }

  /**
   * Draining starts, with `budget` milliseconds to go: drain signals abort and sessions are told,
   * whoever else takes their time. A handler that hears of it ends its own reply.
   */
  tell (budget: number): void {
    this.#draining = true
    const { spread, exactly } = this.#spreadOf(budget)
    this.#stops.push(
      this.#pace(() => this.#signals.open(), spread, (signal) => this.#abort(signal), { delay: 1, exactly }),
      this.#pace(() => this.#connections.sessions, Math.min(spread, 1000), (session) => this.#tellSession(session))
    )
  }

  /** Ends what is left to us, with `budget` milliseconds to go: streams that their handlers leave, and WebSockets. */
  end (budget: number): void {
    this.#ending = true
    this.#budget = budget
    const { spread, exactly } = this.#spreadOf(budget)
    this.#stops.push(
      this.#pace(() => this.#inFlight.streamsToEnd(this.isFast), spread, (reply) => this.#endStream(reply),
        { delay: 3, exactly }),
      this.#clock.after(5, () => this.#closer?.start(this.#webSockets(), budget))
    )
  }

  #spreadOf (budget: number): { spread: number, exactly: boolean } {
    const spread = this.isFast ? 0 : this.#settings.spread
    return { spread: Math.min(spread ?? longestSpread, budget / 3), exactly: spread !== undefined }
  }

  /** Whether draining has started. */
  get draining (): boolean { return this.#draining }

  /** Whether what does not end by itself is being ended. */
  get ending (): boolean { return this.#ending }

  /** WebSockets that had to be cut because their client did not answer. */
  get webSocketsCut (): number { return this.#closer?.cut ?? 0 }

  stop (): void {
    for (const stop of this.#stops) stop()
    this.#closer?.stop()
  }

  /** One that cannot be told now is told later, see `Shedding`. */
  #tellSession (session: ServerHttp2Session): void {
    if (!isUsed(session)) return this.adoptSession(session)
    whenPeerEnds(session, () => this.sessions.close(session))
    this.sessions.demand(session)
    this.sessions.tell(session)
  }

  /** A session opened while draining, or just before, ends with its first request, or soon without one. */
  adoptSession (session: ServerHttp2Session): void {
    if (!this.#draining) return
    const tell = this.#faults.guard("listener of 'stream'", () => {
      cancel()
      this.#tellFirst(session)
    })
    const cancel = this.#clock.after(patience, () => {
      session.off('stream', tell)
      this.sessions.tellOrClose(session)
    })
    session.once('stream', tell)
    whenPeerEnds(session, () => this.sessions.close(session))
  }

  #tellFirst (session: ServerHttp2Session): void {
    if (this.sessions.tell(session, 'first') || session.closed || session.destroyed) return
    this.#stops.push(this.#clock.after(lookInterval, () => this.#tellFirst(session)))
  }

  /** A request that came late: a stream that the application has said to be one is told as well. */
  adoptStream (reply: ServerResponse): void {
    if (this.#ending && isStreamRoute(reply)) this.#endStream(reply)
  }

  /** A WebSocket that is opened late is told when it is open. */
  adoptUpgrade (socket: HttpSocket): void {
    if (!this.#ending || this.#closer === undefined) return
    const look = (): void => {
      if (socket.destroyed) return
      const webSocket = webSocketOf(socket)
      if (webSocket === undefined) this.#stops.push(this.#clock.after(lookInterval, look))
      else this.#closer?.add(socket, webSocket)
    }
    this.#stops.push(this.#clock.after(1, look))
  }

  /** Whether something that is not over keeps an upgraded socket from being taken for idle. */
  keeps (socket: HttpSocket): boolean {
    // WebSockets are told, or are the application's business.
    if (webSocketOf(socket) !== undefined) return true
    if (this.#left() <= this.#budget / 2) return false
    return this.#work.hasUpgraded(socket) || this.#upgrades.hasUnanswered(socket)
  }

  /** Ends in order what may be, of replies that are cut; the answer is which of them. */
  cutStreams (replies: readonly ServerResponse[]): Set<ServerResponse> {
    const streams = new Set(replies.filter((reply) => mayEndInOrder(reply)))
    this.#pace(() => streams, cutSpread, (reply) => { if (mayEndInOrder(reply)) endInOrder(reply) })
    return streams
  }

  /** One that cannot be told keeps nobody else from being told. */
  #pace<T> (find: () => Iterable<T>, spread: number, act: (item: T) => void, options?: PaceOptions): () => void {
    return pace(this.#clock, find, spread, this.#faults.guard('the end of a stream or a session', act), options)
  }

  #abort (signal: DrainSignal): void {
    if (signal.at !== undefined) return
    signal.at = this.#clock.now()
    abort(signal)
  }

  /** Whether a WebSocket's handler has `request.drainSignal`, and the time for a good-bye of its own is not over. */
  #signal (socket: HttpSocket): boolean {
    const request = currentReply(socket)?.req
    const told = request === undefined ? undefined : this.#signals.get(request)
    if (told === undefined) return false
    this.#abort(told)
    return this.#clock.now() - (told.at ?? 0) < Math.min(goodbyeTime, this.#budget / 4)
  }

  /** Ends a stream whose handler does not do so itself, once nothing that belongs to it is under way. */
  #endStream (reply: ServerResponse): void {
    const isTold = this.#signals.get(reply.req) !== undefined
    if ((isTold && !this.isFast) || !mayEndInOrder(reply)) return
    const isLast = this.#left() <= this.#budget / 2
    if (isLast || !(isTold || this.#work.has(reply.req))) endInOrder(reply)
    else this.#stops.push(this.#clock.after(lookInterval, () => this.#endStream(reply)))
  }

  * #webSockets (): Generator<[HttpSocket, WebSocketLike]> {
    for (const socket of this.#connections.sockets) {
      if (!isUpgraded(socket)) continue
      const webSocket = webSocketOf(socket)
      if (webSocket === undefined) continue
      this.#faults.attempt('a WebSocket', () => followMessages(webSocket, this.#upgrades.source))
      yield [socket, webSocket]
    }
  }
}
