import type { ServerResponse } from 'node:http'
import { constants } from 'node:http2'
import type { ServerHttp2Stream } from 'node:http2'
import type { Clock } from '../clock.ts'
import type { Cut } from '../lifecycle/report.ts'
import { afterTurns } from './listeners.ts'
import type { Connections } from './connections.ts'
import type { FollowedReplies } from './followed-replies.ts'
import type { IdleSweep } from './idle.ts'
import type { InFlightList } from './in-flight.ts'
import type { Listeners } from './listeners.ts'
import type { Endings } from './long-lived.ts'
import type { Losses } from './losses.ts'
import { isHttp2Reply } from './protocol.ts'

/** Longest time that streams ended at the cut have to drain, in milliseconds; half of `close` where that is less. */
const longestCut = 1000

/** What there may be left, and who knows of it. */
interface Parts {
  clock: Clock
  followed: FollowedReplies
  inFlight: InFlightList
  connections: Connections
  listeners: Listeners
  endings: Endings
  losses: Losses
  idle: IdleSweep
  /** What is kept for the close of the application, in milliseconds. */
  close: number
}

/** The end of phase 3: what is left is ended, and named. */
export class CutOff {
  readonly #parts: Parts
  /** Whether streams that were ended when their time was over have still to drain. */
  isDraining = false

  constructor (parts: Parts) {
    this.#parts = parts
  }

  /** Ends what is left, and says what it was. */
  cut (): Omit<Cut, 'waiting'> {
    const { clock, followed, inFlight, connections, endings, losses, idle, close } = this.#parts
    const left = inFlight.oldest(Infinity, (reply) => !losses.has(reply))
    const lost = losses.connections(idle.idle)
    const draining = endings.cutStreams(inFlight.streams())
    // Each stream of a session is to know that it was cut; also what shares a session with a reply that is exempt.
    for (const { reply } of followed.tracked()) {
      if (!isHttp2Reply(reply) || draining.has(reply)) continue
      resetStream(reply)
      draining.add(reply)
    }
    const upgradedSockets = connections.destroyAll(draining)
    if (draining.size > 0) {
      this.isDraining = true
      clock.after(Math.min(longestCut, close / 2), () => afterTurns(clock, () => this.#destroyRest()))
    }
    const upgraded = Math.max(upgradedSockets, left.filter((request) => request.kind === 'upgraded').length)
    return {
      requests: left.filter((request) => request.kind === 'request')
        .map(({ method, route, age }) => ({ method, route, age })),
      streams: left.filter((request) => request.kind === 'stream').length,
      upgraded: upgraded + endings.webSocketsCut,
      connections: lost,
      byOthers: losses.byOthers
    }
  }

  /** What has not drained is destroyed. */
  #destroyRest (): void {
    this.isDraining = false
    this.#parts.connections.destroyAll()
    this.#parts.listeners.sweep()
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
