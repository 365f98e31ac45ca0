import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { RouteOptions } from 'fastify'
import { invalidOption } from '../errors.ts'
import { types } from '../util/node-util.ts'
import { Messages } from './messages.ts'
import type { MessageSource } from './messages.ts'

/** The part of a `WebSocket` of the package `ws` that is needed here. */
export interface WebSocketLike {
  readonly readyState: number
  readonly bufferedAmount: number
  close (code?: number, reason?: string | Buffer): void
  terminate (): void
  emit (event: string | symbol, ...parameters: unknown[]): boolean
  send (...parameters: unknown[]): unknown
}

/** `readyState` of a WebSocket whose closing handshake is under way. */
export const closing = 2
/** `readyState` of a WebSocket that has closed. */
export const closed = 3

type SendFrame = (list: ReadonlyArray<Buffer | string>, callback?: unknown) => void

/** What `ws` keeps to itself. Each part is looked for before it is used; without it less is known of the messages. */
interface Private {
  _socket?: Socket
  _sender?: { sendFrame?: SendFrame }
}

/** Where what is known of the messages of a WebSocket is kept. */
const messages: unique symbol = Symbol('fastify-graceful.messages')

type Followed = WebSocketLike & Private & { [messages]?: Messages }
type Sender = { sendFrame: SendFrame, [messages]?: Messages }

/**
 * The WebSocket that has taken over a socket, whatever server made it: each copy of `ws` ties the
 * two with a symbol of its own.
 */
export function webSocketOf (socket: object): WebSocketLike | undefined {
  for (const symbol of Object.getOwnPropertySymbols(socket)) {
    if (symbol.description !== 'websocket') continue
    const found = (socket as Record<symbol, unknown>)[symbol]
    if (isWebSocket(found)) return found
  }
  return undefined
}

/** Whether something is a WebSocket of `ws`. */
export function isWebSocket (value: unknown): value is WebSocketLike {
  if (typeof value !== 'object' || value === null) return false
  const { readyState, close, terminate, emit } = value as Partial<WebSocketLike>
  return typeof readyState === 'number' && [close, terminate, emit].every((method) => typeof method === 'function')
}

/** The connection under a WebSocket; undefined before it is open, and after it has closed. */
export function socketOf (webSocket: WebSocketLike): Socket | undefined {
  return (webSocket as Followed)._socket ?? undefined
}

/** What is known of the messages of a WebSocket; undefined where it is not followed. */
export function messagesOf (webSocket: WebSocketLike): Messages | undefined {
  return (webSocket as Followed)[messages]
}

/**
 * Follows the messages of a WebSocket from now on, at the cost of a few property writes each. One
 * that is followed is left alone.
 */
export function followMessages (webSocket: WebSocketLike, source: MessageSource): Messages {
  const followed = webSocket as Followed
  const known = followed[messages]
  if (known !== undefined) return known
  const own = new Messages(source, webSocket.emit, webSocket.send)
  followed[messages] = own
  // Somebody who has replaced `emit` expects it to be called.
  const isPlain = webSocket.emit === EventEmitter.prototype.emit && !EventEmitter.captureRejections
  webSocket.emit = isPlain ? emitAndCollect : emitAndCount
  const { _sender: sender } = followed
  if (typeof sender?.sendFrame === 'function') {
    // All frames pass here, those of socket.io's broadcasts as well, which pass `send` by.
    Object.assign(sender, { [messages]: own })
    own.sendFrame = sender.sendFrame
    sender.sendFrame = sendFrame
  } else webSocket.send = send
  return own
}

/** In place of `emit`: as `EventEmitter` does it, but what listeners of a message return is not thrown away. */
function emitAndCollect (this: Followed, event: string | symbol, ...parameters: unknown[]): boolean {
  const own = this[messages] as Messages
  if (event !== 'message') return emitAndCount.call(this, event, ...parameters)
  try {
    own.noteRead(parameters[0], parameters[1] === true)
  } catch (error) {
    own.faults.note("a WebSocket's message", error)
  }
  const listeners = EventEmitter.prototype.rawListeners.call(this, 'message') as Array<(...given: unknown[]) => unknown>
  for (const listener of listeners) {
    const result = Reflect.apply(listener, this, parameters)
    // A thenable of another kind may do its work only when it is followed.
    if (result === undefined || !types.isPromise(result)) continue
    try {
      own.noteHandler(result)
    } catch (error) {
      own.faults.note("a WebSocket's handler", error)
    }
  }
  return listeners.length > 0
}

function emitAndCount (this: Followed, event: string | symbol, ...parameters: unknown[]): boolean {
  const own = this[messages] as Messages
  try {
    if (event === 'message') own.noteRead(parameters[0], parameters[1] === true)
    // A frame of a client has a head of six bytes, mask included.
    else if (event === 'ping' || event === 'pong') own.control += 6 + (parameters[0] as Buffer).length
  } catch (error) {
    own.faults.note("a WebSocket's message", error)
  }
  return own.emit.call(this, event, ...parameters)
}

function sendFrame (this: Sender, list: ReadonlyArray<Buffer | string>, callback?: unknown): void {
  const own = this[messages] as Messages
  try {
    const [head] = list
    // Opcodes from 8 on: close, ping and pong.
    if (typeof head === 'object' && ((head[0] ?? 0) & 0x08) !== 0) {
      for (const part of list) own.control += part.length
    } else own.noteWritten(list[1])
  } catch (error) {
    own.faults.note("a WebSocket's frame", error)
  }
  own.sendFrame?.call(this, list, callback)
}

function send (this: Followed, ...parameters: unknown[]): unknown {
  const own = this[messages] as Messages
  try {
    own.noteWritten(parameters[0])
  } catch (error) {
    own.faults.note("a WebSocket's 'send'", error)
  }
  return own.send.call(this, ...parameters)
}

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
  if (typeof own.wsHandler === 'function') own.wsHandler = followHandler(own.wsHandler, source)
  else if (own.websocket === true && typeof own.handler === 'function') own.handler = followHandler(own.handler, source)
}

function followHandler (handler: Handler, source: MessageSource): Handler {
  return function followed (...parameters) {
    const [webSocket] = parameters
    if (!isWebSocket(webSocket)) return handler.apply(this, parameters)
    let inHand: Messages | undefined
    try {
      inHand = followMessages(webSocket, source)
    } catch (error) {
      source.faults.note("a WebSocket's route", error)
    }
    const result = handler.apply(this, parameters)
    if (!types.isPromise(result)) return result
    try {
      inHand?.noteRoute(result)
    } catch (error) {
      source.faults.note("a WebSocket's route", error)
    }
    return result
  }
}
