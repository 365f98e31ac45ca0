import type { ServerResponse } from 'node:http'
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { FastifyReply, FastifyRequest, onRequestHookHandler, RouteOptions } from 'fastify'
import type { Faults } from '../util/faults.ts'
import { own } from '../util/given.ts'
import type { Arrivals } from './arrivals.ts'
import type { Connections } from './connections.ts'
import type { FollowedReplies } from './followed-replies.ts'
import type { FrontObserver } from './front-observer.ts'
import type { IdleSweep } from './idle.ts'
import type { Endings } from './long-lived.ts'
import { proberOf } from './probers.ts'
import { isHttp2Request } from './protocol.ts'
import type { CoarseClock, Requests } from './requests.ts'
import type { EnvoySignal, Shedding } from './shedding.ts'
import { visitOf } from './steady-callers.ts'
import type { SteadyCallers } from './steady-callers.ts'
import { currentReply, kind, name, replyOf, sessionOf, startedAt } from './tags.ts'
import type { HttpSocket, UsedSession } from './tags.ts'

/** Marks of a route's `config.graceful`. */
interface Marks { traffic?: boolean, probe?: boolean }

/** Lowest status that says "not ready". */
const firstFailing = 400
/** The hooks that were added: Fastify makes a HEAD route of a GET route, with its hooks. */
const added = new WeakSet<object>()

/** Whether a route's marks say that it is probed instead of used. */
function isProbed (marks: Marks | undefined): boolean {
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

/** Who hears of a request. */
interface Parts {
  requests: Requests
  followed: FollowedReplies
  connections: Connections
  arrivals: Arrivals
  steady: SteadyCallers
  endings: Endings
  envoy: EnvoySignal
  shedding: Shedding
  idle: IdleSweep
}

/** What is done with each request as it comes to the hooks of Fastify. */
export class Incoming {
  readonly #requests: Requests
  readonly #clock: CoarseClock
  readonly #followed: FollowedReplies
  readonly #connections: Connections
  readonly #arrivals: Arrivals
  readonly #steady: SteadyCallers
  readonly #endings: Endings
  readonly #envoy: EnvoySignal
  readonly #shedding: Shedding
  readonly #idle: IdleSweep

  constructor (parts: Parts) {
    this.#requests = parts.requests
    this.#clock = parts.requests.clock
    this.#followed = parts.followed
    this.#connections = parts.connections
    this.#arrivals = parts.arrivals
    this.#steady = parts.steady
    this.#endings = parts.endings
    this.#envoy = parts.envoy
    this.#shedding = parts.shedding
    this.#idle = parts.idle
  }

  /** Whether each reply is followed now. */
  get exact (): boolean {
    return this.#followed.exact
  }

  /** Whether it has heard of a request. */
  knows (reply: FastifyReply): boolean {
    return replyOf(reply.raw) === reply
  }

  /**
   * The one thing done per request, as the body of an `onRequest` hook. While the service runs, the fast path
   * is a few property reads and two writes: a reply that has its connection's socket is what the connection
   * shows as being written; a pipelined one has none yet, one of `inject` or HTTP/2 has one that nobody marked.
   *
   * @returns whether each reply is followed now
   */
  arrive (request: FastifyRequest, reply: FastifyReply): boolean {
    name(reply)
    const { exact } = this.#followed
    if (this.#connections.hasHttp2) {
      if (exact || !this.#arriveOnKnownSession(request, reply)) this.#arriveSlowly(request, reply)
      return exact
    }
    const socket = reply.raw.socket as HttpSocket | null | undefined
    if (exact || socket?.[kind] !== 'traffic') this.#arriveSlowly(request, reply)
    else socket[startedAt] = this.#clock.now
    return exact
  }

  /** A reply open as long as its client likes: not in flight, and nobody waits for its connection or ends it. */
  exempt ({ raw: request }: FastifyRequest, { raw: reply }: FastifyReply): void {
    const session = sessionOf(request)
    this.#requests.exempt(reply, session === undefined ? request.socket : undefined)
    if (session === undefined) this.#connections.exempt(request.socket)
    else this.#connections.exemptSession(session, reply)
  }

  /**
   * The same for HTTP/2, whose replies no connection shows. What HTTP/2 has as the socket of a
   * reply is made when it is asked for, so it is never asked for here.
   *
   * @returns whether it was one, on a session that is known to carry traffic
   */
  #arriveOnKnownSession (request: FastifyRequest, { raw }: FastifyReply): boolean {
    const { stream } = raw as ServerResponse & { stream?: ServerHttp2Stream | undefined }
    if (stream === undefined || (stream.session as UsedSession | undefined)?.[kind] !== 'traffic') return false
    this.#requests.noteStart(raw)
    this.#endings.arrive(request, raw)
    this.#requests.note(raw, stream.destroyed)
    return true
  }

  #arriveSlowly (request: FastifyRequest, reply: FastifyReply): void {
    const { raw } = request
    const isHttp2 = isHttp2Request(raw)
    const session = sessionOf(raw)
    // What HTTP/2 shows as the socket of a request is made when it is asked for.
    const socket = isHttp2 ? undefined : raw.socket as HttpSocket
    const isOurs = socket !== undefined && this.#connections.sockets.has(socket)
    // What is asked for behind a viewer's stream, which is the last answer of its connection, gets none.
    if (!isOurs && socket !== undefined && this.#connections.isExempt(socket)) {
      return this.#requests.noteUnanswered(reply.raw)
    }
    const holder = session ?? (isOurs ? socket : undefined)
    if (holder !== undefined) this.#classify(request, holder)
    const isShown = isOurs && currentReply(socket) === reply.raw
    // Not on the first reply of each connection alone: replies of two shapes, beside those of
    // another server, made V8 give up on the shape of any, at four percent of a small request.
    if (isShown) socket[startedAt] = this.#clock.now
    else this.#requests.noteStart(reply.raw)
    this.#endings.arrive(request, reply.raw)
    if (!this.#followed.exact) {
      // A probe of the app's own route is traffic to nobody, but its answer is awaited all the same.
      if (isShown) return
      if (!isOurs) return this.#requests.note(reply.raw)
    }
    this.#followed.follow(reply.raw, isOurs ? socket : undefined)
    if (!this.#followed.exact) return
    this.#envoy.mark(reply.raw)
    if (session !== undefined) this.#shedding.considerSession(session, true)
    this.#idle.serve(session ?? socket)
    this.#endings.adoptStream(reply.raw)
  }

  /** What a connection is turns out with its first request that is no probe. */
  #classify (request: FastifyRequest, connection: HttpSocket | ServerHttp2Session): void {
    const holder = connection as HttpSocket
    if (holder[kind] === 'traffic') return
    const isProbe = isProbed(request.routeOptions.config.graceful)
      || proberOf(request.headers['user-agent']) !== undefined
    if (!isProbe) {
      const { socket } = request.raw
      this.#arrivals.arrive(() => socket.remoteAddress, this.#steady.visit(visitOf(request, socket.remoteAddress)))
    }
    holder[kind] = isProbe ? 'probe' : 'traffic'
  }
}
