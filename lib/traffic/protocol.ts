import { IncomingMessage, ServerResponse } from 'node:http'

/**
 * Whether a request is one of HTTP/2. The number in its line does not tell: the parser of HTTP/1 accepts `GET / HTTP/2.0`,
 * and whoever wrote that has a connection of HTTP/1.
 */
export function isHttp2Request (request: IncomingMessage): boolean {
  return request.httpVersionMajor >= 2 && !(request instanceof IncomingMessage)
}

/** Whether a reply is one of HTTP/2. One of HTTP/1 may have something of the application's own that is called `stream`. */
export function isHttp2Reply (reply: ServerResponse): boolean {
  return !(reply instanceof ServerResponse) && 'stream' in (reply as object)
}
