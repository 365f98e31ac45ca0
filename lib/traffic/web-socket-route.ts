import { types } from 'node:util'
import type { RouteOptions } from 'fastify'
import { errors, show, typeName } from '../errors.ts'
import type { MessageSource } from './messages.ts'
import { followMessages, isWebSocket } from './web-socket.ts'

type Handler = (this: unknown, ...parameters: unknown[]) => unknown
/** What `@fastify/websocket` adds to the options of a route. */
interface WithHandlers { websocket?: boolean, wsHandler?: Handler, handler: Handler }

/**
 * Looks at a route as it is declared: the promise that a handler of `@fastify/websocket` returns is known only to that plugin,
 * which takes the handler as it stands then.
 *
 * @throws FST_GRACEFUL_INVALID_OPTION `config.graceful.stream` is no boolean
 */
export function followRoute (route: RouteOptions, source: MessageSource): void {
  const stream: unknown = route.config?.graceful?.stream
  if (stream !== undefined && typeof stream !== 'boolean') {
    throw new errors.FST_GRACEFUL_INVALID_OPTION(`config.graceful.stream' of route '${route.url}`, 'a boolean', show(stream), typeName(stream))
  }
  const own = route as unknown as WithHandlers
  if (typeof own.wsHandler === 'function') own.wsHandler = follow(own.wsHandler, source)
  else if (own.websocket === true && typeof own.handler === 'function') own.handler = follow(own.handler, source)
}

function follow (handler: Handler, source: MessageSource): Handler {
  return function followed (...parameters) {
    const [webSocket] = parameters
    if (!isWebSocket(webSocket)) return handler.apply(this, parameters)
    const messages = followMessages(webSocket, source)
    const result = handler.apply(this, parameters)
    if (types.isPromise(result)) messages.noteRoute(result)
    return result
  }
}
