import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { socketUnder } from '../fastify/node-internals.ts'
import { setImmediate } from '../util/timers.ts'

const carriers = new WeakMap<ServerHttp2Session, Socket>()
const told = new WeakSet<ServerHttp2Session>()

/** Keeps the connection under a session, which a session that has ended does not tell any more. */
export function noteCarrier (session: ServerHttp2Session): void {
  carriers.set(session, socketUnder(session))
}

/** The connection under a session. */
export function carrierUnder (session: ServerHttp2Session): Socket | undefined {
  return carriers.get(session)
}

/** A session was told to go. */
export function markTold (session: ServerHttp2Session): void {
  told.add(session)
}

/** Whether a session was told to go. */
export function wasTold (session: ServerHttp2Session): boolean {
  return told.has(session)
}

/**
 * Destroys the connection under a session: one that was closed in order waits for its peer to end
 * it, too, and a peer may be dead.
 */
export function dropSession (session: ServerHttp2Session): void {
  carriers.get(session)?.destroy()
}

/** Calls `listener` when the peer of a session ends its side, of which the session itself takes no notice. */
export function whenPeerEnds (session: ServerHttp2Session, listener: () => void): void {
  const carrier = carriers.get(session)?.once('end', listener)
  // The session reads from the handle; what is left for the socket to read is the end alone. What came before the
  // session was made, it takes from the socket within this turn.
  if (carrier !== undefined && carrier.readableLength > 0) setImmediate(() => carrier.resume())
  else carrier?.resume()
}
