import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import { hidden, problem, send } from '../fastify/quiet-route.ts'
import type { Log } from '../log.ts'
import { mayLast } from '../server/bounded.ts'
import { publicStatus } from '../status/model.ts'
import { afterUnref } from '../util/timers.ts'
import { longestTimer, own } from '../util/given.ts'
import { counted } from '../util/text.ts'
import { createGuard } from './guard.ts'
import type { Admission, Guard, GuardOptions } from './guard.ts'
import { registerView } from './view.ts'
import type { ViewPorts } from './view.ts'

/** The admin routes and who may use them. */
export interface AdminOptions extends GuardOptions {
  /** Put before `/status`, `/drain`, `/undrain` and `/prestop`. Default: `'/-'`. */
  prefix?: string
}

/** What the admin routes drive. */
export interface AdminPorts extends ViewPorts {
  /** Phase 1 by hand. Throws an error with status code 409 where that is not possible, like `undrain`. */
  drain: () => void | Promise<void>
  /** Back from it. */
  undrain: () => void | Promise<void>
  /** Phase 1; settles when it could end. */
  prestop: () => Promise<void>
  /** Aborts when draining starts. */
  draining: AbortSignal
  log: Pick<Log, 'info' | 'warn' | 'error'>
}

/** The User-Agent of a kubelet that calls a preStop hook. */
const kubelet = /^kube-lifecycle\//

/**
 * Registers the admin routes. What changes the state is registered only where somebody can be authorised; so are the
 * page and its stream, unless `openly` is true.
 *
 * @param root the root instance: the prefix of a plugin does not apply
 * @param routeConfig the routes' `config`, which exempts them from what meets ordinary traffic
 */
