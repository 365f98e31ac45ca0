/**
 * What of Node is private and used all the same outside of requests: of processes, streams and timers. All parts were
 * seen on Node 20, 22, 24 and 26. Each doc names its part (`Part:`), which `npm run lint` refuses anywhere else, and
 * what is done without it: there is a check for it at the start, or the doc says why there is none.
 */
import type { Worker } from 'node:cluster'
import type { ServerHttp2Session } from 'node:http2'
import net from 'node:net'
import type { Server, Socket } from 'node:net'

/** A part that this Node or Fastify does not have, and what is done without it. */
export interface MissingPart { part: string, instead: string }

/** As much of the handle of a stream as is used. */
export interface StreamHandle { fd?: number, setBlocking?: (wait: boolean) => number }

/** The IPC channel to a parent, or to a child. */
export interface Channel {
  refCounted? (): void
  unrefCounted? (): void
}

/**
 * What keeps the process, as objects: the only place where Node tells which socket it is.
 *
 * Part: `_getActiveHandles`. Without it there are only kinds, from `process.getActiveResourcesInfo`.
 */
export function activeHandles (): unknown[] {
  const { _getActiveHandles: list } = process as { _getActiveHandles?: () => unknown[] }
  return typeof list === 'function' ? list.call(process) : []
}

/**
 * Whether a timer is Node's own, and not one of a test clock.
 *
 * Part: `_onTimeout`. Without it the timer of a socket stands in, as under a test clock. Not checked at start: nothing
 * else tells a Node without it from a test clock.
 */
export function isNodeTimer (timer: object): boolean {
  return '_onTimeout' in timer
}

/**
 * The handle of a stream.
 *
 * Part: `_handle`. Without it a write may wait, and what is said at the end of a blocked process may be cut.
 */
export function handleOf (stream: object): StreamHandle | undefined {
  return (stream as { _handle?: StreamHandle | null })._handle ?? undefined
}

/**
 * The streams that a stream is piped into.
 *
 * Part: `_readableState`. Without it a logger's stream is waited for, and not what it is piped into.
 */
export function pipesOf (stream: object): unknown[] {
  const pipes = (stream as { _readableState?: { pipes?: unknown } })._readableState?.pipes
  return Array.isArray(pipes) ? pipes : pipes === undefined || pipes === null ? [] : [pipes]
}

/** As much of what a session of HTTP/2 keeps as is used. */
type SessionState = Partial<Record<'streams' | 'pendingStreams', { readonly size: number }>>

/**
 * How many streams of a session of HTTP/2 Node has not closed.
 *
 * Part: `pendingStreams`, beside `streams` in what a session keeps under its symbol `state`. Without it the answer is
 * undefined, and a session that Node does not end is cut at the end of phase 3. Not checked at start: only a live
 * session has it.
 */
export function openStreams (session: ServerHttp2Session): number | undefined {
  const symbol = Object.getOwnPropertySymbols(session).find(({ description }) => description === 'state')
  if (symbol === undefined) return undefined
  const { streams, pendingStreams } = Reflect.get(session, symbol) as SessionState
  return streams === undefined || pendingStreams === undefined ? undefined : streams.size + pendingStreams.size
}

/** As much is used of what Node makes for a listener. */
export interface ListenerHandle {
  close (callback?: () => void): void
  /** Sockets with a port have it. */
  getsockname?: (out: { address?: string, port?: number }) => number
  listen?: (backlog: number) => number
  onconnection?: (error: number, connection: ConnectionHandle | undefined) => void
}

/** Makes one; a number is an error. */
export type MakeListenerHandle = (address: string | null, port: number, ...rest: unknown[]) => ListenerHandle | number

const maker = net as unknown as { _createServerHandle?: MakeListenerHandle }

/**
 * What `node:cluster` makes the shared handle of each listener with, in the parent.
 *
 * Part: `_createServerHandle`, exported by every Node since 0.6. Without it no listener is kept for a successor, as the
 * supervisor says when it starts.
 */
export function listenerHandleMaker (): MakeListenerHandle | undefined {
  return maker._createServerHandle
}

/** What the supervisor says without {@link listenerHandleMaker}. */
export const withoutMaker: MissingPart = {
  part: '_createServerHandle',
  instead: 'a listener is closed with the last child that has it, though another one is to come'
}

/** Puts something else in place of {@link listenerHandleMaker}. */
export function replaceListenerHandleMaker (make: MakeListenerHandle): void {
  maker._createServerHandle = make
}

/** An accepted connection, of which nothing was read. */
export interface ConnectionHandle {
  close (): void
  getpeername (out: { address?: string }): number
}

/**
 * Accepts on a bound socket, and reads nothing.
 *
 * Part: `onconnection`. Without it nothing is accepted. Not checked at start: it is given to a handle, and not read.
 *
 * @returns 0, or the number of an error
 */
export function acceptOn (
  handle: ListenerHandle,
  accept: (connection: ConnectionHandle, address: string | undefined) => void
): number {
  handle.onconnection = (error, connection) => {
    if (error !== 0 || connection === undefined) return
    const peer: { address?: string } = {}
    connection.getpeername(peer)
    accept(connection, peer.address)
  }
  // What the kernel allows.
  return handle.listen?.(4096) ?? 0
}

