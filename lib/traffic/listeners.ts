import type { Server } from 'node:net'
import type { Clock } from '../clock.ts'
import { setImmediate } from '../util/timers.ts'
import type { Connections } from './connections.ts'
import { JoinedServer } from './joined-server.ts'
import type { JoinedServerPorts } from './joined-server.ts'

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

/** Settles after one whole turn of the event loop: the kernel has been asked once for whatever it holds. */
export function turn (): Promise<void> {
  return new Promise((resolve) => { setImmediate(resolve) })
}

/**
 * Calls back after two turns. On a machine that is late a timer fires before the kernel is asked for what has come in
 * the meantime, and before bytes that were written over TLS have reached it, each lot of which takes a turn.
 */
export function afterTurns (clock: Clock, callback: () => void): void {
  clock.after(0, () => { clock.after(0, callback) })
}

/**
 * Waits until `count` turns in a row have left `reading()` as it was. libuv accepts one connection per
 * turn, and a signal handler runs before the next poll, so one empty turn proves nothing; two in a row do.
 *
 * @returns whether it came to rest; `false` if `stop()` said so first
 */
export async function atRest (reading: () => number, stop: () => boolean, count = 2): Promise<boolean> {
  let last = reading()
  let empty = 0
  while (empty < count) {
    if (stop()) return false
    // oxlint-disable-next-line no-await-in-loop -- one turn after the other is what is being measured
    await turn()
    const now = reading()
    empty = now === last ? empty + 1 : 0
    last = now
  }
  return true
}
