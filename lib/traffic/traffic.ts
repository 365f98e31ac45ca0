import type { ServerResponse } from 'node:http'
import { constants } from 'node:http2'
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Server, Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { quietFaults } from '../util/faults.ts'
import type { Faults } from '../util/faults.ts'
import type { AnnounceBudget } from '../lifecycle/budget.ts'
import type { Clock } from '../clock.ts'
import type { Cut, CutRequest, TrafficSummary } from '../lifecycle/report.ts'
import type { StallPhase } from '../lifecycle/phase.ts'
import { counted } from '../util/text.ts'
import { Arrivals } from './arrivals.ts'
import type { OnLate } from './arrivals.ts'
import { Connections } from './connections.ts'
import { EarlyReplies } from './early-replies.ts'
import { Endings } from './long-lived.ts'
import { EnvoySignal } from './envoy.ts'
import { FollowedReplies } from './followed-replies.ts'
import { FrontObserver } from './front-observer.ts'
import type { FrontSettings } from './front-observer.ts'
import { currentReply, kind, showsReplies, startedAt } from './http-socket.ts'
import type { HttpSocket, UsedSession } from './http-socket.ts'
import { IdleSweep } from './idle.ts'
import { InFlightList } from './in-flight.ts'
import { Listeners } from './listeners.ts'
import { Losses } from './losses.ts'
import { isProbed } from './marked.ts'
import { name, sessionOf } from './reply-tags.ts'
import type { DrainSettings } from './options.ts'
import { proberOf } from './probers.ts'
import { isHttp2Reply, isHttp2Request } from './protocol.ts'
import { ramp } from './ramp.ts'
import type { Shed } from './ramp.ts'
import { Requests } from './requests.ts'
import { Shedding } from './shedding.ts'
import { SteadyCallers, visitOf } from './steady-callers.ts'
import { SocketWork } from './socket-work.ts'
import { afterTurns } from './accept-queue.ts'
import { Upgrades } from './upgrades.ts'

/** Milliseconds between two looks at all connections in phase 1. */
const lookInterval = 500

/** How long a connection may be idle in a plain `app.close()`, in milliseconds. */
const plainIdle = 50

/**
 * How long a connection may be idle at least, in milliseconds, where another process has taken
 * over: closing one that nobody warned may meet its next request.
 */
const replacedIdle = 5000

/** The same behind a front end that was found: a balancer keeps connections for its next request. */
const frontedIdle = 5000

/** Longest time that streams ended at the cut have to drain, in milliseconds; half of `close` where that is less. */
const longestCut = 1000

/** What the traffic room is given. Times are milliseconds. */
export interface TrafficOptions {
  clock: Clock
  announce: AnnounceBudget
  /** What a preStop hook takes off `announce.min`. Default: 0. */
  preStop?: number
  /** How long phase 1 is kept from the balancer. Default: `announce.readinessDelay`. */
  toldAfter?: number
  shed: Shed
  /** Whether replies tell Envoy. Default: no. */
  envoy?: boolean
  drain: DrainSettings
  /** The bound servers, the main one first. */
  servers: () => Server[]
  /** Something has ended: ask again. */
  wake: () => void
  /** A connection came late. Default: nobody is told. */
  late?: OnLate
  /** Other code of this process has ended a request. Default: nobody is told. */
  lost?: (request: CutRequest) => void
  /** Whether the service is ending and has not answered its last request. Default: never. */
  isEnding?: () => boolean
  /** Whether who closes a server now waits for `app.close()`, and what tells that somebody does. Default: nobody. */
  isCloseAhead?: () => boolean
  awaitClose?: () => void
  /** Somebody else has closed the servers, in phase 0 or 1. Default: nobody is told. */
  closed?: () => void
  /** How front ends are found. Default: nobody is looked for, and somebody is taken to be there. */
  front?: FrontSettings
  /** Takes failures of hooks, listeners and timers. Default: they are not logged. */
  faults?: Faults
  /** What is kept for the close of the application, in milliseconds. */
  close: number
  /** How long the present phase may still last, in milliseconds. */
  left: () => number
}

/** What is still being served, and the evidence that the balancer has stopped sending. */
export class Traffic {
  readonly requests: Requests
  /** Replies that are followed one by one. */
  readonly followed: FollowedReplies
  /** Requests in flight as they are shown. */
  readonly inFlight: InFlightList
  readonly connections: Connections
  readonly listeners: Listeners
  readonly arrivals: Arrivals
  readonly endings: Endings
  readonly upgrades: Upgrades
  /** Work that belongs to a connection. */
  readonly work: SocketWork
  readonly #shedding: Shedding
  readonly #earlyReplies: EarlyReplies
  readonly #losses: Losses
  readonly front: FrontObserver
  readonly #steady: SteadyCallers
  readonly #envoy: EnvoySignal
  readonly #idle: IdleSweep
  readonly #options: TrafficOptions
  /** Whether phase 1 took place while a server was open. */
  #announced = false
  /** Whether a server was open, and nobody has closed it but us. */
  #isOpen = false
  /** Servers that are not Fastify's to close, and their connections, are left alone. */
  #isLeftOpen = false
  /** Whether streams that were ended when their time was over have still to drain. */
  #isCutDraining = false

