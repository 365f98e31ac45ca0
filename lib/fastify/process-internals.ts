/**
 * What of Node is private and used all the same outside of requests: of processes, streams and timers. All parts were
 * seen on Node 20, 22, 24 and 26. Each doc names its part (`Part:`), which `npm run lint` refuses anywhere else, and
 * what is done without it.
 */
import type { Worker } from 'node:cluster'
import net from 'node:net'

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
 * Part: `_onTimeout`. Without it the timer of a socket stands in, as under a test clock.
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

/** As much is used of what Node makes for a listener. */
export interface ListenerHandle {
  close (callback?: () => void): void
  /** Sockets with a port have it. */
  getsockname? (out: { port?: number }): number
}

/** Makes one; a number is an error. */
export type MakeListenerHandle = (address: string | null, port: number, ...rest: unknown[]) => ListenerHandle | number

const maker = net as unknown as { _createServerHandle?: MakeListenerHandle }

/**
 * What `node:cluster` makes the shared handle of each listener with, in the parent.
 *
 * Part: `_createServerHandle`, exported by every Node since 0.6. Without it no listener is kept for a successor.
 */
export function listenerHandleMaker (): MakeListenerHandle | undefined {
  return maker._createServerHandle
}

/** Puts something else in place of {@link listenerHandleMaker}. */
export function replaceListenerHandleMaker (make: MakeListenerHandle): void {
  maker._createServerHandle = make
}

/**
 * Node ends a worker in the very moment its parent dies, unless it is marked as one that was told to go.
 *
 * Part: `exitedAfterDisconnect`. Without it a worker dies with its parent.
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

/**
 * Undoes {@link uncountListener}.
 *
 * Part: `refCounted`. Without it the process may end before others' messages come.
 */
export function countListener (channel: Channel | null | undefined): void {
  channel?.refCounted?.()
}

/**
 * The event of messages whose name is of Node's own kind (`NODE_`): listeners of `message` do not get them.
 *
 * Part: `internalMessage`. Without it no order of a primary is heard before Node's own close, and no child of a child.
 */
export const nodesMessage = 'internalMessage'

/**
 * Whether a message is the order that a primary of `node:cluster` gives with `worker.disconnect()`.
 *
 * Part: `NODE_CLUSTER`. Without it Node's own close comes first.
 */
export function isDisconnectOrder (message: unknown): boolean {
  const { cmd, act } = (message ?? {}) as { cmd?: unknown, act?: unknown }
  return cmd === 'NODE_CLUSTER' && act === 'disconnect'
}
