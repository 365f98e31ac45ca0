import type { Server } from 'node:net'
import { quietFaults } from '../util/faults.ts'
import type { Cut, TrafficSummary } from '../lifecycle/report.ts'
import type { StallPhase } from '../lifecycle/phase.ts'
import { counted } from '../util/text.ts'
import { Announcement } from './announcement.ts'
import { Arrivals } from './arrivals.ts'
import { Connections } from './connections.ts'
import { CutOff } from './cut-off.ts'
import { EarlyReplies } from './early-replies.ts'
import { Endings } from './long-lived.ts'
import { EnvoySignal, Shedding } from './shedding.ts'
import { FollowedReplies } from './followed-replies.ts'
import { FrontObserver } from './front-observer.ts'
import { showsReplies } from './tags.ts'
import { idleTimes, IdleSweep } from './idle.ts'
import { InFlightList } from './in-flight.ts'
import { Incoming } from './incoming.ts'
import { Listeners } from './listeners.ts'
import { Losses } from './losses.ts'
import type { TrafficOptions } from './options.ts'
import { Requests } from './requests.ts'
import { SteadyCallers } from './steady-callers.ts'
import { SocketWork } from './socket-work.ts'
import { Upgrades } from './upgrades.ts'

/** What is still being served, and the evidence that the balancer has stopped sending. */
export class Traffic {
  /** What is done with each request as it comes. */
  readonly incoming: Incoming
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
  readonly front: FrontObserver
  readonly #shedding: Shedding
  readonly #earlyReplies: EarlyReplies
  readonly #losses: Losses
  readonly #envoy: EnvoySignal
  readonly #idle: IdleSweep
  readonly #announcement: Announcement
  readonly #cutOff: CutOff
  readonly #options: TrafficOptions
  /** Whether phase 1 took place while a server was open. */
  announced = false
  /** Whether a server was open, and nobody has closed it but us. */
  #isOpen = false
  /** Servers that are not Fastify's to close, and their connections, are left alone. */
  #isLeftOpen = false

  constructor (options: TrafficOptions) {
    const { wake, drain, close, left, faults = quietFaults } = options
    const clock = faults.clock(options.clock)
    const now = (): number => options.clock.now()
    this.#options = options
    const connections = this.connections = new Connections(
      wake, (socket) => this.followed.disconnect(socket), (session) => this.endings.adoptSession(session), faults)
    const followed = this.followed = new FollowedReplies(wake, {
      follow: (tracked, predecessor) => {
        this.#shedding.follow(tracked, predecessor)
        this.#losses.follow(tracked)
      },
      close: (reply, socket) => this.#losses.close(reply, socket)
    }, faults)
    const requests = this.requests = new Requests(connections, followed, faults)
    const inFlight = this.inFlight = new InFlightList(this)
    const losses = this.#losses = new Losses(
      connections, (reply) => inFlight.describe(reply), (request) => options.lost?.(request), faults)
    const arrivals = this.arrivals = new Arrivals(now, options.late)
    const front = this.front = new FrontObserver(now, options.front, faults)
    const listeners = this.listeners = this.#makeListeners(options)
    this.upgrades = new Upgrades(requests.clock, (socket) => this.endings.adoptUpgrade(socket), faults)
    this.work = new SocketWork(wake)
    const endings = this.endings = new Endings(clock, drain, this, left, faults)
    const shedding = this.#shedding = new Shedding(clock, this, faults)
    this.#earlyReplies = new EarlyReplies(followed, connections, (socket) => losses.refuse(socket), faults)
    const envoy = this.#envoy = new EnvoySignal(followed, options.envoy ?? false)
    const idle = this.#idle = new IdleSweep(connections, endings, clock, drain.idle, faults)
    const steady = new SteadyCallers(now)
    this.#announcement = new Announcement(options, { arrivals, front, envoy, shedding, idle })
    this.#cutOff = new CutOff({ clock, followed, inFlight, connections, listeners, endings, losses, idle, close })
    this.incoming =
      new Incoming({ requests, followed, connections, arrivals, steady, endings, envoy, shedding, idle })
  }

  /** Another process serves in this one's place: kept-alive clients have time to hear of it with their next answer. */
  linger (): void {
    this.#idle.extend(idleTimes.replaced)
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

  /** Phase 1 begins. */
  announce (): void {
    this.#lookForClosed()
    this.announced = this.listeners.open
    this.arrivals.announce()
    this.front.announce(this.#announcement.toldAfter)
    this.#beExact()
    this.#announcement.begin(this.announced)
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
    if (this.front.found && !this.#options.drain.isIdleGiven) this.#idle.extend(idleTimes.fronted)
    if (plain) this.#idle.hasten(idleTimes.plain)
  }

  /** Phase 3 has begun, `budget` milliseconds before its end: whoever can end by itself is told. */
  tell (budget: number): void {
    if (!this.#isLeftOpen && !this.endings.draining) this.endings.tell(budget)
  }

  /** The same, when others have had their turn: what does not end by itself is ended. */
  end (budget: number): void {
    if (!this.#isLeftOpen && !this.endings.ending) this.endings.end(budget)
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
    const { byOthers } = this.#losses
    if (this.#isLeftOpen) return { requests: [], streams: 0, upgraded: 0, connections: [], byOthers }
    return this.#cutOff.cut()
  }

  summary (): TrafficSummary {
    return { ...this.arrivals.summary(), ...this.front.summary() }
  }

  #makeListeners (options: TrafficOptions): Listeners {
    return new Listeners(options.servers, this.connections, {
      isEnding: options.isEnding ?? (() => false),
      isCloseAhead: options.isCloseAhead ?? (() => false),
      awaitClose: () => options.awaitClose?.(),
      closedByOthers: () => this.#lookForClosed(),
      isCutDraining: () => this.#cutOff.isDraining
    })
  }

  #beExact (): void {
    this.upgrades.source.exact = true
    this.#losses.start()
    this.#earlyReplies.watch(this.#options.servers())
    this.requests.beExact(() => this.#envoy.again())
  }

  #announcing (elapsed: number): string | false {
    if (!this.announced) return false
    this.#lookForClosed()
    return this.listeners.open && this.#announcement.stalls(elapsed)
  }

  #draining (): string | false {
    if (!this.#isLeftOpen) this.#idle.sweep()
    this.#shedding.look()
    const requests = this.requests.count()
    if (requests > 0) return `${counted(requests, 'request')} in flight`
    const size = this.#isLeftOpen ? 0 : this.connections.size
    return size > 0 && `${counted(size, 'connection')} open`
  }

  /** Who closes the servers while the service runs leaves nobody to announce an end to. */
  #lookForClosed (): void {
    if (!this.#isOpen || this.listeners.stopped || this.listeners.open) return
    this.#isOpen = false
    this.#options.closed?.()
  }

  /** With nobody in front there is nobody to be warned of: who comes later was sent by no one. */
  #noteClosed (): void {
    if (this.announced && !this.front.isPresent) return
    this.arrivals.close(this.#options.announce.quiet, this.#options.preStop)
  }
}
