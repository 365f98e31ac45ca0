import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Faults } from '../util/faults.ts'
import { contextKey, replyPrototypeOf } from './internals.ts'
import type { RouteContext } from './internals.ts'

// Kept: a test may replace it later, and each request would wait for it.
const { queueMicrotask: enqueue } = globalThis

/** Where Fastify's constructor of replies writes a value of ours. */
const arrival = Symbol('fastify-graceful.arrival')

/** By its name the hook is found among the hooks of a route: Fastify binds it. */
const hookName = 'fastify-graceful.onRequest'

/** Who hears of requests. */
export interface RequestListener {
  /**
   * A request has come.
   *
   * @returns whether each reply is followed now
   */
  arrive (request: FastifyRequest, reply: FastifyReply): boolean
  /** Whether it has heard of this one. */
  knows (reply: FastifyReply): boolean
  /** Whether each reply is followed now. */
  readonly exact: boolean
}

/**
 * Calls back with each request, by an `onRequest` hook.
 *
 * Fastify's way through hooks is one percent of a small request, whatever they do. So while the service runs the hook
 * leaves the way of each route once it has seen that the constructor of the route's replies, which writes the values
 * of `decorateReply`, has told of the request already. It stays where the constructor does not tell: where this Fastify
 * has not the parts for it, in instances that were there before the plugin, and where others have wrapped the hook.
 * From phase 1 on it is back in its place, because it can wait.
 */
export function hookRequests (root: FastifyInstance, listener: RequestListener, faults: Faults): void {
  const routes = new RouteHooks(contextKey(root))
  const hook = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    let isFollowed = false
    try {
      const isKnown = listener.knows(reply)
      isFollowed = isKnown ? listener.exact : listener.arrive(request, reply)
      if (isKnown && !isFollowed) routes.leave(request)
    } catch (error) {
      faults.note("hook 'onRequest'", error)
    }
    // What came in the same piece must be parsed before this reply can be marked as its connection's last.
    if (isFollowed) enqueue(done)
    else done()
  }
  Object.defineProperty(hook, 'name', { value: hookName })
  root.addHook('onRequest', hook)
  onConstructed(root, (reply) => {
    try {
      const { request } = reply
      if (listener.arrive(request, reply)) routes.comeBack(request)
    } catch (error) {
      faults.note("hook 'onRequest'", error)
    }
  })
}

/** Calls back with each reply as it is made, which comes before all hooks. */
function onConstructed (root: FastifyInstance, listener: (reply: FastifyReply) => void): void {
  const replies = replyPrototypeOf(root)
  if (replies === undefined || contextKey(root) === undefined) return
  root.decorateReply(arrival, null)
  Object.defineProperty(replies, arrival, {
    configurable: true,
    set (this: FastifyReply) { listener(this) }
  })
}

const isOurs = ({ name }: { name: string }): boolean => name === `bound ${hookName}`

/** The hook's place among the hooks of each route. */
class RouteHooks {
  readonly #key: symbol | undefined
  /** Of each route that the hook has left, its hooks with and without it. */
  readonly #left = new WeakMap<RouteContext, { whole: RouteContext['onRequest'], rest: RouteContext['onRequest'] }>()
  /** Routes that it cannot leave. */
  readonly #kept = new WeakSet<RouteContext>()

  constructor (key: symbol | undefined) {
    this.#key = key
  }

  /** Fastify may be walking through the hooks of the route, so that they are never changed in their array. */
  leave (request: FastifyRequest): void {
    const context = this.#contextOf(request)
    if (context === undefined || this.#kept.has(context)) return
    const whole = context.onRequest
    const rest = whole?.filter((one) => !isOurs(one))
    if (rest?.length !== (whole?.length ?? 0) - 1) {
      this.#kept.add(context)
      return
    }
    context.onRequest = rest.length === 0 ? null : rest
    this.#left.set(context, { whole, rest: context.onRequest })
  }

  /** Where others have changed the hooks of the route since, theirs stay. */
  comeBack (request: FastifyRequest): void {
    const context = this.#contextOf(request)
    const left = context && this.#left.get(context)
    if (context === undefined || left === undefined) return
    this.#left.delete(context)
    if (context.onRequest === left.rest) context.onRequest = left.whole
    else context.onRequest = [...left.whole!.filter(isOurs), ...context.onRequest ?? []]
  }

  #contextOf (request: FastifyRequest): RouteContext | undefined {
    return this.#key && (request as unknown as Record<symbol, RouteContext | undefined>)[this.#key]
  }
}