export function registerAdmin (
  root: FastifyInstance,
  given: AdminOptions & { prefix: string, openly: boolean },
  ports: AdminPorts,
  routeConfig: object
): void {
  const options = own(given)
  const { prefix, openly } = options
  const refusals = new Refusals(ports.log)
  const failures = new Refusals({ warn: (details, message) => ports.log.error(details, message) })
  const failed = ({ ip }: FastifyRequest, message: string, err?: unknown): void => {
    failures.add(message, ip, err === undefined ? {} : { err }, message)
  }
  const guard = createGuard(options, { failed, draining: ports.draining })
  // An environment variable that is missing must not pass for one that was left out.
  const missing = Object.hasOwn(options, 'token') && options.token === undefined
  if (missing) {
    ports.log.warn(
      { option: 'admin.token' },
      "option 'admin.token' is undefined, as from a missing environment variable: no token is accepted"
    )
  }
  const token = [options.token ?? []].flat().some((one) => one !== '')
  registerView(root, prefix, { guard, token, page: openly || guard !== undefined }, ports, routeConfig)
  if (guard === undefined) {
    const others = openly ? '' : ', nor are the status page and its stream'
    ports.log.info({}, `${prefix}/drain, ${prefix}/undrain and ${prefix}/prestop are not registered${others}: `
      + 'they need one of the options admin.token, admin.authorize, admin.unixSocket')
    return
  }
  const actions = new Actions(guard, ports, refusals)
  const register = (method: HTTPMethods, name: string, act: Handler): void => {
    root.route({
      method,
      url: `${prefix}/${name}`,
      config: { ...routeConfig },
      schema: hidden(),
      exposeHeadRoute: false,
      // A preStop call lasts as long as phase 1 does, whatever the application's other handlers may take.
      handlerTimeout: longestTimer,
      // The answer is given before Fastify parses a body: with a content type that it does not know, or an empty body
      // of one that it does, it would refuse what kubelets and curl send. The handler below is not reached.
      onRequest: act,
      handler: act
    })
  }
  register('POST', 'drain', actions.guarded(() => ports.drain()))
  register('POST', 'undrain', actions.guarded(() => ports.undrain()))
  const prestop = actions.guarded(() => ports.prestop())
  register('POST', 'prestop', prestop)
  register('GET', 'prestop', async (request, reply) => {
    // Anyone else's GET may be a crawler's or a prefetch.
    if (kubelet.test(request.headers['user-agent'] ?? '')) return prestop(request, reply)
    return send(reply.header('allow', 'POST'), 405, problem(405, 'Method Not Allowed', 'expected POST'))
  })
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>

/** What changes the state, behind the guard. */
class Actions {
  readonly #guard: Guard
  readonly #ports: AdminPorts
  readonly #refusals: Refusals

  constructor (guard: Guard, ports: AdminPorts, refusals: Refusals) {
    this.#guard = guard
    this.#ports = ports
    this.#refusals = refusals
  }

  /** A handler that acts for the authorised, and answers with the state after it. */
  guarded (act: () => void | Promise<void>): Handler {
    return async (request, reply) => {
      // Bodies mean nothing here, and are not left to fill the socket.
      request.raw.resume()
      const admission = await this.#guard(request, true)
      if (admission !== 'granted') return this.#refuse(request, reply, admission)
      // The application's `connectionTimeout` does not cut a preStop call either.
      request.raw.setTimeout?.(0)
      mayLast(request.raw)
      try {
        await act()
      } catch (error) {
        if (!isConflict(error)) throw error
        return send(reply, 409, { ...problem(409, 'Conflict', error.message), code: error.code })
      }
      return send(reply, 200, publicStatus(this.#ports.publicStatus()))
    }
  }

  /**
   * Logged as a warning, the first of each kind and source: it is an operator's or a preStop hook's mistake, or
   * somebody who should not be here.
   */
  #refuse (request: FastifyRequest, reply: FastifyReply, admission: Exclude<Admission, 'granted'>): FastifyReply {
    const { id: reqId, method, ip: remoteAddress, routeOptions: { url: route } } = request
    const statusCode = admission === 'wrong credentials' ? 403 : 401
    const message = `${method} ${route} refused: ${admission}`
    this.#refusals.add(message, remoteAddress, { reqId, method, route, statusCode, remoteAddress }, message)
    if (statusCode === 403) return send(reply, 403, problem(403, 'Forbidden', 'not authorised'))
    return send(reply.header('www-authenticate', 'Bearer'), 401, problem(401, 'Unauthorized', 'credentials are needed'))
  }
}

function isConflict (error: unknown): error is Error & { code: string } {
  return error instanceof Error && 'statusCode' in error && error.statusCode === 409
}

/** Callers that are told apart at the same time: a stranger may come from any number of addresses. */
const mostKinds = 32
/** Milliseconds between two sums of what was not told one by one. */
const interval = 60_000

interface RefusalLog { warn (details: object, message: string): void }

/**
 * Refusals, as the log is told of them: the first of each kind and source at once, and the others as a count a minute.
 * Whoever tries ten thousand tokens writes some lines, and not ten thousand. A kind that has rested for a minute is
 * told of as a first one again.
 */
export class Refusals {
  readonly #log: RefusalLog
  readonly #after: typeof afterUnref
  /** How many of each have come since the last sum, without the first. */
  readonly #counts = new Map<string, number>()
  /** Refusals of kinds for which there was no room. */
  #others = 0
  #isTimed = false

  /** @param after calls back after so many milliseconds, without keeping the process */
  constructor (log: RefusalLog, after: typeof afterUnref = afterUnref) {
    this.#log = log
    this.#after = after
  }

  /**
   * One was refused.
   *
   * @param kind what and why
   * @param source who has asked
   */
  add (kind: string, source: string, details: object, message: string): void {
    const key = `${kind}\n${source}`
    const count = this.#counts.get(key)
    if (count !== undefined) this.#counts.set(key, count + 1)
    else if (this.#counts.size >= mostKinds) this.#others++
    else {
      this.#counts.set(key, 0)
      this.#log.warn(details, message)
    }
    this.#time()
  }

  #time (): void {
    if (this.#isTimed) return
    this.#isTimed = true
    this.#after(interval, () => {
      this.#isTimed = false
      this.#sum()
    })
  }

  #sum (): void {
    const repeated = [...this.#counts.values()].filter((count) => count > 0)
    const refused = repeated.reduce((sum, count) => sum + count, this.#others)
    for (const [key, count] of this.#counts) {
      if (count === 0) this.#counts.delete(key)
      else this.#counts.set(key, 0)
    }
    this.#others = 0
    if (refused > 0) {
      const calls = counted(refused, 'more admin call was', 'more admin calls were')
      this.#log.warn({ event: 'graceful.refused', refused }, `${calls} refused in the last minute`)
    }
    if (this.#counts.size > 0) this.#time()
  }
}
