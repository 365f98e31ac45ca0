import type { Socket } from 'node:net'

/**
 * Resets a connection, so that its peer does not take what it has got for the whole.
 *
 * A socket whose end is on its way out is destroyed instead: Node keeps the handle of one that is reset then, and waits
 * for it, computing, when the process exits.
 */
export function reset (socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}
