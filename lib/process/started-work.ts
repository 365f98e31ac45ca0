import { AsyncResource, createHook, executionAsyncId } from 'node:async_hooks'
import type { AsyncHook } from 'node:async_hooks'
import { setTimeout } from '../util/timers.ts'

/** Milliseconds between two looks: Node tells of the end of a timer or a request in the next turn that there is. */
const interval = 20

/**
 * Types of Node's async resources that are work with an end. Sockets, servers and ports are none: they stay open
 * without anything to do.
 */
const finite = new RegExp([
  '^(?:PROMISE|Timeout|Immediate|TickObject|Microtask|PROCESSWRAP|HTTPCLIENTREQUEST|ZLIB)$',
  'REQ',
  '(?:CONNECT|WRITE|SHUTDOWN|QUERY|SEND)WRAP'
].join('|'))

/** Made as the module is loaded: what is made for an application would hold that one's async context. */
const nowhere = new AsyncResource('fastify-graceful.nowhere')

/**
 * The work that calls have started and did not tell of, as a listener does that calls an async function and returns
 * nothing. Node tells of each promise, timer and request that begins in the context of such a call, or of what came
 * of it, and of its end.
 */
export class StartedWork {
  /** What began in the context of a call. */
  readonly #known = new Set<number>()
  /** What of it is not over. */
  readonly #open = new Map<number, object>()
  #hook: AsyncHook | undefined

  /** Calls a function in a context, and follows what it starts. */
  follow<T> (context: AsyncResource, call: () => T): T {
    this.#known.add(context.asyncId())
    this.#hook ??= createHook({
      init: (id, type, _trigger, resource) => {
        if (!this.#known.has(executionAsyncId())) return
        this.#known.add(id)
        if (finite.test(type)) this.#open.set(id, resource)
      },
      promiseResolve: (id) => { this.#open.delete(id) },
      destroy: (id) => { this.#open.delete(id) }
    }).enable()
    return context.runInAsyncScope(call)
  }

  /** Whether anything is under way that would keep the process. */
  get isOpen (): boolean {
    return [...this.#open.values()].some((resource) => (resource as { hasRef?: () => boolean }).hasRef?.() !== false)
  }

  /** Calls a function that is none of what is followed, whoever has led to it. */
  outside<T> (call: () => T): T {
    return nowhere.runInAsyncScope(call)
  }

  /** Resolves when nothing is under way any more. */
  async over (): Promise<void> {
    return this.outside(async () => {
      while (this.isOpen) await new Promise<void>((resolve) => { setTimeout(resolve, interval).unref() })
    })
  }

  /** Follows nothing any more. */
  stop (): void {
    this.#hook?.disable()
    this.#hook = undefined
    this.#known.clear()
    this.#open.clear()
  }
}
