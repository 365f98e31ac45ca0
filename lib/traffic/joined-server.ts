import { Server } from 'node:net'
import { nextTick } from '../util/timers.ts'

type Callback = (error?: Error) => void

/** A server of any kind: HTTP/1 and HTTP/2 have methods of their own, and `serverFactory` may bring another. */
type AnyServer = Server & Partial<Record<Sweep, (() => void) | undefined>>

/** What ends connections beside `close`; the last is Fastify's own, for HTTP/2 before Node 24. */
const sweeps = ['closeAllConnections', 'closeIdleConnections', 'closeHttp2Sessions'] as const
type Sweep = (typeof sweeps)[number]

/** What a {@link JoinedServer} asks and tells. */
export interface JoinedServerPorts {
  /** Whether the service is ending and has not answered its last request: phases 1 to 3 of an end. */
  isEnding: () => boolean
  /** Whether a caller of `close` has to wait for `app.close()`: nothing an end waits for may wait for the caller. */
  isCloseAhead: () => boolean
  /** Somebody waits for `app.close()` in phase 4, before it has begun. */
  awaitClose: () => void
  /** Somebody else has closed the listener while the service runs. */
  closedByOthers: () => void
  /** Whether streams that were ended when their time was over have still to drain. */
  isCutDraining: () => boolean
}

/**
 * A bound server whose `close` joins an end that is under way, and whose other methods that end
 * connections do nothing to what is still served. From phase 4 on, and while no end is under way,
 * they do what they do; those of HTTP/1 wait for streams that drain.
 *
 * Its `close` event comes once in an end, and when Fastify's own close would have it come: in phase
 * 4, before the `onClose` hooks.
 */
export class JoinedServer {
  readonly #server: AnyServer
  readonly #ports: JoinedServerPorts
  /** What `close` was before: Node's own, or what somebody has put over it. */
  #close: Server['close']
  /** What it is now, under what others have put over it since. */
  #joinedClose: Server['close'] | undefined
  /** Those who called `close` while phase 3 runs others' hooks into the close, which may wait for it. */
  #callbacks: Callback[] = []
  /** Those who called it before, or in phase 4 before `app.close()`: they join that, and may end the process next. */
  #lastCallbacks: Callback[] = []
  #phase: 'open' | 'stopped' | 'drained' | 'last' = 'open'
  /** Whether `close` of this end was told. */
  #isTold = false
  /** Whether connections are left that nobody waits for. */
  #isExempt = false
  /** What has to wait for streams that drain: it would destroy them with their last bytes. */
  readonly #delayed = new Map<Sweep, () => void>()

