import type { Socket } from 'node:net'
import type { Faults } from '../util/faults.ts'
import { currentReply } from './tags.ts'
import type { HttpSocket } from './tags.ts'
import { hasPeerEnded, isHalfOpen, isStackOfHandle } from '../fastify/node-internals.ts'

/** Who ended a connection: its client, or code in this process that is not the plugin. */
export type WhoseEnd = 'client' | 'others'

interface NetworkError extends Error { code?: string, syscall?: string, library?: string }

/**
 * Tells whose end a connection came to. A client that leaves is seen before its socket is destroyed:
 * by the end of what it sends, or by an error of reading or writing that the socket is destroyed with.
 * Where nothing was seen, code in this process destroyed it: somebody's, or Node's own for a timeout.
 */
export class EndWitness {
  readonly #ends = new WeakMap<Socket, WhoseEnd>()
  readonly #watched = new WeakSet<Socket>()
  /** Who ended first, of those that have ended one side. */
  readonly #halves = new WeakMap<Socket, WhoseEnd>()

  readonly #faults: Faults

  constructor (faults: Faults) {
    this.#faults = faults
  }

  /** Notices when the client ends its side. Its listener stands in front of Node's, which then ends the other side. */
  watch (socket: Socket): void {
    if (this.#watched.has(socket)) return
    this.#watched.add(socket)
    socket.prependOnceListener('end', this.#faults.guard("listener of 'end'", () => {
      this.#halves.set(socket, socket.writableEnded ? 'others' : 'client')
    }))
  }

  /** It is known who ends this connection, or is about to. */
  settle (socket: Socket, who: WhoseEnd): void {
    if (!this.#ends.has(socket)) this.#ends.set(socket, who)
  }

  /** A socket is being destroyed. */
  destroying (socket: Socket, error: Error | null): void {
    if (!this.#ends.has(socket)) this.#ends.set(socket, this.#judge(socket, error, isFromHandle))
  }

  /** Whose end a connection has come to, as far as it can be known of one that nobody saw being destroyed. */
  of (socket: Socket): WhoseEnd {
    return this.#ends.get(socket) ?? this.#judge(socket, socket.errored, () => true)
  }

  #judge (socket: Socket, error: Error | null | undefined, isFresh: () => boolean): WhoseEnd {
    const half = this.#halves.get(socket) ?? (hasPeerEnded(socket) && !socket.writableEnded ? 'client' : undefined)
    // With half-open connections a client that has ended its side still waits for its answer.
    if (half !== undefined && !isHalfOpen(socket)) return half
    if (!isOfNetwork(error)) return 'others'
    return isHandedOn(socket) || (error.syscall === 'read' && !isFresh()) ? 'others' : 'client'
  }
}

/** Whether an error is what a socket is destroyed with when its peer has gone, or has broken TLS. */
function isOfNetwork (error: NetworkError | null | undefined): error is NetworkError {
  if (!error) return false
  return error.syscall === 'read' || error.syscall === 'write' || error.syscall === 'shutdown'
    || error.library !== undefined
}

/** Whether a reply or request was destroyed, and the socket with it: a proxy does that with its upstream's error. */
function isHandedOn (socket: HttpSocket): boolean {
  const reply = currentReply(socket)
  return reply?.destroyed === true || Boolean(reply?.errored ?? reply?.req.errored)
}

/** Whether the present call comes straight from a handle that was read: another socket's error is handed on later. */
function isFromHandle (): boolean {
  const { stackTraceLimit, prepareStackTrace } = Error
  const here: { stack?: unknown } = {}
  Error.stackTraceLimit = 30
  // What somebody has set there may answer anything.
  delete (Error as Partial<ErrorConstructor>).prepareStackTrace
  try {
    Error.captureStackTrace(here)
    return typeof here.stack !== 'string' || isStackOfHandle(here.stack)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
    if (prepareStackTrace !== undefined) Error.prepareStackTrace = prepareStackTrace
  }
}
