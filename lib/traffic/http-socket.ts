import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { currentReply, hasLeftHttp, showsReplies } from '../fastify/node-internals.ts'

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