/** Gives a listener a connection as if it had accepted it itself. */
export function deliver (handle: ListenerHandle, connection: ConnectionHandle): void {
  handle.onconnection?.(0, connection)
}

/** What parent and child call a listener; undefined for one without a port. */
export function nameOfListener (handle: ListenerHandle): string | undefined {
  const bound: { address?: string, port?: number } = {}
  // Sockets of UDP do not listen.
  const isBound = handle.listen !== undefined && handle.getsockname?.(bound) === 0
  return isBound ? `${bound.address} ${bound.port}` : undefined
}

/** Closes the socket of a handle, whatever was put over its `close`. */
export function closeSocketOf (handle: ListenerHandle): void {
  (Object.getPrototypeOf(handle) as ListenerHandle).close.call(handle)
}

type AskForHandle = (server: unknown, options: unknown, callback: (error: number, handle: unknown) => void) => void

/**
 * Calls `use` with each handle that the parent shares with this worker of `node:cluster`, before anybody listens on it.
 *
 * Part: `_getServer`. Without it the worker accepts beside its parent. Not checked at start: only a worker whose parent
 * accepts for it is asked for it.
 */
export function onSharedHandle (cluster: object, use: (handle: ListenerHandle) => void): void {
  const { _getServer: ask } = cluster as { _getServer?: AskForHandle }
  if (typeof ask !== 'function') return
  const asking: AskForHandle = function (this: unknown, server, options, callback) {
    return ask.call(this, server, options, (error, handle) => {
      if (!error && handle !== null && handle !== undefined) use(handle as ListenerHandle)
      callback(error, handle)
    })
  }
  Object.assign(cluster, { _getServer: asking })
}

/**
 * What makes a session of each connection of a server of HTTP/2 without TLS; undefined for any other server.
 *
 * Part: `connectionListener`. Without it probes over HTTP/1.1 get no answer there. Not checked at start: the line at
 * boot says so.
 */
export function http2ListenerOf (server: Server): ((this: Server, socket: Socket) => void) | undefined {
  const isCleartextHttp2 = 'updateSettings' in server && !('setSecureContext' in server)
  const listeners = isCleartextHttp2 ? server.listeners('connection') : []
  return listeners.find(({ name }) => name === 'connectionListener') as ((socket: Socket) => void) | undefined
}

/**
 * Node ends a worker in the very moment its parent dies, unless it is marked as one that was told to go.
 * Part: `exitedAfterDisconnect`. Without it a worker dies with its parent. Not checked at start: whether Node heeds it
 * shows when the parent dies.
 */
export function surviveParent (worker: Worker): void {
  worker.exitedAfterDisconnect = true
}

/**
 * Lets the process end although somebody listens for messages. `channel.unref()` would undo that for all listeners;
 * this is what Node calls itself when one is removed.
 *
 * Part: `unrefCounted`. Without it a listener of ours keeps the process.
 */
export function uncountListener (channel: Channel | null | undefined): void {
  channel?.unrefCounted?.()
}

/** Undoes {@link uncountListener}. Part: `refCounted`. Without it the process may end before others' messages come. */
export function countListener (channel: Channel | null | undefined): void {
  channel?.refCounted?.()
}

/**
 * The event of messages whose name is of Node's own kind (`NODE_`): listeners of `message` do not get them.
 * Part: `internalMessage`. Without it no order of a primary is heard before Node's own close, and no child of a child.
 */
export const nodesMessage = 'internalMessage'

/**
 * Whether a message is the order that a primary of `node:cluster` gives with `worker.disconnect()`.
 * Part: `NODE_CLUSTER`. Without it Node's own close comes first. Not checked at start: only an order has it.
 */
export function isDisconnectOrder (message: unknown): boolean {
  const { cmd, act } = (message ?? {}) as { cmd?: unknown, act?: unknown }
  return cmd === 'NODE_CLUSTER' && act === 'disconnect'
}

/** Which of these parts the process does not have, as far as it is one that uses them. */
export function missingOfProcess ({ isWorker }: { isWorker: boolean }): MissingPart[] {
  const channel = process.channel as Channel | null | undefined
  const hasChannel = channel !== undefined && channel !== null
  const { _getActiveHandles: list } = process as { _getActiveHandles?: unknown }
  return missingOf([
    ['_getActiveHandles', typeof list === 'function', 'what keeps the process is named by its kind alone'],
    ['unrefCounted', !hasChannel || typeof channel.unrefCounted === 'function',
      'the channel to the parent keeps the process until the plugin leaves it'],
    ['refCounted', !hasChannel || typeof channel.refCounted === 'function',
      'a process that has nothing else to do may end before a message of its parent comes'],
    // Node has heard its primary on this event since the process began.
    ['internalMessage', !hasChannel || !isWorker || process.listenerCount(nodesMessage) > 0,
      'an order of the primary to disconnect is heard after Node has closed the listeners']
  ])
}

/** Those of some parts that are not there. */
export function missingOf (parts: Array<[part: string, isThere: boolean, instead: string]>): MissingPart[] {
  return parts.flatMap(([part, isThere, instead]) => isThere ? [] : [{ part, instead }])
}
