import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { FastifyReply } from 'fastify'
import { currentReply, startedAt } from './http-socket.ts'
import type { HttpSocket } from './http-socket.ts'
import { streamOf } from './protocol.ts'

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
