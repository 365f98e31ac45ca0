// One replica in virtual time. Whatever decides is the project's own object: the state machine and its budget, the
// evidence of silence, who is told `Connection: close`, the sweep of idle connections, the ends of WebSockets. What is
// modelled is a socket, and the kernel's side of a listener.
import { EventEmitter } from 'node:events'
import { ServerResponse } from 'node:http'
import { cutBudget } from '../../lib/lifecycle/budget.ts'
import { Lifecycle } from '../../lib/lifecycle/lifecycle.ts'
import { platforms } from '../../lib/platform/detect.ts'
import { floorsOf } from '../../lib/platform/surroundings.ts'
import { Announcement } from '../../lib/traffic/announcement.ts'
import { Arrivals } from '../../lib/traffic/arrivals.ts'
import { Connections } from '../../lib/traffic/connections.ts'
import { FollowedReplies } from '../../lib/traffic/followed-replies.ts'
import { FrontObserver } from '../../lib/traffic/front-observer.ts'
import { IdleSweep } from '../../lib/traffic/idle.ts'
import { Endings } from '../../lib/traffic/long-lived.ts'
import { readDrain } from '../../lib/traffic/options.ts'
import { EnvoySignal, Shedding } from '../../lib/traffic/shedding.ts'
import { followMessages } from '../../lib/traffic/web-socket.ts'
import { quietFaults } from '../../lib/util/faults.ts'

const floors = floorsOf(platforms.find(({ name }) => name === 'kubernetes'))
const request = { method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1, headers: {} }

/** A connection as the plugin sees it. */
class Connection extends EventEmitter {
  bytesRead = 0
  bytesWritten = 0
  destroyed = false
  destroyedAt = Infinity
  writableEnded = false
  /** What Node's HTTP/1 has; a WebSocket has none. */
  parser = {}
  /** Whether its first request has come. */
  isUsed = false
  #onDestroy

  constructor (onDestroy) {
    super()
    this.#onDestroy = onDestroy
  }

  destroy () {
    if (this.destroyed) return
    this.destroyed = true
    this.#onDestroy(this)
  }

  end () { this.destroy() }
}

/** A WebSocket as the plugin sees it: its client answers the close after `answer` milliseconds. */
class Feed extends EventEmitter {
  readyState = 1
  bufferedAmount = 0
  #close

  constructor (close) {
    super()
    this.#close = close
  }

  close () {
    this.readyState = 2
    this.#close()
  }

  terminate () { this.#close() }

  send () {}
}

/** The options of the plugin that the model knows, with their defaults in Kubernetes. Times are milliseconds. */
export function settingsOf ({ gracePeriod = 30_000, announce = {}, ramp, evidence, drain = {}, failures = 0 } = {}) {
  const { shed = 'gradual', ...times } = announce
  return {
    budget: cutBudget({ gracePeriod, preStop: 0, announce: times }, floors),
    drain: readDrain(drain, true),
    front: { isKnown: true, failures, sharedBy: 1 },
    shed, ramp, evidence
  }
}

/** A replica from its start to its exit. */
export class Replica {
  /** Whether new connections are accepted. */
  isOpen = true
  /** Requests that were in flight when draining was over. */
  cut = 0
  report
  #clock
  #exchanges = new Set()

