import { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'

/**
 * Whether a request is one of HTTP/2. The number in its line does not tell: the parser of HTTP/1 accepts
 * `GET / HTTP/2.0`, and whoever wrote that has a connection of HTTP/1.
 */
export function isHttp2Request (request: IncomingMessage): boolean {
  return request.httpVersionMajor >= 2 && !(request instanceof IncomingMessage)
}

/** Whether a reply is one of HTTP/2. */
export function isHttp2Reply (reply: ServerResponse): boolean {
  return !(reply instanceof ServerResponse) && 'stream' in (reply as object)
}

/**
 * The HTTP/2 stream of a request or of a reply; undefined where Node has let go of it, and on HTTP/1, where something
 * of the application's own may be called `stream`.
 */
export function streamOf (message: IncomingMessage | ServerResponse): ServerHttp2Stream | undefined {
  if (message instanceof IncomingMessage || message instanceof ServerResponse) return undefined
  return (message as { stream?: ServerHttp2Stream }).stream
}
