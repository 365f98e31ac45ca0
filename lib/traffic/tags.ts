import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'
import { socketUnder, currentReply, hasLeftHttp, showsReplies } from '../fastify/node-internals.ts'
import { setImmediate } from '../util/timers.ts'
import { streamOf } from './protocol.ts'

export { currentReply, showsReplies }

/** A connection of an HTTP server. */
export interface HttpSocket extends Socket {
  /** What the connection turned out to be with its first request; written by `incoming.ts`. */
  [kind]?: ConnectionKind | undefined
  /** When the request that is being answered came, if that is not noted on its reply; written by `incoming.ts`. */
  [startedAt]?: number
}

/** Whether a connection carries traffic or somebody's probes. */
type ConnectionKind = 'traffic' | 'probe'

/** Where the kind of a connection is kept: a property of the socket costs nothing where a map would. */
export const kind: unique symbol = Symbol('fastify-graceful.kind')

/** An HTTP/2 session, with its kind. */
export interface UsedSession extends ServerHttp2Session { [kind]?: ConnectionKind }

/** Whether a session has had a request. */
export function isUsed (session: ServerHttp2Session): boolean {
  return (session as UsedSession)[kind] !== undefined
}

/** Whether a session has had nothing but probes. */
export function isProbed (session: ServerHttp2Session): boolean {
  return (session as UsedSession)[kind] === 'probe'
}

/** Where the start of a request is kept: on its connection while that answers it, otherwise on its raw reply. */
export const startedAt: unique symbol = Symbol('fastify-graceful.started')

/** Whether a reply is being written, or its handler runs. */
export function isBusy (socket: HttpSocket): boolean {
  const reply = currentReply(socket)
  return reply !== undefined && reply !== null
}

/** Whether the socket has left HTTP: a WebSocket, or whatever an `upgrade` or `connect` listener made of it. */
export function isUpgraded (socket: HttpSocket): boolean {
  return hasLeftHttp(socket) && !socket.destroyed
}

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

// The names are kept on the raw reply and not on the raw request: Node's parser holds the last
// request of an idle connection until the next one comes, and with it would hold all that was ever
// tied to it. The garbage collector then copies it again and again: two to four percent of a small
// request, and twice the memory of an idle connection (measured with `bench/`).
const fastifyReply: unique symbol = Symbol('fastify-graceful.reply')
const rawReply: unique symbol = Symbol('fastify-graceful.raw')

interface NamedResponse extends ServerResponse { [fastifyReply]?: FastifyReply, [startedAt]?: number }
interface FollowedMessage extends IncomingMessage { [rawReply]?: ServerResponse }

/** Ties Fastify's reply to the raw one, so that a request in flight can be named when somebody asks. */
export function name (reply: FastifyReply): void {
  (reply.raw as NamedResponse)[fastifyReply] = reply
}

/** Notes when a request came, in whole milliseconds, where its connection cannot: pipelined, HTTP/2 or `inject`. */
export function noteStart (raw: ServerResponse, now: number): void {
  (raw as NamedResponse)[startedAt] = now
}

/** Fastify's reply behind a raw one, where a route has been reached. */
export function replyOf (raw: ServerResponse): FastifyReply | undefined {
  return (raw as NamedResponse)[fastifyReply]
}

/** When a request came. */
export function startOf (raw: ServerResponse): number | undefined {
  return (raw as NamedResponse)[startedAt] ?? (raw.req.socket as HttpSocket | null)?.[startedAt]
}

/** Lets {@link rawReplyTo} find a reply that its connection does not show. */
export function tie (raw: ServerResponse): void {
  (raw.req as FollowedMessage)[rawReply] = raw
}

/**
 * The raw reply to a raw request. Until it is tied, only its connection knows it, and only that of
 * the request whose turn it is.
 */
export function rawReplyTo (request: IncomingMessage): ServerResponse | undefined {
  const { socket } = request as { socket: HttpSocket | null }
  const written = socket === null ? undefined : currentReply(socket)
  return written?.req === request ? written : (request as FollowedMessage)[rawReply]
}

/** The HTTP/2 session that a request came on; undefined on HTTP/1. */
export function sessionOf (request: IncomingMessage): ServerHttp2Session | undefined {
  return streamOf(request)?.session as ServerHttp2Session | undefined
}
