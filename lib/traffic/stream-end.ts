import type { ServerResponse } from 'node:http'
import { headOf } from '../fastify/node-internals.ts'
import { isHttp2Reply } from './protocol.ts'
import { replyOf } from './tags.ts'

/** Whether the route of a reply says that it is a stream. */
export function isStreamRoute (reply: ServerResponse): boolean {
  return replyOf(reply)?.request.routeOptions.config.graceful?.stream === true
}

/**
 * Whether a reply that does not end by itself may be ended as if it had: its client comes back. The body of
 * any other one, once begun, must not look whole. Where no head is out, what is sent is an answer of its own.
 */
export function mayEndInOrder (reply: ServerResponse): boolean {
  return !reply.writableEnded && !reply.destroyed
    && (!reply.headersSent || isEventStream(reply) || isStreamRoute(reply))
}

/** Ends a reply: its last chunk, or HTTP/2's END_STREAM, reaches the client; then the connection closes. */
export function endInOrder (reply: ServerResponse): void {
  // Its owner may go on writing, and nobody may listen for the error that follows.
  reply.on('error', () => {})
  const isHttp2 = isHttp2Reply(reply)
  if (!reply.headersSent) {
    reply.shouldKeepAlive = false
    reply.writeHead(503, { 'content-length': 0, ...isHttp2 ? {} : { connection: 'close' } })
  }
  if (!isHttp2) {
    const { socket } = reply
    reply.once('finish', () => socket?.destroySoon())
  }
  reply.end()
  muteWrites(reply)
}

function writeAfterEnd (): Error {
  const error = new Error('the stream was ended: the service is draining')
  return Object.assign(error, { code: 'ERR_STREAM_WRITE_AFTER_END' })
}

/** A method that does nothing but fail its callback. */
function mute (result: unknown) {
  return (...parameters: unknown[]): unknown => {
    const callback = parameters.at(-1)
    if (typeof callback === 'function') process.nextTick(callback, writeAfterEnd())
    return result
  }
}

/** What is written from now on goes nowhere: an HTTP/2 stream would be reset by it before its end is out. */
function muteWrites (reply: ServerResponse): void {
  Object.assign(reply, { write: mute(false), end: mute(reply) })
}

/** Media types of replies that never end by themselves: their clients take an end for a reason to come back. */
const endless = ['text/event-stream', 'multipart/x-mixed-replace']
const endlessHead = new RegExp(
  `^content-type: *(?:${endless.map((type) => type.replace(/[/-]/g, '\\$&')).join('|')})`,
  'im'
)

/** Whether a reply is an event stream, or has no end either. What `writeHead` alone was given is only in the head. */
export function isEventStream (reply: ServerResponse): boolean {
  const head = headOf(reply)
  const type = String(reply.getHeader('content-type') ?? '').toLowerCase()
  return endless.some((name) => type.startsWith(name)) || (head !== undefined && endlessHead.test(head))
}
