import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { invalidArgument } from '../errors.ts'
import { currentReply } from './tags.ts'
import type { HttpSocket } from './tags.ts'
import { isWebSocket, socketOf } from './web-socket.ts'
import type { WebSocketLike } from './web-socket.ts'

/** What work can belong to: a `WebSocket` of `ws`, its connection, or the request that it, or a stream, began with. */
export type WorkOwner =
  | Pick<WebSocketLike, 'readyState' | 'close' | 'terminate'>
  | Socket
  | FastifyRequest
  | FastifyReply

/** Work that `waitUntil` was told of together with the connection that waits for it. */
export class SocketWork {
  /** How much of it is pending, by the socket or the raw request. */
  readonly #pending = new WeakMap<object, number>()
  readonly #onSettled: () => void

  constructor (onSettled: () => void) {
    this.#onSettled = onSettled
  }

  /** Work begins; the answer is to be called at its end. */
  begin (owner: WorkOwner): () => void {
    const key = keyOf(owner)
    // Its client has left.
    if (key === undefined) return () => {}
    this.#pending.set(key, (this.#pending.get(key) ?? 0) + 1)
    return () => {
      const left = (this.#pending.get(key) ?? 0) - 1
      if (left > 0) this.#pending.set(key, left)
      else this.#pending.delete(key)
      this.#onSettled()
    }
  }

  /** Whether a raw request has work. */
  has (request: object): boolean {
    return this.#pending.has(request)
  }

  /** Whether an upgraded socket has work, or the request that it began with. */
  hasUpgraded (socket: HttpSocket): boolean {
    return this.has(socket) || this.has(currentReply(socket)?.req ?? socket)
  }
}

/**
 * What work is kept under.
 *
 * @throws FST_GRACEFUL_INVALID_ARGUMENT
 */
function keyOf (owner: unknown): object | undefined {
  if (isWebSocket(owner)) return socketOf(owner)
  if (typeof owner === 'object' && owner !== null) {
    const { request, raw, bytesRead, destroy } = owner as {
      request?: { raw?: unknown },
      raw?: unknown,
      bytesRead?: unknown,
      destroy?: unknown
    }
    if (isRaw(request?.raw)) return request.raw
    if (isRaw(raw)) return raw
    if (typeof bytesRead === 'number' && typeof destroy === 'function') return owner
  }
  throw invalidArgument(
    "the socket given to 'waitUntil'",
    "a WebSocket of the package ws, a net.Socket, or Fastify's request or reply",
    owner
  )
}

/** Whether something is a raw request, of HTTP/1, HTTP/2 or `inject`. */
function isRaw (value: unknown): value is object {
  return typeof value === 'object' && value !== null && 'httpVersion' in value && 'url' in value
}
