import type { ServerHttp2Session } from 'node:http2'
import type { Clock } from '../lifecycle/clock.ts'
import { isProbed, isUpgraded, isUsed, kind } from './connections.ts'
import type { Connections } from './connections.ts'
import type { Requests, Tracked } from './requests.ts'

/**
 * Tells connections to reconnect elsewhere: `Connection: close` on a reply whose head is not sent, GOAWAY on HTTP/2.
 */
export class Shedding {
  readonly #requests: Requests
  readonly #connections: Connections
  readonly #clock: Clock
  readonly #onShed: () => void
  readonly #thresholds = new WeakMap<ServerHttp2Session, number>()
  /** The present share, 0 to 1. */
  #share = 0

  constructor (clock: Clock, requests: Requests, connections: Connections, onShed: () => void) {
    this.#clock = clock
    this.#requests = requests
    this.#connections = connections
    this.#onShed = onShed
  }

  /** A request has come: its predecessor on the connection must not close it any more. */
  arrive (tracked: Tracked, predecessor: Tracked | undefined): void {
    if (predecessor?.shed === true && !predecessor.reply.headersSent) {
      // Marking a reply with pipelined successors would lose them.
      predecessor.shed = false
      predecessor.reply.shouldKeepAlive = true
    }
    this.#consider(tracked)
  }

  /** The ramp has moved on. */
  raise (share: number): void {
    this.#share = share
    if (share === 0) return
    for (const tracked of this.#requests.tracked()) this.#consider(tracked)
    for (const session of this.#connections.sessions) this.considerSession(session)
  }

  /** More replies are followed than when the ramp moved on. */
  again (): void {
    this.raise(this.#share)
  }

  /** A session that has just been opened is left alone until its first request is here: its client would give that up. */
  considerSession (session: ServerHttp2Session): void {
    if (!isUsed(session)) return
    let threshold = this.#thresholds.get(session)
    if (threshold === undefined) this.#thresholds.set(session, threshold = Math.random())
    if (threshold >= this.#share || this.#connections.wasTold(session) || session.destroyed || session.closed) return
    this.#connections.tellSession(session, this.#clock.now())
    if (!isProbed(session)) this.#onShed()
  }

  #consider (tracked: Tracked): void {
    const { reply, socket } = tracked
    if (tracked.shed || tracked.threshold >= this.#share || socket === undefined || isUpgraded(socket)) return
    if (reply.headersSent || !reply.shouldKeepAlive || this.#requests.newestOf(socket) !== tracked) return
    tracked.shed = true
    reply.shouldKeepAlive = false
    // Nobody's absence is evidence but the balancer's; and nobody was told before the reply is out.
    if (socket[kind] !== 'probe') reply.once('finish', () => { if (tracked.shed) this.#onShed() })
  }
}
