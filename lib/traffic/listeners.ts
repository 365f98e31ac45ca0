import type { Server } from 'node:net'
import type { Connections } from './connections.ts'
import { JoinedServer } from './joined-server.ts'
import type { JoinedServerPorts } from './joined-server.ts'
import { atRest } from './accept-queue.ts'

/**
 * The bound servers of one application: `localhost` binds two.
 *
 * They are closed with `net.Server`'s own `close`. That of `http.Server` also sweeps: it destroys
 * replies whose `end()` was called but whose bytes are still in the socket (30 MB to a slow reader
 * arrive as 4), and connections whose next request already lies in the kernel's buffer.
 */
export class Listeners {
  readonly #servers: () => Server[]
  readonly #connections: Connections
  readonly #ports: JoinedServerPorts
  readonly #joined = new WeakMap<Server, JoinedServer>()
  #stopped = false
  #isLeftOpen = false

  constructor (servers: () => Server[], connections: Connections, ports: JoinedServerPorts) {
    this.#servers = servers
    this.#connections = connections
    this.#ports = ports
  }

  /** Who closes one of the servers joins an end. One that has been joined already is left alone. */
  join (): void {
    this.#all()
  }

  /** Whether any server accepts connections. */
  get open (): boolean {
    return this.#servers().some((server) => server.listening)
  }

  /** Whether accepting was stopped for good. */
  get stopped (): boolean {
    return this.#stopped
  }

  /** Whether a server is bound to a path instead of a port. */
  get onUnixSocket (): boolean {
    return this.#servers().some((server) => server.listening && typeof server.address() === 'string')
  }

  /** Accepts what the kernel has queued, then stops. `late()` says that there is no time left for the queue. */
  async drainAndStop (late: () => boolean): Promise<void> {
    if (this.open) await atRest(() => this.#connections.accepted, late)
    this.stop()
  }

  /** Stops accepting at once. Called again, it closes what was bound since: a second `localhost` that bound late. */
  stop (): void {
    this.#stopped = true
    if (this.#isLeftOpen) return
    for (const server of this.#all()) server.stop()
  }

  /** Servers that are somebody else's stay open. */
  leaveOpen (): void {
    this.#stopped = this.#isLeftOpen = true
  }

  /** The time in which streams drain is over: what would have destroyed them before is due. */
  sweep (): void {
    for (const server of this.#all()) server.sweep()
  }

  /** What others have put over `close` of a server is due, and is not called again. */
  callPatches (isLeft: (patch: Function) => boolean = () => false): void {
    if (this.#isLeftOpen) return
    for (const server of this.#all()) server.callPatches(isLeft)
  }

  /** What is still open is exempt: Fastify's close, which comes last in phase 4, neither waits for it nor ends it. */
  release (): void {
    for (const server of this.#all()) server.exempt()
  }

  /**
   * The drain is over: who closes a server from now on closes it, and Fastify closes its second one
   * when the first says `close`.
   */
  finish (): void {
    if (this.#isLeftOpen) return
    for (const server of this.#all()) server.finish()
  }

  /** The end is over. */
  settle (): void {
    for (const server of this.#all()) server.settle()
  }

  #all (): JoinedServer[] {
    return this.#servers().map((server) => {
      const joined = this.#joined.get(server) ?? new JoinedServer(server, this.#ports)
      this.#joined.set(server, joined)
      return joined
    })
  }
}
