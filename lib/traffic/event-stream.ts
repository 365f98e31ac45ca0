import type { ServerResponse } from 'node:http'
import { headOf } from '../fastify/node-internals.ts'

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