  constructor (options: TrafficOptions) {
    const { wake, faults = quietFaults } = options
    const clock = faults.clock(options.clock)
    this.#options = { ...options, clock }
    const lost = (socket: HttpSocket): void => this.followed.disconnect(socket)
    this.connections = new Connections(wake, lost, (session) => this.endings.adoptSession(session), faults)
    this.followed = new FollowedReplies(wake, {
      follow: (tracked, predecessor) => {
        this.#shedding.follow(tracked, predecessor)
        this.#losses.follow(tracked)
      },
      close: (reply, socket) => this.#losses.close(reply, socket)
    }, faults)
    this.requests = new Requests(this.connections, this.followed, faults)
    this.inFlight = new InFlightList(this)
    this.#losses = new Losses(
      this.connections, (reply) => this.inFlight.describe(reply), (request) => options.lost?.(request), faults)
    const now = (): number => options.clock.now()
    this.arrivals = new Arrivals(now, options.late)
    this.front = new FrontObserver(now, options.front, faults)
    this.#steady = new SteadyCallers(now)
    this.listeners = new Listeners(options.servers, this.connections, {
      isEnding: options.isEnding ?? (() => false),
      isCloseAhead: options.isCloseAhead ?? (() => false),
      awaitClose: () => options.awaitClose?.(),
      closedByOthers: () => this.#lookForClosed(),
      isCutDraining: () => this.#isCutDraining
    })
    this.upgrades = new Upgrades(this.requests.clock, (socket) => this.endings.adoptUpgrade(socket), faults)
    this.work = new SocketWork(wake)
    this.endings = new Endings(clock, options.drain, this, options.left, faults)
    this.#shedding = new Shedding(clock, this, faults)
    const refused = (socket: Socket): void => this.#losses.refuse(socket)
    this.#earlyReplies = new EarlyReplies(this.followed, this.connections, refused, faults)
    this.#envoy = new EnvoySignal(this.followed, options.envoy ?? false)
    this.#idle = new IdleSweep(this.connections, this.endings, clock, options.drain.idle, faults)
  }

  /** Another process serves in this one's place: kept-alive clients have time to hear of it with their next answer. */
  linger (): void {
    this.#idle.extend(replacedIdle)
  }

  /** Follows the connections of a server. */
  follow (server: Server): void {
    this.connections.follow(server)
    this.upgrades.follow(server)
  }

  /** The servers are bound. */
  open (): void {
    this.listeners.join()
    this.#isOpen ||= this.listeners.open
    for (const server of this.#options.servers()) this.follow(server)
    if (this.followed.exact || !showsReplies) this.#earlyReplies.watch(this.#options.servers())
    this.arrivals.open()
    this.front.open()
    this.requests.clock.start()
    // A second `localhost` can bind while the end is under way.
    if (this.listeners.stopped) this.listeners.stop()
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
    const { exact } = this.followed
    if (this.connections.hasHttp2) {
      if (exact || !this.#arriveOnKnownSession(request, reply)) this.#arriveSlowly(request, reply)
      return exact
    }
    const socket = reply.raw.socket as HttpSocket | null | undefined
    if (exact || socket?.[kind] !== 'traffic') this.#arriveSlowly(request, reply)
    else socket[startedAt] = this.requests.clock.now
    return exact
  }

  /** Phase 1 begins. */
  announce (): void {
    this.#lookForClosed()
    this.#announced = this.listeners.open
    this.arrivals.announce()
    this.front.announce(this.#toldAfter)
    this.#beExact()
    if (this.#toldAfter === 0) this.#envoy.tell()
    // The first tick may be late.
    if (this.#announced) this.#shedding.raise(this.#share(-this.#toldAfter))
  }

  /** Phase 1 was undone. */
  undo (): void {
    this.#envoy.undo()
    this.arrivals.undo()
    if (showsReplies) this.#earlyReplies.stop()
    this.front.undo()
    this.#losses.stop()
    this.followed.beCheap()
    this.upgrades.source.exact = false
    this.#shedding.raise(0)
  }

  /** Servers that Fastify would not close are not closed by a plain close either; their connections stay untouched. */
  leaveOpen (): void {
    this.#isLeftOpen = true
    if (!this.followed.exact) this.#beExact()
    this.listeners.leaveOpen()
  }

  /** Phase 2 begins: the accept queue is emptied, then nothing is accepted any more. */
  close (late: () => boolean): void {
    this.#lookForClosed()
    // Without phase 1, this is where exact counting starts.
    if (!this.followed.exact) this.#beExact()
    this.#envoy.tell()
    const { faults = quietFaults, wake } = this.#options
    const stopped = this.listeners.drainAndStop(late).then(() => this.#noteClosed())
    void stopped.catch((error: unknown) => faults.note('the close of the listener', error)).then(wake)
  }

  /** Phase 3 begins. A plain close was announced to nobody, and does not wait for idle clients. */
  drain (plain = false): void {
    if (this.#isLeftOpen) return
    if (!this.listeners.stopped) {
      this.listeners.stop()
      this.#noteClosed()
    }
    // `shed` is about phase 1: from here on a connection that stays open only holds the process.
    this.#shedding.drain()
    this.#idle.look(0)
    if (this.front.found && !this.#options.drain.isIdleGiven) this.#idle.extend(frontedIdle)
    if (plain) this.#idle.hasten(plainIdle)
  }

  /** Phase 3 has begun, `budget` milliseconds before its end: whoever can end by itself is told. */
  tell (budget: number): void {
    if (!this.#isLeftOpen && !this.endings.draining) this.endings.tell(budget)
  }

  /** The same, when others have had their turn: what does not end by itself is ended. */
  end (budget: number): void {
    if (!this.#isLeftOpen && !this.endings.ending) this.endings.end(budget)
  }

  /** Whether phase 1 took place while a server was open. */
  get announced (): boolean {
    return this.#announced
  }

  /** What the state machine asks on every tick. */
  stalls (phase: StallPhase, elapsed: number): string | false {
    switch (phase) {
      case 'announcing': return this.#announcing(elapsed)
      case 'closing': return this.listeners.stopped ? false : 'the accept queue is being emptied'
      case 'draining': return this.#draining()
    }
  }

  /** Ends what is left, and says what it was. */
  cut (): Omit<Cut, 'waiting'> {
    this.endings.stop()
    this.requests.clock.stop()
    this.#losses.stop()
    if (this.#isLeftOpen) {
      return { requests: [], streams: 0, upgraded: 0, connections: [], byOthers: this.#losses.byOthers }
    }
    const left = this.inFlight.oldest(Infinity, (reply) => !this.#losses.has(reply))
    const connections = this.#losses.connections(this.#idle.idle)
    const draining = this.endings.cutStreams(this.inFlight.streams())
    // Each stream of a session is to know that it was cut; also what shares a session with a reply that is exempt.
    for (const { reply } of this.followed.tracked()) {
      if (!isHttp2Reply(reply) || draining.has(reply)) continue
      resetStream(reply)
      draining.add(reply)
    }
    const upgradedSockets = this.connections.destroyAll(draining)
    if (draining.size > 0) {
      this.#isCutDraining = true
      const { clock, close } = this.#options
      clock.after(Math.min(longestCut, close / 2), () => afterTurns(clock, () => this.#destroyRest()))
    }
    const upgraded = Math.max(upgradedSockets, left.filter((request) => request.kind === 'upgraded').length)
    return {
      requests: left.filter((request) => request.kind === 'request')
        .map(({ method, route, age }) => ({ method, route, age })),
      streams: left.filter((request) => request.kind === 'stream').length,
      upgraded: upgraded + this.endings.webSocketsCut,
      connections,
      byOthers: this.#losses.byOthers
    }
  }

  /** What has not drained is destroyed. */
  #destroyRest (): void {
    this.#isCutDraining = false
    this.connections.destroyAll()
    this.listeners.sweep()
  }

  summary (): TrafficSummary {
    return { ...this.arrivals.summary(), ...this.front.summary() }
  }

  /** A reply open as long as its client likes: not in flight, and nobody waits for its connection or ends it. */
  exempt ({ raw: request }: FastifyRequest, { raw: reply }: FastifyReply): void {
    const session = sessionOf(request)
    this.requests.exempt(reply, session === undefined ? request.socket : undefined)
    if (session === undefined) this.connections.exempt(request.socket)
    else this.connections.exemptSession(session, reply)
  }

  get #toldAfter (): number {
    return this.#options.toldAfter ?? this.#options.announce.readinessDelay
  }

  #beExact (): void {
    this.upgrades.source.exact = true
    this.#losses.start()
    this.#earlyReplies.watch(this.#options.servers())
    this.requests.beExact(() => this.#envoy.again())
  }

  #announcing (elapsed: number): string | false {
    if (!this.#announced) return false
    this.#lookForClosed()
    if (!this.listeners.open) return false
    const { announce } = this.#options
    // Health routes that are still good have not told the balancer anything yet.
    const told = elapsed - this.#toldAfter
    this.#shedding.raise(this.#share(told))
    this.#idle.look(lookInterval)
    if (told < 0) return 'health routes are still good, as announce.readinessDelay and probes.external.delay ask'
    this.#envoy.tell()
    const untold = this.front.waiting(announce.quiet)
    if (untold !== undefined) return untold
    return (this.front.isPresent && this.arrivals.stillSending(elapsed, announce)) || false
  }

  /** The share of connections that the ramp has passed, `told` milliseconds after the balancer was told. */
  #share (told: number): number {
    const { announce, shed } = this.#options
    return ramp(shed, told, Math.max(announce.min - this.#toldAfter, announce.quiet))
  }

  #draining (): string | false {
    if (!this.#isLeftOpen) this.#idle.sweep()
    this.#shedding.look()
    const requests = this.requests.count()
    if (requests > 0) return `${counted(requests, 'request')} in flight`
    const size = this.#isLeftOpen ? 0 : this.connections.size
    return size > 0 && `${counted(size, 'connection')} open`
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
    this.requests.noteStart(raw)
    this.endings.arrive(request, raw)
    this.requests.note(raw, stream.destroyed)
    return true
  }

  #arriveSlowly (request: FastifyRequest, reply: FastifyReply): void {
    const { raw } = request
    const isHttp2 = isHttp2Request(raw)
    const session = sessionOf(raw)
    // What HTTP/2 shows as the socket of a request is made when it is asked for.
    const socket = isHttp2 ? undefined : raw.socket as HttpSocket
    const isOurs = socket !== undefined && this.connections.sockets.has(socket)
    // What is asked for behind a viewer's stream, which is the last answer of its connection, gets none.
    if (!isOurs && socket !== undefined && this.connections.isExempt(socket)) {
      return this.requests.noteUnanswered(reply.raw)
    }
    const holder = session ?? (isOurs ? socket : undefined)
    if (holder !== undefined) this.#classify(request, holder)
    const isShown = isOurs && currentReply(socket) === reply.raw
    // Not on the first reply of each connection alone: replies of two shapes, beside those of
    // another server, made V8 give up on the shape of any, at four percent of a small request.
    if (isShown) socket[startedAt] = this.requests.clock.now
    else this.requests.noteStart(reply.raw)
    this.endings.arrive(request, reply.raw)
    if (!this.followed.exact) {
      // A probe of the app's own route is traffic to nobody, but its answer is awaited all the same.
      if (isShown) return
      if (!isOurs) return this.requests.note(reply.raw)
    }
    this.followed.follow(reply.raw, isOurs ? socket : undefined)
    if (!this.followed.exact) return
    this.#envoy.mark(reply.raw)
    if (session !== undefined) this.#shedding.considerSession(session, true)
    this.#idle.serve(session ?? socket)
    this.endings.adoptStream(reply.raw)
  }

  /** What a connection is turns out with its first request that is no probe. */
  #classify (request: FastifyRequest, connection: HttpSocket | ServerHttp2Session): void {
    const holder = connection as HttpSocket
    if (holder[kind] === 'traffic') return
    const isProbe = isProbed(request.routeOptions.config.graceful)
      || proberOf(request.headers['user-agent']) !== undefined
    if (!isProbe) {
      const { socket } = request.raw
      this.arrivals.arrive(() => socket.remoteAddress, this.#steady.visit(visitOf(request, socket.remoteAddress)))
    }
    holder[kind] = isProbe ? 'probe' : 'traffic'
  }

  /** Who closes the servers while the service runs leaves nobody to announce an end to. */
  #lookForClosed (): void {
    if (!this.#isOpen || this.listeners.stopped || this.listeners.open) return
    this.#isOpen = false
    this.#options.closed?.()
  }

  /** With nobody in front there is nobody to be warned of: who comes later was sent by no one. */
  #noteClosed (): void {
    if (this.#announced && !this.front.isPresent) return
    this.arrivals.close(this.#options.announce.quiet, this.#options.preStop)
  }
}

/**
 * Resets a stream of HTTP/2. Without a code its client would take what it has got for the whole;
 * `destroy` closes a session that waits for this stream before the reset is out.
 */
function resetStream (reply: ServerResponse): void {
  const { stream } = reply as unknown as { stream?: ServerHttp2Stream | undefined }
  if (stream?.destroyed === false) stream.close(constants.NGHTTP2_INTERNAL_ERROR)
}
