import type { Host } from './host.ts'

/**
 * The IPC message `'shutdown'` (pm2 with `shutdown_with_message`, and any parent on Windows, where SIGTERM kills), as a plain
 * string or as `{ type: 'shutdown' }`.
 */
export class ShutdownMessage {
  readonly #host: Host
  readonly #listener: (message: unknown) => void
  #installed = false

  constructor (host: Host, onShutdown: () => void) {
    this.#host = host
    this.#listener = (message) => {
      if (message === 'shutdown' || (message as { type?: unknown } | null)?.type === 'shutdown') onShutdown()
    }
  }

  install (): void {
    const channel = this.#host.channel()
    if (this.#installed || channel === undefined) return
    this.#installed = true
    this.#host.events.on('message', this.#listener)
    // Node keeps a process that listens for messages. `channel.unref()` would undo that for the application's own listeners,
    // too; giving back what our listener has counted does not.
    channel.unrefCounted?.()
  }

  uninstall (): void {
    if (!this.#installed) return
    this.#installed = false
    this.#host.channel()?.refCounted?.()
    this.#host.events.off('message', this.#listener)
  }
}
