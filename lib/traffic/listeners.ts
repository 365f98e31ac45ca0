import { Server } from 'node:net'
import { nextTick } from 'node:process'
import type { Connections } from './connections.ts'
import { atRest } from './turns.ts'

/** A server whose `close` was replaced until phase 4. */
type Replaced = Server & { close: Server['close'] }

/**
 * The bound servers of one application: `localhost` binds two.
 *
 * They are closed with `net.Server`'s own `close`. That of `http.Server` also sweeps: it destroys replies whose `end()` was called but
 * whose bytes are still in the socket (30 MB to a slow reader arrive as 4), and connections whose next request already lies
 * in the kernel's buffer.
 */
export class Listeners {
  readonly #servers: () => Server[]
  readonly #connections: Connections
  #stopped = false

  constructor (servers: () => Server[], connections: Connections) {
    this.#servers = servers
    this.#connections = connections
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

  /** Accepts what the kernel has queued, then stops accepting. `late()` says that there is no time left for the queue. */
  async drainAndStop (late: () => boolean): Promise<void> {
    if (this.open) await atRest(() => this.#connections.accepted, late)
    this.stop()
  }

  /** Stops accepting at once. Called again, it closes what was bound since: a second `localhost` that bound late. */
  stop (): void {
    this.#stopped = true
    const [main, ...others] = this.#servers()
    // Fastify sweeps the others when the main server says 'close': it must find a close that does not.
    for (const server of others) {
      (server as Replaced).close = Server.prototype.close
      if (server.listening) Server.prototype.close.call(server)
    }
    if (main?.listening === true) Server.prototype.close.call(main)
  }

  /**
   * What is still open is exempt: Fastify's close, which comes last in phase 4, neither waits for it nor ends it. The server says
   * 'close' when it has ended.
   */
  release (): void {
    const [main, ...others] = this.#servers()
    if (main === undefined) return
    // With `forceCloseConnections`.
    for (const server of [main, ...others]) Object.assign(server, { closeAllConnections: () => {} })
    const replaced = main as Replaced
    replaced.close = function close (this: Replaced, callback?: (error?: Error) => void) {
      delete (this as Partial<Replaced>).close
      this.close()
      if (callback !== undefined) nextTick(callback)
      return this
    }
  }

  /** The drain is over: the others are closed in Node's way, which also ends their timers. */
  finish (): void {
    const [, ...others] = this.#servers()
    for (const server of others) {
      delete (server as Partial<Replaced>).close
      server.close(() => {})
    }
  }
}
