import type { ServerHttp2Session } from 'node:http2'
import type { Clock } from '../clock.ts'
import type { Connections } from './connections.ts'
import { dropSession, tellSession, whenPeerEnds } from './http-session.ts'

/** Milliseconds that a peer has for what takes one round trip: the answer to a ping, the end of its side. */
const patience = 1000

/**
 * A session ends with a GOAWAY that names all streams, one round trip, and then the real one (RFC 9113, 6.8):
 * `session.close()` alone refuses the requests that are on the wire.
 */
export function endSession (clock: Clock, connections: Connections, session: ServerHttp2Session): void {
  if (session.destroyed || session.closed) return
  let ended = false
  const end = (): void => {
    if (ended) return
    ended = true
    cancel()
    if (!session.destroyed && !session.closed) session.close()
    dropLater(clock, connections, session)
  }
  const cancel = clock.after(patience, end)
  whenPeerEnds(session, end)
  try {
    const now = clock.now()
    // Told in phase 1, it has long had its round trip; Node's own client then answers no ping.
    const longAgo = now - tellSession(session, now) >= patience
    if (longAgo || !session.ping(end)) end()
  } catch {
    // The peer has just gone.
    end()
  }
}

/** Once its streams are finished, the peer has some time to end the connection. */
function dropLater (clock: Clock, connections: Connections, session: ServerHttp2Session): void {
  clock.after(patience, () => {
    if (!connections.sessions.has(session)) return
    if (session.destroyed) dropSession(session)
    else dropLater(clock, connections, session)
  })
}
