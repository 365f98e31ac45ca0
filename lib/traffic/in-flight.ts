import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { monotonicNow } from '../clock.ts'
import type { CutRequest } from '../lifecycle/report.ts'
import type { Connections } from './connections.ts'
import { isEventStream, isStreamRoute } from './stream-end.ts'
import type { FollowedReplies } from './followed-replies.ts'
import { isUpgraded, replyOf, startOf } from './tags.ts'
import type { HttpSocket } from './tags.ts'
import type { Requests } from './requests.ts'

/** Requests that are looked at where only some are to be named. */
const longestLook = 1000

/** What a request in flight is, as the status and the report show it. */
export type RequestKind =
  /** Somebody waits for the answer. */
  | 'request'
  /**
   * An event stream, a reply whose handler took `request.drainSignal` or whose route says that it
   * is one: its client comes back.
   */
  | 'stream'
  /** A WebSocket or another upgraded socket that came in through a route. */
  | 'upgraded'

/** A request in flight. */
export interface InFlight extends CutRequest { kind: RequestKind }

/** Whoever knows which requests there are. */
interface Parts {
  requests: Requests
  followed: FollowedReplies
  connections: Connections
}

/** Requests in flight as they are shown: method, route, age and kind. */
export class InFlightList {
  readonly #requests: Requests
  readonly #followed: FollowedReplies
  readonly #connections: Connections
  readonly #streams = new WeakSet<IncomingMessage>()

  constructor ({ requests, followed, connections }: Parts) {
    this.#requests = requests
    this.#followed = followed
    this.#connections = connections
  }

  /** Marks a request as one that ends when told. */
  markStream (request: FastifyRequest): void {
    this.#streams.add(request.raw)
  }

  /**
   * The requests in flight with their names, oldest first. With a `limit`, at most so many, and of
   * more than a thousand only the thousand that were followed first are looked at: 20,000 would
   * hold the event loop for tens of milliseconds.
   *
   * @param isListed asked of each reply
   */
  oldest (limit: number = Infinity, isListed: (reply: ServerResponse) => boolean = () => true): InFlight[] {
    this.#followed.sweep()
    const most = limit === Infinity ? Infinity : Math.max(limit, longestLook)
    const replies = new Set<ServerResponse>()
    for (const reply of this.#requests.inFlight()) {
      if (replies.size >= most) break
      if (isListed(reply)) replies.add(reply)
    }
    const now = monotonicNow()
    const oldest = [...replies]
      .map((reply) => ({ reply, start: startOf(reply) ?? now }))
      .toSorted((a, b) => a.start - b.start)
    return oldest.slice(0, limit).map(({ reply }) => this.describe(reply))
  }

  /** The replies that are streams. */
  streams (): ServerResponse[] {
    return this.#replies().filter((reply) => this.#kindOf(reply) === 'stream')
  }

  /** Those whose route says that they are; if it is to be fast, all that have begun, and are known to their client. */
  streamsToEnd (isFast: boolean): ServerResponse[] {
    const isBegun = (reply: ServerResponse): boolean => reply.headersSent && this.#kindOf(reply) === 'stream'
    return this.#replies().filter((reply) => isStreamRoute(reply) || (isFast && isBegun(reply)))
  }

  /** A request in flight with its name. */
  describe (reply: ServerResponse): InFlight {
    const now = monotonicNow()
    return {
      method: reply.req.method ?? '',
      route: replyOf(reply)?.request.routeOptions.url,
      age: Math.max(0, Math.round(now - (startOf(reply) ?? now))),
      kind: this.#kindOf(reply)
    }
  }

  /** Each once: one that came twice would take the place of another where they are told one after the other. */
  #replies (): ServerResponse[] {
    return [...new Set(this.#requests.inFlight())]
  }

  #kindOf (reply: ServerResponse): RequestKind {
    const socket = reply.req.socket as HttpSocket | null
    // Neither a mock of `inject` nor an HTTP/2 stream is upgraded.
    if (socket !== null && this.#connections.sockets.has(socket) && isUpgraded(socket)) return 'upgraded'
    if (this.#streams.has(reply.req)) return 'stream'
    return isEventStream(reply) || isStreamRoute(reply) ? 'stream' : 'request'
  }
}
