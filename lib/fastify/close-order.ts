import type { Server } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Clock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import type { Stall } from '../lifecycle/participants.ts'
import type { StallPhase } from '../lifecycle/phase.ts'
import type { Traffic } from '../traffic/traffic.ts'
import { deferred } from '../util/promises.ts'
import { boundServers } from './close.ts'
import { closesServer, isReady } from './internals.ts'
import { isTurnOver, PreCloseRun, isOfWebSocketProxy, takePreClose } from './pre-close.ts'

/** What {@link CloseOrder} connects. */
export interface CloseOrderParts {
  root: FastifyInstance
  lifecycle: Lifecycle
  traffic: Traffic
  clock: Clock
  /** Whether we end WebSockets, or the application does. */
  endsWebSockets: boolean
}

/**
 * The order in which phases 2 and 3 do what Fastify's own close does: others' hooks into the close first, then the end
 * of what does not end by itself. Whoever does is told beside them. A shutdown runs the hooks when its listener is
 * closed, at the start of phase 3. A plain close, which nobody was told of, keeps to Fastify's order: they run before
 * the listener is closed.
 */
export class CloseOrder {
  readonly #parts: CloseOrderParts
  readonly #hooks: PreCloseRun
  /** A plain close waits for the hooks before it closes its listener. */
  #onHooksOver: (() => void) | undefined
  #forgetAddresses: (() => void) | undefined
  /** How often what others have put over `server.close` was looked for. */
  #looks = 0

  constructor (parts: CloseOrderParts) {
    const { root, lifecycle, clock, endsWebSockets } = parts
    this.#parts = parts
    this.#hooks = new PreCloseRun({
      clock,
      next: () => takePreClose(root, { withWebSockets: !endsWebSockets && this.#isGoodByeOver }),
      left: () => this.#left,
      onFailure: (failure, error) => lifecycle.fail(failure, error),
      onSettled: () => lifecycle.poke()
    })
    lifecycle.follow((phase) => this.#lookIn(phase))
  }

  /** Phase 2 begins. */
  close (): void {
    const { root, lifecycle, traffic } = this.#parts
    this.#forgetAddresses = keepAddresses(boundServers(root))
    const close = (): void => {
      if (lifecycle.request?.kind === 'close' && !closesServer(root)) traffic.leaveOpen()
      else traffic.close(() => lifecycle.phase !== 'closing')
    }
    // What has not booted is closed by Fastify alone, when it has.
    if (lifecycle.request?.kind !== 'close' || !isReady(root)) return close()
    this.#hooks.start()
    if (this.#hooks.isOthersTurn) return close()
    const over = deferred<void>()
    lifecycle.prepare(over.promise)
    this.#onHooksOver = () => {
      this.#onHooksOver = undefined
      over.resolve()
      if (lifecycle.phase === 'closing') close()
    }
  }

  /** Phase 3 begins. */
  drain (): void {
    const { root, lifecycle, traffic } = this.#parts
    traffic.tell(this.#left)
    if (isReady(root)) this.#hooks.start()
    // When the hooks of draining have been called, and before the next request: where nobody has a
    // good-bye, it is to be told.
    queueMicrotask(() => { if (lifecycle.phase === 'draining') this.#lookIn('draining') })
  }

  /** Fastify's own close takes what is left. */
  stop (): void {
    this.#hooks.stop()
    this.#forgetAddresses?.()
  }

  /** Where this fails, the order of the close holds nothing; participants and the cap of the phase still do. */
  #lookIn (phase: StallPhase): Stall[] {
    try {
      return this.#stalls(phase)
    } catch (error) {
      this.#parts.lifecycle.fail({ name: 'the order of the close', message: messageOf(error) }, error)
      return []
    }
  }

  #stalls (phase: StallPhase): Stall[] {
    if (phase === 'announcing') return []
    const stalls = this.#hooks.stalls()
    if (this.#hooks.isOthersTurn) this.#onHooksOver?.()
    if (phase === 'draining' && this.#hooks.isOthersTurn) this.#callPatches(1)
    if (phase === 'draining' && this.#isEndingDue) {
      this.#parts.traffic.end(this.#left)
      this.#hooks.resume()
      this.#callPatches(2)
    }
    return stalls
  }

  /**
   * Whether whoever ends WebSockets in a hook of draining has had the time for it. A plain close
   * keeps to Fastify's order, in which nobody has a good-bye.
   */
  get #isGoodByeOver (): boolean {
    const { lifecycle, traffic } = this.#parts
    return traffic.endings.ending || lifecycle.request?.kind === 'close'
  }

  /** The second look is for what the first one has left until the good-bye of the application. */
  #callPatches (look: 1 | 2): void {
    const { traffic, lifecycle, endsWebSockets } = this.#parts
    if (this.#looks >= look || (look === 2 && endsWebSockets)) return
    this.#looks = look
    const isLeft = endsWebSockets || !this.#isGoodByeOver
    try {
      traffic.listeners.callPatches((patch) => isLeft && isOfWebSocketProxy(patch))
    } catch (error) {
      lifecycle.fail({ name: 'server.close', message: messageOf(error) }, error)
    }
  }

  /** Phase 3's own hooks may have a good-bye of their own to say, too. */
  get #isEndingDue (): boolean {
    const { lifecycle } = this.#parts
    return this.#hooks.isOthersTurn
      && (lifecycle.hooks.stalls().length === 0 || isTurnOver(lifecycle.elapsed, this.#left))
  }

  /** Milliseconds until what is under way is cut. */
  get #left (): number {
    const { lifecycle, clock } = this.#parts
    return lifecycle.deadline === undefined ? 0 : Math.max(0, lifecycle.deadline - clock.epoch())
  }
}

/**
 * From now on closed servers still say where they listened: a hook of somebody's takes the service
 * out of a registry by its port, and with bare Fastify it does so while the server listens.
 *
 * @returns ends that
 */
function keepAddresses (servers: readonly Server[]): () => void {
  const restore = servers.map((server) => {
    // What `serverFactory` has brought may have a way of its own.
    if (typeof server.address !== 'function' || Object.hasOwn(server, 'address')) return () => {}
    const { address: inherited } = server
    const known = server.address()
    if (known === null) return () => {}
    const address = (): ReturnType<Server['address']> => inherited.call(server) ?? known
    // Not by assignment, which a server whose own cannot be written refuses.
    Object.defineProperty(server, 'address', { value: address, configurable: true, writable: true })
    return () => { delete (server as Partial<Server>).address }
  })
  return () => { for (const each of restore) each() }
}
