import { types } from '../util/node-util.ts'
import type { RouteOptions } from 'fastify'
import { invalidOption } from '../errors.ts'
import type { Messages, MessageSource } from './messages.ts'
import { followMessages, isWebSocket } from './web-socket.ts'

type Handler = (this: unknown, ...parameters: unknown[]) => unknown
/** What `@fastify/websocket` adds to the options of a route. */
interface WithHandlers { websocket?: boolean, wsHandler?: Handler, handler: Handler }

/** FST_GRACEFUL_INVALID_OPTION where a route's `config.graceful.stream` is no boolean. */
export function problemOf (route: RouteOptions): Error | undefined {
  const stream: unknown = route.config?.graceful?.stream
  if (stream === undefined || typeof stream === 'boolean') return undefined
  const name = `config.graceful.stream' of route '${route.url}`
  return invalidOption(name, 'a boolean', stream)
}

/** Follows WebSockets of `@fastify/websocket`, which takes a handler as it is now, and shows nobody its promise. */
export function followRoute (route: RouteOptions, source: MessageSource): void {
  const own = route as unknown as WithHandlers
  if (typeof own.wsHandler === 'function') own.wsHandler = follow(own.wsHandler, source)
  else if (own.websocket === true && typeof own.handler === 'function') own.handler = follow(own.handler, source)
}

function follow (handler: Handler, source: MessageSource): Handler {
  return function followed (...parameters) {
    const [webSocket] = parameters
    if (!isWebSocket(webSocket)) return handler.apply(this, parameters)
    let messages: Messages | undefined
    try {
      messages = followMessages(webSocket, source)
    } catch (error) {
      source.faults.note("a WebSocket's route", error)
    }
    const result = handler.apply(this, parameters)
    if (!types.isPromise(result)) return result
    try {
      messages?.noteRoute(result)
    } catch (error) {
      source.faults.note("a WebSocket's route", error)
    }
    return result
  }
}
