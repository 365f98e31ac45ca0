import type { FastifyReply, FastifyRequest, RouteOptions, onRequestHookHandler } from 'fastify'
import type { Faults } from '../util/faults.ts'
import { own } from '../util/own.ts'
import type { FrontObserver } from './front-observer.ts'

/** Marks of a route's `config.graceful`. */
interface Marks { traffic?: boolean, probe?: boolean }

/** Lowest status that says "not ready". */
const firstFailing = 400
/** The hooks that were added: Fastify makes a HEAD route of a GET route, with its hooks. */
const added = new WeakSet<object>()

/** Whether a route's marks say that it is probed instead of used. */
export function isProbed (marks: Marks | undefined): boolean {
  if (marks === undefined) return false
  const isWithoutTraffic = Object.hasOwn(marks, 'traffic') && marks.traffic === false
  return isWithoutTraffic || (Object.hasOwn(marks, 'probe') && marks.probe === true)
}

/**
 * Looks at who asks a route of the application's own that is marked as one that balancers go by.
 * Other routes are left alone.
 */
export function followMarked (route: RouteOptions, front: FrontObserver, faults: Faults): void {
  const { probe, traffic: isTraffic } = own<Marks>(route.config?.graceful ?? {})
  if (!(probe ?? isTraffic === false)) return
  const hooks = [route.onRequest ?? []].flat() as onRequestHookHandler[]
  if (hooks.some((hook) => added.has(hook))) return
  const follow = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    try {
      front.asked(request, reply, () => reply.raw.statusCode < firstFailing)
    } catch (error) {
      faults.note("hook 'onRequest' of a marked route", error)
    }
    done()
  }
  added.add(follow)
  route.onRequest = [...hooks, follow]
}
