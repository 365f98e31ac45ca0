import type { ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import { setMaxListeners } from 'node:events'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../lifecycle/clock.ts'
import { isUpgraded, isUsed } from './connections.ts'
import type { Connections } from './connections.ts'
import { isGone } from './handlers.ts'
import { replyOf } from './naming.ts'
import { pace } from './pace.ts'
import type { Requests } from './requests.ts'

/** Milliseconds a client has for its answer to a WebSocket's close or an HTTP/2 ping. */
export const answerTime = 5000
/** Milliseconds that a peer has for what takes one round trip: the answer to a ping, a first request. */
const patience = 1000
/** Longest time over which those who are told to end are spread, in milliseconds. */
const longestSpread = 5000

/** The part of `ws` that is needed here; `@fastify/websocket` decorates the instance with its server. */
interface WebSocketLike {
  readonly readyState: number
  readonly _socket?: object
  close (code: number, reason: string): void
  terminate (): void
}
interface WithWebSockets { websocketServer?: { clients?: Set<WebSocketLike> } }

/** Milliseconds between two looks for a WebSocket that is being opened. */
const lookInterval = 100
/** `readyState` of a WebSocket that has closed. */
const closed = 3

/**
 * Streams, WebSockets and HTTP/2 sessions do not end by themselves. Each is told in its own way when draining starts,
 * spread over some seconds, so that those who come back do not come as one wave.
 */
export class Endings {
  readonly #clock: Clock
  readonly #requests: Requests
  readonly #connections: Connections
  readonly #signals = new Map<FastifyRequest['raw'], AbortController>()
  readonly #stops: Array<() => void> = []
  #webSocketsCut = 0
  #draining = false

  constructor (clock: Clock, requests: Requests, connections: Connections) {
    this.#clock = clock
    this.#requests = requests
    this.#connections = connections
  }

  /** The signal of one request, made on first use. */
  signalOf (request: FastifyRequest, reply: FastifyReply | undefined): AbortSignal {
    const known = this.#signals.get(request.raw)
    if (known !== undefined) return known.signal
    const controller = new AbortController()
    setMaxListeners(0, controller.signal)
    this.#requests.markStream(request)
    if (this.#draining) controller.abort(drainReason())
    else if (reply !== undefined && !isGone(reply.raw)) {
      this.#signals.set(request.raw, controller)
      reply.raw.once('close', () => this.#signals.delete(request.raw))
    }
    return controller.signal
  }

  /** Draining starts: tells everybody within `budget` milliseconds, of which it takes a third at most. */
  start (budget: number): void {
    this.#draining = true
    const spread = Math.min(longestSpread, budget / 3)
    const told = Math.min(answerTime, budget / 3)
    this.#stops.push(
      pace(this.#clock, () => this.#signals.values(), spread, (controller) => controller.abort(drainReason()), 1),
      pace(this.#clock, () => this.#webSockets(), spread, (socket) => this.#endWebSocket(socket, told), 5),
      pace(this.#clock, () => this.#connections.sessions, Math.min(spread, 1000), (session) => isUsed(session) ? this.endSession(session) : this.adoptSession(session))
    )
  }

  /** Whether draining has started. */
  get draining (): boolean {
    return this.#draining
  }

  /** WebSockets that had to be cut because their client did not answer. */
  get webSocketsCut (): number {
    return this.#webSocketsCut
  }

  stop (): void {
    for (const stop of this.#stops) stop()
  }

  /**
   * A session ends with a GOAWAY that names all streams, one round trip, and then the real one (RFC 9113, 6.8):
   * `session.close()` alone refuses the requests that are on the wire.
   */
  endSession (session: ServerHttp2Session): void {
    if (session.destroyed || session.closed) return
    let ended = false
    const end = (): void => {
      if (ended) return
      ended = true
      cancel()
      if (!session.destroyed && !session.closed) session.close()
      this.#dropLater(session)
    }
    const cancel = this.#clock.after(patience, end)
    this.#connections.whenPeerEnds(session, end)
    try {
      const now = this.#clock.now()
      // Told in phase 1, it has long had its round trip; Node's own client then answers no ping.
      const longAgo = now - this.#connections.tellSession(session, now) >= patience
      if (longAgo || !session.ping(end)) end()
    } catch {
      // The peer has just gone.
      end()
    }
  }

  /** Once its streams are finished, the peer has some time to end the connection. */
  #dropLater (session: ServerHttp2Session): void {
    this.#clock.after(patience, () => {
      if (!this.#connections.sessions.has(session)) return
      if (session.destroyed) this.#connections.dropSession(session)
      else this.#dropLater(session)
    })
  }

  /** A session that is opened while draining, or has been just before, ends with its first request, or soon without one. */
  adoptSession (session: ServerHttp2Session): void {
    if (!this.#draining) return
    const end = (): void => {
      cancel()
      session.off('stream', end)
      this.endSession(session)
    }
    const cancel = this.#clock.after(patience, end)
    session.once('stream', end)
    this.#connections.whenPeerEnds(session, end)
  }

  #endWebSocket (socket: WebSocketLike, time: number): void {
    if (socket.readyState === closed) return
    socket.close(1001, 'service restart')
    this.#stops.push(this.#clock.after(time, () => {
      if (socket.readyState === closed) return
      this.#webSocketsCut++
      socket.terminate()
    }))
  }

  /** A WebSocket that is opened while draining is told as soon as it is open. */
  adoptUpgraded (reply: ServerResponse): void {
    if (!this.#draining || this.#requests.kindOf(reply) !== 'upgraded') return
    const { socket } = reply.req
    const look = (): void => {
      if (socket.destroyed) return
      const own = [...this.#clientsOf(reply) ?? []].find(({ _socket: owned }) => owned === socket)
      if (own === undefined) this.#stops.push(this.#clock.after(lookInterval, look))
      else this.#endWebSocket(own, answerTime)
    }
    look()
  }

  /** The clients of every WebSocket server that an upgraded request leads to: a plugin may have its own. */
  #webSockets (): Set<WebSocketLike> {
    const servers = new Set<Set<WebSocketLike>>()
    for (const socket of this.#connections.sockets) {
      if (!socket._httpMessage || !isUpgraded(socket)) continue
      const clients = this.#clientsOf(socket._httpMessage)
      if (clients !== undefined) servers.add(clients)
    }
    const [first, ...others] = servers
    if (first !== undefined && others.length === 0) return first
    return new Set([...servers].flatMap((clients) => [...clients]))
  }

  #clientsOf (reply: ServerResponse): Set<WebSocketLike> | undefined {
    const instance = replyOf(reply)?.request.server as WithWebSockets | undefined
    return instance?.websocketServer?.clients
  }
}

function drainReason (): Error {
  return new DOMException('The service is draining', 'AbortError')
}
