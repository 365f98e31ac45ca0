import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { Faults } from '../util/faults.ts'
import type { Clock } from '../clock.ts'
import type { Connections } from './connections.ts'
import { isBusy, isUpgraded, isUsed, carrierUnder, wasTold } from './tags.ts'
import type { HttpSocket } from './tags.ts'
import type { SessionEnds } from './session-end.ts'
import { turn } from './listeners.ts'

/** Connections closed in one turn of the event loop. */
const batch = 50
/** Connections looked at in one call: of 10,000 the bytes alone take milliseconds. */
const lookBatch = 2000
/** Shortest time between two looks at the same connection, in milliseconds. */
const lookInterval = 100

/** How long a connection may be idle where the option alone does not say it, in milliseconds. */
export const idleTimes = {
  /** At most, in a plain `app.close()`. */
  plain: 50,
  /** At least, where another process has taken over: closing one that nobody warned may meet its next request. */
  replaced: 5000,
  /** At least, behind a front end that was found: a balancer keeps connections for its next request. */
  fronted: 5000
} as const

/** Where the activity of a socket is kept. */
const activity: unique symbol = Symbol('fastify-graceful.activity')

type WatchedSocket = HttpSocket & { [activity]?: Activity }

interface Activity {
  bytes: number
  /** When the last byte was seen. */
  since: number
  /**
   * When the connection was first seen without a request: a head that drips in byte by byte holds
   * it no longer than twice the idle time.
   */
  free: number
}

/** What is in use although no byte comes. */
interface Uses {
  /** Whether an upgraded socket is. */
  keeps: (socket: HttpSocket) => boolean
  sessions: SessionEnds
}

/**
 * Closes connections that nobody uses: idle ones, silent ones, those that sent half a head, and sessions of HTTP/2
 * without a stream.
 *
 * Nothing is kept per connection while the service runs; from phase 1 on `bytesRead` of each is looked at now and then.
 * A connection is closed straight after a poll of the kernel that brought no byte for it.
 */
export class IdleSweep {
  readonly #connections: Connections
  /** The sessions that connections of HTTP/2 carry, as far as they were looked at. */
  readonly #carried = new WeakMap<Socket, ServerHttp2Session>()
  readonly #clock: Clock
  readonly #uses: Uses
  readonly #faults: Faults
  #idle: number
  #sweeping = false
  /** What is left of the round of looks that is under way. */
  #round: Iterator<WatchedSocket> | undefined
  #roundSince = -Infinity

  constructor (
    connections: Connections,
    uses: Uses,
    clock: Clock,
    idle: number,
    faults: Faults
  ) {
    this.#uses = uses
    this.#faults = faults
    this.#connections = connections
    this.#clock = clock
    this.#idle = idle
  }

  /** From now on the idle time is at most this long, in milliseconds. */
  hasten (idle: number): void {
    this.#idle = Math.min(this.#idle, idle)
  }

  /** From now on the idle time is at least this long, in milliseconds. */
  extend (idle: number): void {
    this.#idle = Math.max(this.#idle, idle)
  }

  /** How long a connection may be idle, in milliseconds. */
  get idle (): number {
    return this.#idle
  }

