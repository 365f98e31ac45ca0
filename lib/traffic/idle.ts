import type { Clock } from '../lifecycle/clock.ts'
import { isBusy, isUpgraded } from './connections.ts'
import type { Connections, HttpSocket } from './connections.ts'
import { turn } from './turns.ts'

/** Connections closed in one turn of the event loop. */
const batch = 50
/** Milliseconds between two looks at all connections. */
const lookInterval = 100

interface Activity {
  bytes: number
  /** When the last byte was seen. */
  since: number
  /** When the connection was first seen without a request: a head that drips in byte by byte holds it no longer than twice the idle time. */
  free: number
}

/**
 * Closes connections that nobody uses: idle ones, silent ones, and those that sent half a head.
 *
 * Nothing is kept per connection while the service runs; from phase 1 on `bytesRead` of each is looked at now and then.
 * A connection is closed straight after a poll of the kernel that brought no byte for it.
 */
export class IdleSweep {
  readonly #connections: Connections
  readonly #clock: Clock
  readonly #idle: number
  readonly #activity = new Map<HttpSocket, Activity>()
  #sweeping = false
  #looked = -Infinity

  constructor (connections: Connections, clock: Clock, idle: number) {
    this.#connections = connections
    this.#clock = clock
    this.#idle = idle
  }

  /** Looks at all connections, so that their idle time is known. */
  look (): void {
    const now = this.#clock.now()
    this.#looked = now
    for (const socket of this.#activity.keys()) {
      if (socket.destroyed) this.#activity.delete(socket)
    }
    for (const socket of this.#connections.sockets) this.#lookAt(socket, bytesOf(socket), now)
    // A handshake that does not get on is as good as silent, whatever it has sent.
    for (const socket of this.#connections.handshakes) this.#lookAt(socket, 0, now)
  }

  /** Closes what is idle for long enough, a few per turn. A second call while one runs does nothing. */
  sweep (): void {
    const now = this.#clock.now()
    // Looking at 10,000 sockets takes milliseconds.
    if (this.#sweeping || now - this.#looked < Math.min(lookInterval, this.#idle / 5)) return
    this.look()
    const due = [...this.#activity.keys()].filter((socket) => this.#isDue(socket, now))
    if (due.length === 0) return
    this.#sweeping = true
    void this.#close(due).finally(() => { this.#sweeping = false })
  }

  /** A request has come: between two looks many may have come and gone, and their connection must not pass for one that drips. */
  serve (socket: HttpSocket): void {
    const known = this.#activity.get(socket)
    if (known !== undefined) known.free = this.#clock.now()
  }

  #lookAt (socket: HttpSocket, bytes: number, now: number): void {
    const known = this.#activity.get(socket)
    if (known === undefined) {
      this.#activity.set(socket, { bytes, since: now, free: now })
      return
    }
    const busy = isBusy(socket)
    if (known.bytes !== bytes || busy) known.since = now
    if (busy || isUpgraded(socket)) known.free = now
    known.bytes = bytes
  }

  #isDue (socket: HttpSocket, now: number): boolean {
    const known = this.#activity.get(socket)
    if (known === undefined || isBusy(socket) || socket.destroyed) return false
    return now - known.since >= this.#idle || now - known.free >= 2 * this.#idle + 1000
  }

  #end (socket: HttpSocket): void {
    socket.end()
    const known = this.#activity.get(socket)
    if (known !== undefined) known.since = known.free = this.#clock.now()
  }

  async #close (due: HttpSocket[]): Promise<void> {
    // What has reached the kernel by now is a request that must be served: it is read within these turns.
    await turn()
    for (let index = 0; index < due.length; index++) {
      // oxlint-disable-next-line no-await-in-loop -- paced on purpose
      if (index % batch === 0) await turn()
      const socket = due[index] as HttpSocket
      const handshake = this.#connections.handshakes.has(socket)
      if (!handshake) this.#lookAt(socket, bytesOf(socket), this.#clock.now())
      if (!this.#isDue(socket, this.#clock.now())) continue
      // Whoever does not answer the end within another idle time will not.
      if (!handshake && isUpgraded(socket) && !socket.writableEnded) this.#end(socket)
      else socket.destroy()
    }
  }
}

/** What was written counts for upgraded sockets: a feed that only sends is in use. */
function bytesOf (socket: HttpSocket): number {
  return isUpgraded(socket) ? socket.bytesRead + socket.bytesWritten : socket.bytesRead
}
