import type { Host } from './host.ts'
import { isDisconnectOrder, nodesMessage } from '../fastify/process-internals.ts'

/**
 * The order to end that a primary of `node:cluster` gives with `worker.disconnect()`. Node then
 * closes the worker's servers with their own `close` and disconnects when the last connection is
 * gone: whoever wants to end in order has to hear of it first.
 */
export class DisconnectOrder {
  readonly #host: Host
  readonly #listener: (message: unknown) => void
  #isInstalled = false

  constructor (host: Host, onOrder: () => void) {
    this.#host = host
    this.#listener = (message) => { if (isDisconnectOrder(message)) onOrder() }
  }

  install (): void {
    if (this.#isInstalled || this.#host.foreignPrimary !== true) return
    this.#isInstalled = true
    // In front of Node's own listener: the close that follows joins the end that has begun.
    this.#host.events.prependListener(nodesMessage, this.#listener)
  }

  uninstall (): void {
    if (!this.#isInstalled) return
    this.#isInstalled = false
    this.#host.events.off(nodesMessage, this.#listener)
  }
}
