import type { Server, Socket } from 'node:net'
import type { Http2Session, ServerHttp2Session } from 'node:http2'
import type { ServerResponse } from 'node:http'
import type { Faults } from '../util/faults.ts'
import { currentReply, isBusy, isUpgraded, kind, startedAt, dropSession, noteCarrier, sessionOf } from './tags.ts'
import type { HttpSocket } from './tags.ts'
import { nextTick } from '../util/timers.ts'
import { carrierOf } from '../fastify/node-internals.ts'

interface SecureSocket extends HttpSocket { alpnProtocol?: string | false }

/** Connections by what they are doing, as the status shows them. */
export interface ConnectionCounts {
  open: number
  /** With a request in flight. */
  busy: number
  idle: number
  upgraded: number
  /** HTTP/2 sessions. */
  sessions: number
}

/**
 * Every open connection of every server of the application. One set entry and one shared method
 * each: an idle connection costs little more than without us.
 */
export class Connections {
  /** HTTP/1 sockets, upgraded ones too. */
  readonly sockets: Set<HttpSocket> = new Set()
  readonly sessions: Set<ServerHttp2Session> = new Set()
  /** TLS connections whose handshake is not over. */
  readonly handshakes: Set<Socket> = new Set()
  /** Sessions that carry what nobody waits for, and how much of it. */
  readonly #exempt = new Map<ServerHttp2Session, number>()
  readonly #exemptSockets = new WeakSet<HttpSocket>()
  readonly #servers = new WeakSet<Server>()
  readonly #onGone: () => void
  readonly #onLost: (socket: HttpSocket) => void
  readonly #onSession: (session: ServerHttp2Session) => void
  readonly #faults: Faults
  /** Called with a socket of HTTP/1 that is about to be destroyed, and what with; only from phase 1 on. */
  onDestroy: ((socket: HttpSocket, error: Error | null) => void) | undefined
  /** Whether one of the servers speaks HTTP/2. */
  hasHttp2 = false
  /** Grows with each connection that was accepted: what a turn of the event loop has brought. */
  accepted = 0

  /**
   * @param onGone called when the last connection is gone
   * @param onLost called with each HTTP/1 connection that has closed
   */
  constructor (
    onGone: () => void,
    onLost: (socket: HttpSocket) => void,
    onSession: (session: ServerHttp2Session) => void,
    faults: Faults
  ) {
    this.#faults = faults
    this.#onGone = onGone
    this.#onLost = onLost
    this.#onSession = onSession
  }

  get size (): number {
    return this.sockets.size + this.sessions.size - this.#exempt.size + this.handshakes.size
  }

