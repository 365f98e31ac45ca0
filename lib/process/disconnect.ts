import type { ClusterWorker, Host } from './host.ts'
import { isDisconnectOrder, nodesMessage } from '../fastify/process-internals.ts'

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