  constructor (clock, settings, onExit = () => {}) {
    const { budget, drain, front, shed, ramp, evidence } = settings
    const wake = () => this.lifecycle.poke()
    const now = () => clock.now()
    this.#clock = clock
    this.connections = new Connections(wake, socket => this.followed.disconnect(socket), () => {}, quietFaults)
    this.followed = new FollowedReplies(wake, {
      follow: (tracked, predecessor) => this.shedding.follow(tracked, predecessor),
      close () {}
    }, quietFaults)
    this.arrivals = new Arrivals(now, undefined, evidence)
    this.front = new FrontObserver(now, front, quietFaults)
    this.source = { clock: { get now () { return clock.now() } }, exact: false, faults: quietFaults }
    this.endings = new Endings(clock, drain, {
      inFlight: { streamsToEnd: () => [] },
      connections: this.connections,
      upgrades: { source: this.source, hasUnanswered: () => false },
      work: { hasUpgraded: () => false, has: () => false },
      arrivals: this.arrivals
    }, () => this.lifecycle.left, quietFaults)
    this.shedding = new Shedding(clock, this, quietFaults)
    this.idle = new IdleSweep(this.connections, this.endings, clock, drain.idle, quietFaults)
    // The ramp is as long as the floor of phase 1; a sweep may have another one.
    const announce = { ...budget.announce, ...ramp === undefined ? {} : { min: ramp } }
    this.announcement = new Announcement({ announce, shed }, {
      arrivals: this.arrivals,
      front: this.front,
      envoy: new EnvoySignal(this.followed, false),
      shedding: this.shedding,
      idle: this.idle
    })
    this.lifecycle = new Lifecycle(clock, budget, {
      serving: () => this.isOpen,
      others () {},
      cut: () => this.#cut(),
      end: async () => {},
      traffic: () => ({ ...this.arrivals.summary(), ...this.front.summary() }),
      advice: () => []
    })
    this.lifecycle.observers.add('traffic', (phase, elapsed) => this.#stalls(phase, elapsed))
    this.lifecycle.on('phase', phase => this.#enter(phase))
    this.lifecycle.on('report', (report) => {
      this.report = report
      onExit(this)
    })
    this.arrivals.open()
    this.front.open()
  }

  /** SIGTERM. */
  terminate () {
    this.terminatedAt = this.#clock.now()
    void this.lifecycle.shutdown({ kind: 'shutdown', reason: 'SIGTERM' })
  }

  /** A new connection; undefined where it is refused. */
  accept () {
    if (!this.isOpen) return undefined
    const socket = new Connection((closed) => {
      closed.destroyedAt = this.#clock.now()
      this.connections.sockets.delete(closed)
      if (this.connections.size === 0) this.lifecycle.poke()
    })
    this.connections.sockets.add(socket)
    return socket
  }

  /** A new WebSocket; `onEnd` is called when its client has heard of the end. */
  acceptWebSocket (answer, onEnd) {
    const socket = this.accept()
    if (socket === undefined) return undefined
    const feed = new Feed(() => this.#clock.at(this.#clock.now() + answer, () => {
      if (feed.readyState === 3) return
      feed.readyState = 3
      socket.destroy()
      onEnd()
    }))
    socket.parser = undefined
    socket[Symbol('websocket')] = feed
    followMessages(feed, this.source)
    return socket
  }

  /** A request has come. @param isLast its client will end the connection */
  begin (socket, isLast = false) {
    socket.bytesRead += 100
    if (!socket.isUsed) this.arrivals.arrive()
    socket.isUsed = true
    const exchange = { socket, isLast, reply: undefined, tracked: undefined }
    this.#exchanges.add(exchange)
    if (this.followed.exact) this.#follow(exchange)
    this.idle.serve(socket)
    return exchange
  }

  /** Its answer goes out. @returns whether that ends the connection */
  finish (exchange) {
    const { socket, isLast, reply, tracked } = exchange
    this.#exchanges.delete(exchange)
    if (reply !== undefined) {
      reply.writeHead(200)
      reply.emit('finish')
      reply.detachSocket(socket)
      reply.emit('close')
    }
    const isOver = isLast || tracked?.told === true
    if (isOver) socket.destroy()
    return isOver
  }

  /** A readiness route is asked. @returns whether the answer is good */
  probe (userAgent) {
    const reply = new EventEmitter()
    const socket = { remoteAddress: '10.0.0.1' }
    const message = { raw: { method: 'GET', socket }, url: '/readyz', headers: { 'user-agent': userAgent }, socket }
    const isReady = !this.lifecycle.isAnnounced(this.announcement.toldAfter)
    this.front.asked(message, { raw: reply }, () => isReady)
    reply.emit('finish')
    return isReady
  }

  #follow (exchange) {
    const reply = exchange.reply = new ServerResponse(request)
    reply.shouldKeepAlive = !exchange.isLast
    reply.assignSocket(exchange.socket)
    exchange.tracked = this.followed.follow(reply, exchange.socket)
  }

  #enter (phase) {
    if (phase === 'announcing') {
      this.arrivals.announce()
      this.front.announce(this.announcement.toldAfter)
      this.source.exact = true
      this.followed.beExact()
      for (const exchange of this.#exchanges) this.#follow(exchange)
      this.announcement.begin(true)
    } else if (phase === 'closing') {
      this.isOpen = false
      this.arrivals.close(this.lifecycle.budget.announce.quiet)
    } else if (phase === 'draining') {
      this.shedding.drain()
      this.idle.look(0)
      this.endings.tell(this.lifecycle.left)
      this.endings.end(this.lifecycle.left)
    }
  }

  #stalls (phase, elapsed) {
    if (phase === 'announcing') return this.announcement.stalls(elapsed)
    if (phase !== 'draining') return false
    this.idle.sweep()
    this.shedding.look()
    if (this.#exchanges.size > 0) return `${this.#exchanges.size} requests in flight`
    return this.connections.size > 0 && `${this.connections.size} connections open`
  }

  #cut () {
    this.endings.stop()
    this.cut = this.#exchanges.size
    for (const socket of this.connections.sockets) socket.destroy()
    return { requests: [], streams: 0, upgraded: 0, connections: [], byOthers: [] }
  }
}
