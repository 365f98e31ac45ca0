import { countListener, uncountListener, isDisconnectOrder, nodesMessage } from '../fastify/process-internals.ts'
import type { Host, ClusterWorker } from './host.ts'

/** What a parent may say with its message. */
export interface ShutdownOrder {
  /** The signal that it stands for. Default: SIGTERM. */
  signal: string
  /** Whether another process serves in this one's place already, on the same listener. */
  replaced: boolean
  /** Why it is replaced; undefined where the parent does not say. */
  why?: string | undefined
  /** How much of the grace period is over already, in milliseconds: a parent that has less itself says so. */
  elapsed: number
  /** Which of the parent's orders it is; undefined where the parent does not count. */
  count: number | undefined
}

/**
 * The IPC message `'shutdown'` (pm2 with `shutdown_with_message`, and any parent on Windows, where
 * SIGTERM kills), as a plain string or as `{ type: 'shutdown' }`. A supervisor adds what it knows:
 * `{ type: 'shutdown', signal: 'SIGINT', replaced: true }`.
 */
export class ShutdownMessage {
  readonly #host: Host
  readonly #listener: (message: unknown) => void
  #installed = false

  constructor (host: Host, onShutdown: (order: ShutdownOrder) => void) {
    this.#host = host
    this.#listener = (message) => {
      const { type, signal, replaced, why, elapsed, count } =
        (typeof message === 'object' ? message ?? {} : { type: message }) as {
          type?: unknown,
          signal?: unknown,
          replaced?: unknown,
          why?: unknown,
          elapsed?: unknown,
          count?: unknown
        }
      if (type === 'shutdown') {
        onShutdown({
          signal: typeof signal === 'string' ? signal : 'SIGTERM',
          replaced: replaced === true,
          why: typeof why === 'string' ? why : undefined,
          elapsed: typeof elapsed === 'number' && elapsed > 0 ? elapsed : 0,
          count: typeof count === 'number' && count > 0 ? count : undefined
        })
      }
    }
  }

  install (): void {
    const channel = this.#host.channel()
    if (this.#installed || channel === undefined) return
    this.#installed = true
    this.#host.events.on('message', this.#listener)
    // Node keeps a process that listens for messages, and goes on doing so for the application's own listeners.
    uncountListener(channel)
  }

  uninstall (): void {
    if (!this.#installed) return
    this.#installed = false
    countListener(this.#host.channel())
    this.#host.events.off('message', this.#listener)
  }
}

/**
 * The order to end that a worker of `node:cluster` is given with `worker.disconnect()`, by its primary or by itself.
 * Node then closes the worker's servers with their own `close` and disconnects when the last connection is gone:
 * whoever wants to end in order has to hear of it first.
 */
export class DisconnectOrder {
  readonly #host: Host
  readonly #onOrder: () => void
  readonly #listener: (message: unknown) => void
  #uninstall: (() => void) | undefined

  constructor (host: Host, onOrder: () => void) {
    this.#host = host
    this.#onOrder = onOrder
    this.#listener = (message) => { if (isDisconnectOrder(message)) onOrder() }
  }

  install (): void {
    const { events, worker } = this.#host
    if (this.#uninstall !== undefined || worker === undefined) return
    // In front of Node's own listener: the close that follows joins the end that has begun.
    events.prependListener(nodesMessage, this.#listener)
    const restore = this.#follow(worker)
    this.#uninstall = () => {
      events.off(nodesMessage, this.#listener)
      restore()
    }
  }

  uninstall (): void {
    this.#uninstall?.()
    this.#uninstall = undefined
  }

  /** What the worker calls itself. Node's part tells the primary that this end is wanted. */
  #follow (worker: ClusterWorker): () => void {
    const { disconnect } = worker
    const isOwn = Object.hasOwn(worker, 'disconnect')
    const onOrder = this.#onOrder
    const followed = function (this: ClusterWorker): unknown {
      onOrder()
      return disconnect.call(this)
    }
    worker.disconnect = followed
    return () => {
      // Somebody may have put another one over it.
      if (worker.disconnect !== followed) return
      if (isOwn) worker.disconnect = disconnect
      else Reflect.deleteProperty(worker, 'disconnect')
    }
  }
}
