import type { ServerResponse } from 'node:http'

/** Whether a reply is an event stream. What was given to `writeHead` alone is only in the head itself. */
export function isEventStream (reply: ServerResponse): boolean {
  const { _header: head } = reply as ServerResponse & { _header?: string | null }
  return String(reply.getHeader('content-type') ?? '').startsWith('text/event-stream') ||
    (typeof head === 'string' && /^content-type: *text\/event-stream/im.test(head))
}