  /** Follows the connections of a server. A server that is followed already is left alone. */
  follow (server: Server): void {
    if (this.#servers.has(server)) return
    this.#servers.add(server)
    const isHttp2 = 'updateSettings' in server
    const isSecure = 'setSecureContext' in server
    this.hasHttp2 ||= isHttp2
    server.on('connection', (socket: HttpSocket) => {
      this.accepted++
      try {
        if (isSecure) this.#add(this.handshakes, socket)
        else if (!isHttp2) this.#addSocket(socket)
      } catch (error) {
        this.#faults.note("listener of 'connection'", error)
      }
    })
    if (isSecure) {
      server.on('secureConnection', (socket: SecureSocket) => {
        try {
          this.handshakes.delete(carrierOf(socket, this.handshakes) ?? socket)
          if (socket.alpnProtocol !== 'h2') this.#addSocket(socket)
        } catch (error) {
          this.#faults.note("listener of 'secureConnection'", error)
        }
      })
    }
    if (isHttp2) server.on('session', (session: ServerHttp2Session) => this.#addSession(session))
  }

  counts (): ConnectionCounts {
    let busy = 0
    let upgraded = 0
    for (const socket of this.sockets) {
      if (isUpgraded(socket)) upgraded++
      else if (isBusy(socket)) busy++
    }
    const { size } = this
    return {
      open: size,
      busy,
      upgraded,
      sessions: this.sessions.size - this.#exempt.size,
      idle: this.sockets.size - busy - upgraded
    }
  }

  /** From now on nobody waits for this connection: it is neither counted nor ended. */
  exempt (socket: HttpSocket): void {
    this.#exemptSockets.add(socket)
    this.#remove(this.sockets, socket)
  }

  /** Whether a connection is one that nobody waits for. */
  isExempt (socket: HttpSocket): boolean {
    return this.#exemptSockets.has(socket)
  }

  /** The same for an HTTP/2 session, until `reply` has ended. */
  exemptSession (session: ServerHttp2Session, reply: ServerResponse): void {
    if (!this.sessions.has(session)) return
    this.#exempt.set(session, (this.#exempt.get(session) ?? 0) + 1)
    reply.once('close', this.#faults.guard('the close of a reply', () => {
      const left = (this.#exempt.get(session) ?? 0) - 1
      if (left > 0) this.#exempt.set(session, left)
      else this.#exempt.delete(session)
    }))
    if (this.size === 0) this.#onGone()
  }

  /**
   * Ends every connection at once but those that are exempt, and says how many upgraded ones there were.
   *
   * @param ended replies that were ended in order, or whose HTTP/2 stream was reset: their
   * connections are left to drain
   */
  destroyAll (ended: ReadonlySet<ServerResponse> = new Set()): number {
    let upgraded = 0
    const draining = new Set([...ended].map((reply) => sessionOf(reply.req)))
    for (const socket of this.sockets) {
      if (isUpgraded(socket)) upgraded++
      if (!ended.has(currentReply(socket) as ServerResponse)) socket.destroy()
    }
    for (const session of this.sessions) {
      if (this.#exempt.has(session)) continue
      if (draining.has(session)) {
        session.close()
        continue
      }
      session.destroy()
      dropSession(session)
    }
    for (const socket of this.handshakes) socket.destroy()
    return upgraded
  }

  /** Whether a session carries what nobody waits for. */
  isExemptSession (session: ServerHttp2Session): boolean {
    return this.#exempt.has(session)
  }

  #add<T extends Socket | Http2Session> (set: Set<T>, item: T): void {
    set.add(item)
    item.once('close', () => this.#remove(set, item))
  }

  #addSocket (socket: HttpSocket): void {
    // Added now and not with the first request: a socket whose shape changes after Node's code has
    // met it makes that code three percent slower per request.
    socket[kind] = undefined
    socket[startedAt] = 0
    this.sockets.add(socket)
    // A stream of somebody's own that was handed to the server, or one that two servers share.
    if (socket.destroyed || Object.hasOwn(socket, '_destroy')) socket.once('close', () => this.#lost(socket))
    else socket._destroy = this.#destroySocket
  }

  #addSession (session: ServerHttp2Session): void {
    try {
      this.#add(this.sessions, session)
      session.once('close', () => { this.#exempt.delete(session) })
      noteCarrier(session)
      this.#onSession(session)
    } catch (error) {
      this.#faults.note("listener of 'session'", error)
    }
  }

  #remove<T> (set: Set<T>, item: T): void {
    set.delete(item)
    try {
      if (this.size === 0) this.#onGone()
    } catch (error) {
      this.#faults.note('the close of a connection', error)
    }
  }

  // Not a listener for 'close': Node adds and removes one of its own with each reply, and where
  // another stays beside it, that costs half a percent of a small request and most of what we add
  // to an idle connection. One function for all sockets.
  readonly #destroySocket = this.#makeDestroySocket()

  #makeDestroySocket (): HttpSocket['_destroy'] {
    // The method's own `this` is the socket.
    // oxlint-disable-next-line typescript/no-this-alias, unicorn/no-this-assignment
    const connections = this
    return function _destroy (this: HttpSocket, error, callback) {
      try {
        connections.onDestroy?.(this, error)
      } catch (failure) {
        connections.#faults.note('the end of a connection', failure)
      }
      const { _destroy: original } = Object.getPrototypeOf(this) as HttpSocket
      original.call(this, error, (failure) => {
        callback(failure)
        // Behind the socket's own 'close', which the callback has queued.
        nextTick(() => connections.#lost(this))
      })
    }
  }

  #lost (socket: HttpSocket): void {
    try {
      this.#onLost(socket)
    } catch (error) {
      this.#faults.note('the close of a connection', error)
    }
    // Whatever has failed before: a connection that stayed in the count would hold the shutdown.
    this.#remove(this.sockets, socket)
  }
}