  /**
   * Looks at some connections, so that their idle time is known; a round of all begins at most
   * every `interval` milliseconds. Answers who is due.
   */
  look (interval: number): WatchedSocket[] {
    const now = this.#clock.now()
    if (this.#round === undefined) {
      if (now - this.#roundSince < interval) return []
      this.#roundSince = now
      this.#round = this.#all()
    }
    const due: WatchedSocket[] = []
    for (let looked = 0; looked < lookBatch; looked++) {
      const { done, value: socket } = this.#round.next()
      if (done === true) {
        this.#round = undefined
        break
      }
      this.#lookAt(socket, now)
      if (this.#isDue(socket, now)) due.push(socket)
    }
    return due
  }

  /** Closes what is idle for long enough, a few per turn. A second call while one runs does nothing. */
  sweep (): void {
    if (this.#sweeping) return
    const due = this.look(Math.min(lookInterval, this.#idle / 5))
    if (due.length === 0) return
    this.#sweeping = true
    void this.#close(due)
      .catch((error: unknown) => this.#faults.note('the close of idle connections', error))
      .finally(() => { this.#sweeping = false })
  }

  /** A request has come: many may come and go between two looks, and their connection is no one that drips. */
  serve (connection: HttpSocket | ServerHttp2Session | undefined): void {
    if (connection === undefined) return
    const socket = carrierUnder(connection as ServerHttp2Session) ?? connection
    const known = (socket as WatchedSocket)[activity]
    if (known !== undefined) known.free = this.#clock.now()
  }

  * #all (): Generator<WatchedSocket, undefined> {
    yield * this.#connections.sockets
    yield * this.#connections.handshakes
    for (const session of this.#connections.sessions) {
      const carrier = carrierUnder(session)
      if (carrier === undefined || session.closed || session.destroyed || wasTold(session)) continue
      if (!isUsed(session) || this.#connections.isExemptSession(session)) continue
      this.#carried.set(carrier, session)
      yield carrier
    }
  }

  #lookAt (socket: WatchedSocket, now: number): void {
    const bytes = this.#bytesOf(socket)
    const known = socket[activity]
    if (known === undefined) {
      socket[activity] = { bytes, since: now, free: now }
      return
    }
    const busy = this.#isInUse(socket)
    if (known.bytes !== bytes || busy) known.since = now
    if (busy || this.#isUpgraded(socket)) known.free = now
    known.bytes = bytes
  }

  #isInUse (socket: HttpSocket): boolean {
    const session = this.#carried.get(socket)
    if (session !== undefined) return this.#uses.sessions.isBusy(session)
    return isUpgraded(socket) ? this.#uses.keeps(socket) : isBusy(socket)
  }

  /** What carries a session has no parser of HTTP/1 either. */
  #isUpgraded (socket: HttpSocket): boolean {
    return isUpgraded(socket) && this.#carried.get(socket) === undefined
  }

  #bytesOf (socket: WatchedSocket): number {
    // A handshake that does not get on is as good as silent, whatever it has sent.
    if (this.#connections.handshakes.has(socket)) return 0
    // What was written counts for upgraded sockets: a feed that only sends is in use.
    return this.#isUpgraded(socket) ? socket.bytesRead + socket.bytesWritten : socket.bytesRead
  }

  #isDue (socket: WatchedSocket, now: number): boolean {
    const known = socket[activity]
    if (known === undefined || socket.destroyed || (isBusy(socket) && !this.#isUpgraded(socket))) return false
    return now - known.since >= this.#idle || now - known.free >= 2 * this.#idle + 1000
  }

  #end (socket: WatchedSocket): void {
    socket.end()
    const known = socket[activity]
    if (known !== undefined) known.since = known.free = this.#clock.now()
  }

  async #close (due: WatchedSocket[]): Promise<void> {
    // What has reached the kernel by now is a request that must be served: it is read within these turns.
    await turn()
    for (let index = 0; index < due.length; index++) {
      // oxlint-disable-next-line no-await-in-loop -- paced on purpose
      if (index % batch === 0) await turn()
      const socket = due[index] as WatchedSocket
      const handshake = this.#connections.handshakes.has(socket)
      this.#lookAt(socket, this.#clock.now())
      if (!this.#isDue(socket, this.#clock.now())) continue
      const session = this.#carried.get(socket)
      // Whoever does not answer the end within another idle time will not.
      if (session !== undefined) this.#uses.sessions.tellOrClose(session)
      else if (!handshake && this.#isUpgraded(socket) && !socket.writableEnded) this.#end(socket)
      else socket.destroy()
    }
  }
}