  constructor (server: Server, ports: JoinedServerPorts) {
    this.#server = server
    this.#ports = ports
    this.#close = server.close
    if (typeof server.close === 'function') this.#joinClose()
    for (const sweep of sweeps) this.#joinSweep(sweep)
    // A server that somebody has made listen again.
    server.on('listening', () => { this.#isTold = false })
  }

  /** Stops accepting: with `net.Server`'s own `close`, which does not sweep, where the server has it. */
  stop (): void {
    const server = this.#server
    if (!server.listening) return
    this.#phase = 'stopped'
    this.#holdEvent()
    try {
      Server.prototype.close.call(server)
    } catch {
      // A server that is not Node's own: Bun's, or one that `serverFactory` has brought.
      this.#close.call(server)
    }
  }

  /**
   * Calls what somebody has put over `close`, before us or since, as Fastify's own close would, and
   * takes it away: it is not to be called again by that.
   *
   * @param isLeft whether one is left to Fastify's own close after all
   */
  callPatches (isLeft: (patch: Function) => boolean): void {
    const server = this.#server
    const over = server.close
    if (this.#joinedClose === undefined) return
    const under = this.#close
    if (over !== this.#joinedClose && !isLeft(over)) {
      server.close = this.#joinedClose
      over.call(server, () => {})
    }
    const own = (Object.getPrototypeOf(server) as Server).close
    if (under === own || !(server instanceof Server) || isLeft(under)) return
    this.#close = own
    // Node's close at its end finds nothing to sweep and nothing to close.
    under.call(server, () => {})
  }

  /** Phase 4: from now on who closes the server closes it. */
  finish (): void {
    this.#phase = 'last'
    this.#holdEvent()
  }

  /** The time in which streams drain is over. */
  sweep (): void {
    for (const sweep of this.#delayed.values()) sweep()
    this.#delayed.clear()
  }

  /** What is still open is nobody's business: it is not waited for, nor ended. */
  exempt (): void {
    this.#isExempt = true
  }

  /** `app.close()` is over: where nobody has closed the server in phase 4, its event comes now. */
  settle (): void {
    this.#phase = 'last'
    for (const callback of this.#lastCallbacks.splice(0)) nextTick(callback)
    if (this.#phase === 'last' && !this.#isTold && !this.#isExempt && !this.#server.listening) {
      this.#server.emit('close')
    }
  }

  #joinClose (): void {
    // The method's own `this` is the server.
    // oxlint-disable-next-line typescript/no-this-alias, unicorn/no-this-assignment
    const joined = this
    this.#joinedClose = this.#server.close = function close (this: Server, callback?: Callback) {
      if (joined.#ports.isCloseAhead()) joined.#joinLast(callback)
      else if (joined.#ports.isEnding()) joined.#join(callback)
      else if (joined.#phase === 'last') joined.#closeLast(callback)
      else joined.#closeOutside(callback)
      return this
    }
  }

  /** Called back when `app.close()` is over. */
  #joinLast (callback?: Callback): void {
    if (typeof callback !== 'function') return
    this.#lastCallbacks.push(callback)
    this.#ports.awaitClose()
  }

  /** Called back when the listener is closed and the last connection is gone. */
  #join (callback?: Callback): void {
    if (typeof callback !== 'function') return
    if (this.#phase === 'drained') nextTick(callback)
    else this.#callbacks.push(callback)
  }

  #closeLast (callback?: Callback): void {
    const server = this.#server
    const isFirst = !this.#isTold || server.listening
    // Whoever waits for the event waits for connections that nobody else waits for.
    const isLater = isFirst && !this.#isExempt
    if (typeof callback === 'function') {
      if (isLater) server.once('close', () => callback())
      else nextTick(callback)
    }
    if (isFirst) this.#close.call(server)
  }

  #closeOutside (callback?: Callback): void {
    const { listening } = this.#server
    this.#close.call(this.#server, callback)
    if (listening && !this.#server.listening) this.#ports.closedByOthers()
  }

  #joinSweep (sweep: Sweep): void {
    const server = this.#server
    const original = server[sweep]
    if (typeof original !== 'function') return
    server[sweep] = () => {
      if (this.#ports.isEnding() || (this.#isExempt && sweep !== 'closeIdleConnections')) return
      const isDelayed = this.#ports.isCutDraining() && sweep !== 'closeHttp2Sessions'
      if (isDelayed) this.#delayed.set(sweep, () => original.call(server))
      else original.call(server)
    }
  }

  /** Keeps the event for phase 4, and from coming twice. */
  #holdEvent (): void {
    const server = this.#server
    if (Object.hasOwn(server, 'emit') && server.emit.name === 'emitOnce') return
    const { emit } = server
    // The method's own `this` is the server.
    // oxlint-disable-next-line typescript/no-this-alias, unicorn/no-this-assignment
    const joined = this
    server.emit = function emitOnce (this: Server, ...parameters: [string, ...unknown[]]) {
      if (parameters[0] === 'close' && joined.#swallows()) return this.listenerCount('close') > 0
      return Reflect.apply(emit, this, parameters) as boolean
    } as Server['emit']
  }

  #swallows (): boolean {
    const isLast = this.#phase === 'last'
    if (!isLast) this.#phase = 'drained'
    for (const callback of this.#callbacks.splice(0)) callback()
    if (isLast && !this.#isTold) {
      this.#isTold = true
      return false
    }
    return true
  }
}
