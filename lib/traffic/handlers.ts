import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import { hijackMark } from '../fastify/internals.ts'
import { isHttp2Reply, streamOf } from './protocol.ts'
import { replyOf } from './tags.ts'

/** Replies whose handler has come to its end after the client had left. */
const settled = new WeakSet<ServerResponse>()
const watched = new WeakSet<ServerResponse>()

/** Whether a reply's connection or stream is gone; an HTTP/2 reply has neither `destroyed` nor `closed`. */
export function isGone (raw: ServerResponse): boolean {
  return raw.destroyed || raw.closed || streamOf(raw)?.destroyed === true
}

/**
 * Whether a handler still works on a reply that has closed. Once the head is out, what was left to
 * do was sending, and Fastify has destroyed the source; a hijacked reply is its owner's business.
 */
export function handlerRuns (raw: ServerResponse): boolean {
  if (raw.writableEnded || raw.headersSent || settled.has(raw)) return false
  const reply = replyOf(raw)
  return reply !== undefined && !reply.sent
}

/**
 * Looks out for the end of a handler whose client has left. On most ways it ends the reply, which tells; on
 * three it does not: Fastify sends nothing for a promise of nothing once the client is gone, a stream is
 * given up before the reply is ended, and a reply of a closed HTTP/2 stream takes neither `write` nor `end`.
 */
export function watchHandler (raw: ServerResponse): void {
  const reply = replyOf(raw)
  if (reply === undefined || watched.has(raw)) return
  watched.add(raw)
  const settle = (): void => { settled.add(raw) }
  const state = { sending: false }
  try {
    watchSend(reply, state, settle)
    watchPromise(reply, state, settle)
  } catch {
    // A reply that somebody has frozen: better not waited for than waited for in vain, and no
    // exception in a socket's `close`.
    settle()
  }
  if (!isHttp2Reply(raw)) return
  for (const name of ['write', 'end'] as const) {
    const original = raw[name] as (...parameters: unknown[]) => unknown
    Object.assign(raw, { [name]: function tell (this: ServerResponse, ...parameters: unknown[]) {
      settle()
      return original.apply(this, parameters)
    } })
  }
}

/** A stream is listened to, together with its reply, as soon as the `onSend` hooks are through. */
function watchSend (reply: FastifyReply, state: { sending: boolean }, settle: () => void): void {
  const { send } = reply
  reply.send = function tell (this: FastifyReply, payload?: unknown) {
    state.sending = true
    if (isStream(payload)) this.raw.once('newListener', settle)
    return send.call(this, payload)
  }
}

/**
 * What settles a handler's promise looks straight at one property, which `reply.sent` otherwise
 * reads, and then sends or does not.
 */
function watchPromise (reply: FastifyReply, state: { sending: boolean }, settle: () => void): void {
  const symbol = hijackMark(reply)
  if (symbol === undefined) {
    settle()
    return
  }
  let hijacked = (reply as unknown as Record<symbol, boolean | undefined>)[symbol]
  Object.defineProperty(reply, 'sent', { configurable: true, get: () => hijacked === true || reply.raw.writableEnded })
  Object.defineProperty(reply, symbol, {
    configurable: true,
    get () {
      queueMicrotask(() => { if (!state.sending) settle() })
      return hijacked
    },
    set (value: boolean) { hijacked = value }
  })
}

function isStream (payload: unknown): boolean {
  if (typeof payload !== 'object' || payload === null) return false
  return 'pipe' in payload || 'getReader' in payload || payload instanceof Response
}

/** From how many on they are looked through for those whose handler has ended. */
const leastLimit = 64

/**
 * Replies whose client left while the handler ran, from before phase 1. They are held weakly: while the service runs,
 * none must be kept by the plugin alone.
 */
export class LostReplies {
  #held: Array<WeakRef<ServerResponse>> = []
  #limit = leastLimit

  add (reply: ServerResponse): void {
    this.#held.push(new WeakRef(reply))
    if (this.#held.length < this.#limit) return
    this.#held = this.running().map((left) => new WeakRef(left))
    this.#limit = Math.max(leastLimit, this.#held.length * 2)
  }

  /** Those whose handler has not come to its end. */
  running (): ServerResponse[] {
    return this.#held
      .map((held) => held.deref())
      .filter((reply) => reply !== undefined && handlerRuns(reply)) as ServerResponse[]
  }

  /** Somebody else follows them from now on. */
  clear (): void {
    this.#held = []
  }
}
