import type { IncomingMessage, ServerResponse } from 'node:http'
import { setMaxListeners } from 'node:events'
import { isGone } from './handlers.ts'
import { rawReplyTo } from './tags.ts'
import { streamOf } from './protocol.ts'

/** The signal of one request, and when it was aborted. */
export interface DrainSignal { readonly controller: AbortController, at: number | undefined }

/** From how many on those that are held weakly are looked through for what is gone. */
const leastLimit = 64

/**
 * The drain signals of requests, one of each, made on first use. One whose reply is known is held
 * until that closes. A hook that runs before ours may read it for a request whose reply nobody
 * knows yet, a pipelined or an injected one; then it is held weakly.
 */
export class DrainSignals {
  /** All of requests that are still there: the same object for whoever reads it. */
  readonly #known = new WeakMap<IncomingMessage, DrainSignal>()
  readonly #open = new Set<DrainSignal>()
  #early: Array<WeakRef<DrainSignal>> = []
  #limit = leastLimit

  /** The signal of a request; one that is made while draining has aborted already. */
  of (request: IncomingMessage, draining: boolean): AbortSignal {
    const known = this.#known.get(request)
    if (known !== undefined) return known.controller.signal
    const controller = new AbortController()
    setMaxListeners(0, controller.signal)
    const signal: DrainSignal = { controller, at: undefined }
    this.#known.set(request, signal)
    if (draining) {
      signal.at = -Infinity
      abort(signal)
    } else this.#keep(signal, request)
    return controller.signal
  }

  /** What {@link DrainSignals.of} has made before draining began. */
  get (request: IncomingMessage): DrainSignal | undefined {
    const known = this.#known.get(request)
    return known?.at === -Infinity ? undefined : known
  }

  #keep (signal: DrainSignal, request: IncomingMessage): void {
    const reply = rawReplyTo(request)
    const stream = streamOf(request)
    if (reply !== undefined) this.#hold(signal, reply, isGone(reply))
    else if (stream !== undefined) this.#hold(signal, stream, stream.destroyed)
    else this.#holdWeakly(signal)
  }

  /** A request has come to our hook, and its reply is known. */
  arrive (request: IncomingMessage, reply: ServerResponse): void {
    if (this.#early.length === 0) return
    const signal = this.#known.get(request)
    if (signal !== undefined && !this.#open.has(signal)) this.#hold(signal, reply, isGone(reply))
  }

  /** Those whose replies are open. */
  open (): Set<DrainSignal> {
    const early = this.#early.map((held) => held.deref()).filter((signal) => signal !== undefined)
    return new Set([...this.#open, ...early])
  }

  #hold (signal: DrainSignal, reply: NodeJS.EventEmitter, gone: boolean): void {
    this.#early = this.#early.filter((held) => held.deref() !== signal)
    if (gone) return
    this.#open.add(signal)
    reply.once('close', () => this.#open.delete(signal))
  }

  #holdWeakly (signal: DrainSignal): void {
    this.#early.push(new WeakRef(signal))
    if (this.#early.length < this.#limit) return
    this.#early = this.#early.filter((held) => held.deref() !== undefined)
    this.#limit = Math.max(leastLimit, this.#early.length * 2)
  }
}

/** The service drains. */
export function abort ({ controller }: DrainSignal): void {
  controller.abort(new DOMException('The service is draining', 'AbortError'))
}
