import { setTimeout as sleep } from 'node:timers/promises'
import { defaults } from './defaults.ts'
import type { Outcome } from './exchange.ts'
import type { Trace } from './fronts.ts'
import { LatencyRecorder } from './latency.ts'
import type { Latency, Stage } from './latency.ts'
import { kindOf, Tally } from './losses.ts'
import type { Loss } from './losses.ts'
import { choose } from './profiles.ts'
import type { RequestProfile } from './profiles.ts'
import { unsent, Users } from './users.ts'

/** A load on one address. */
export interface LoadOptions {
  /** @default '127.0.0.1' */
  host?: string
  port: number
  /** Requests per second, whatever the answers do. */
  rate: number
  /** Without one nothing is sent. */
  profiles: readonly RequestProfile[]
  /** Connections at a time; a request for which none is free waits. @default as many as it takes, up to 5000 */
  connections?: number
  /**
   * Milliseconds after which a user hangs up a connection that nothing was sent on. Shorter than the servers' own: a
   * request that crosses the close of an idle connection on the wire is a race that no server can win.
   * @default 2000
   */
  idle?: number
  /** Milliseconds for one exchange. @default defaults.timeout */
  timeout?: number
  /** What counts the requests. @default one of its own */
  tally?: Tally
  /** Asked for each loss, where the front knows its connections at once. */
  trace?: (localPort: number, at: number) => Trace | undefined
}

/** What a load has seen. */
export interface LoadResult {
  requests: number
  connections: number
  losses: Loss[]
  /** Of complete, right answers, since each request was due. */
  latency: Latency
  /** The longest time in ms for which this process did not get to run: what it says of times is no better than that. */
  longestPause: number
}

/** A running load. */
export interface Load {
  /** The next part of the rehearsal has begun: its answers are measured apart. */
  enter: (stage: Stage) => void
  /** Ends the arrivals, waits for every request that is under way, closes all connections. */
  stop: () => Promise<LoadResult>
}

/** Milliseconds from look to look at what is due. */
const tick = 2
const sweepEvery = 200
/** Connections at a time where nobody has said how many: with more the machine would be out of sockets. */
const mostConnections = 5000
/** Requests that wait for a connection. */
const mostWaiting = 50_000

const tooMany = unsent(`${mostWaiting} others wait for a connection`)
/** Milliseconds by which a timer may be late: a request that is sent by then was sent when it was due. */
const lateness = 2 * tick

/**
 * Arrivals are random and independent (Poisson): a slow answer only means more users at a time. What a request takes
 * counts from when it was due, so that the wait for a connection, or for this process, is not left out.
 */
class OpenLoop implements Load {
  readonly #options: LoadOptions
  readonly #tally: Tally
  readonly #users: Users
  readonly #losses: Loss[] = []
  readonly #latency = new LatencyRecorder()
  readonly #clock: NodeJS.Timeout
  readonly #sweeper: NodeJS.Timeout
  #requests = 0
  #nextAt: number
  #ranAt = performance.now()
  #longestPause = 0
  #isStopped = false

  constructor (options: LoadOptions) {
    const { host = '127.0.0.1', port, connections = mostConnections, tally = new Tally() } = options
    const { idle = 2000, timeout = defaults.timeout } = options
    this.#options = options
    this.#tally = tally
    this.#users = new Users({
      host, port, idle, timeout, connections,
      onOutcome: (profile, outcome, sentAt, took) => this.#count(profile, outcome, sentAt, took),
      // One that follows another back to back is one arrival less elsewhere: the rate stays.
      onBurst: () => {
        this.#nextAt += this.#gap()
        return !this.#isStopped
      }
    })
    this.#nextAt = options.profiles.length === 0 ? Infinity : performance.now() + this.#gap()
    this.#clock = setInterval(() => this.#turn(), tick)
    this.#sweeper = setInterval(() => this.#users.sweep(), sweepEvery)
  }

  enter (stage: Stage): void { this.#latency.stage = stage }

  async stop (): Promise<LoadResult> {
    this.#isStopped = true
    clearInterval(this.#clock)
    while (this.#users.underWay + this.#users.waiting > 0) await sleep(20)
    clearInterval(this.#sweeper)
    this.#users.sweep(0)
    return {
      requests: this.#requests,
      connections: this.#users.connections,
      losses: this.#losses,
      latency: this.#latency.read(),
      longestPause: this.#longestPause
    }
  }

  #gap (): number {
    return -Math.log(1 - Math.random()) * 1000 / this.#options.rate
  }

  #turn (): void {
    const now = performance.now()
    this.#longestPause = Math.max(this.#longestPause, Math.round(now - this.#ranAt))
    this.#ranAt = now
    // What falls due while these are sent is for the next turn, so that answers are read in between.
    while (this.#nextAt <= now) {
      const dueAt = this.#nextAt
      this.#nextAt += this.#gap()
      const profile = choose(this.#options.profiles)
      if (this.#users.waiting >= mostWaiting) this.#count(profile, tooMany, Date.now(), 0)
      else this.#users.arrive(profile, now - dueAt > lateness ? dueAt : now)
    }
  }

  #count (profile: RequestProfile, outcome: Outcome, sentAt: number, took: number): void {
    this.#requests++
    const { cause, detail, isReused, path, localPort } = outcome
    const failedAt = Date.now()
    if (cause === undefined) {
      this.#latency.record(took, failedAt)
      return this.#tally.count()
    }
    const trace = localPort === undefined ? undefined : this.#options.trace?.(localPort, failedAt)
    const kind = kindOf(cause, isReused, trace)
    this.#tally.count(kind, trace?.endpoint)
    this.#losses.push({
      kind, detail, path, localPort, sentAt, failedAt,
      isReused: trace?.isReused ?? isReused,
      method: profile.method ?? 'GET',
      profile: profile.name,
      replica: trace?.endpoint
    })
  }
}

/** Puts load on a port until it is stopped. Nothing is retried; each answer is read to its end, and checked. */
export function startLoad (options: LoadOptions): Load {
  return new OpenLoop(options)
}
