import type { ServerResponse } from 'node:http'
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Faults } from '../util/faults.ts'
import type { Socket } from 'node:net'
import { monotonicNow } from '../clock.ts'
import type { CutConnection, CutRequest } from '../lifecycle/report.ts'
import type { Connections } from './connections.ts'
import type { Tracked } from './followed-replies.ts'
import {
  currentReply, isBusy, isProbed, isUpgraded, isUsed, kind, startedAt, carrierUnder, wasTold, replyOf
} from './tags.ts'
import type { HttpSocket } from './tags.ts'
import type { InFlight } from './in-flight.ts'
import { streamOf } from './protocol.ts'
import { EndWitness } from './whose-end.ts'
import { hasLeftHttp, hasPeerEnded, headOf } from '../fastify/node-internals.ts'

type Holder = Socket | ServerHttp2Session

/** The last request of a connection that has come to its end. */
interface LastRequest { method: string, route: string | undefined, endedAt: number, told: boolean }

/** An HTTP/2 reply, of Node's interface that looks like HTTP/1. */

/**
 * What somebody lost during an end: requests whose connection was ended by code in this process that is not the plugin,
 * and connections that have just carried a request when the time is over. Nothing is noted while the service runs.
 */
export class Losses {
  readonly #connections: Connections
  readonly #describe: (reply: ServerResponse) => InFlight
  readonly #onLost: (request: CutRequest) => void
  readonly #faults: Faults
  readonly #witness: EndWitness
  readonly #lost = new WeakSet<ServerResponse>()
  readonly #last = new WeakMap<Holder, LastRequest>()
  /** A stream that has closed does not tell any more. */
  readonly #sessions = new WeakMap<ServerResponse, ServerHttp2Session>()
  #byOthers: CutRequest[] = []
  #watching = false

  /** @param onLost called with each request that other code ends */
  constructor (
    connections: Connections,
    describe: (reply: ServerResponse) => InFlight,
    onLost: (request: CutRequest) => void,
    faults: Faults
  ) {
    this.#faults = faults
    this.#witness = new EndWitness(faults)
    this.#connections = connections
    this.#describe = describe
    this.#onLost = onLost
  }

  /** Phase 1 begins, or a plain close. */
  start (): void {
    this.#watching = true
    this.#byOthers = []
    this.#connections.onDestroy = (socket, error) => this.#destroying(socket, error)
  }

  /** Phase 1 was undone, or the time is over and the plugin ends what is left. */
  stop (): void {
    this.#watching = false
    this.#connections.onDestroy = undefined
  }

  /** Requests that other code ended, in the order in which it did. */
  get byOthers (): CutRequest[] {
    return this.#byOthers
  }

  /** Whether a reply is one of {@link byOthers}: its handler may run on. */
  has (reply: ServerResponse): boolean {
    return this.#lost.has(reply)
  }

  /** What came over a connection was no HTTP, or not in time: it ends by its client. */
  refuse (socket: Socket): void {
    this.#witness.settle(socket, 'client')
  }

  /** A reply is followed. */
  follow ({ reply, socket }: Tracked): void {
    if (socket !== undefined) this.#witness.watch(socket)
    const stream = streamOf(reply)
    if (stream?.session === undefined) return
    const session = stream.session as ServerHttp2Session
    const carrier = carrierUnder(session)
    if (carrier !== undefined) this.#witness.watch(carrier)
    this.#sessions.set(reply, session)
    this.#watchStream(reply, stream, carrier)
  }

  /** A reply has come to its end, whoever brought it about. */
  close (reply: ServerResponse, socket: HttpSocket | undefined): void {
    if (!this.#watching) return
    const holder = socket ?? this.#sessions.get(reply)
    if (isComplete(reply)) {
      if (holder !== undefined) this.#note(reply, holder)
    } else if (socket !== undefined && this.#witness.of(socket) === 'others') this.#lose(reply)
  }

  /** Connections on which a request has ended within the last `idle` milliseconds, and that nobody has told to go. */
  connections (idle: number): CutConnection[] {
    const now = monotonicNow()
    const lost: CutConnection[] = []
    for (const socket of this.#connections.sockets) {
      if (socket[kind] !== 'traffic' || socket.destroyed || isBusy(socket) || isUpgraded(socket)) continue
      this.#addIdle(lost, socket, socket.remoteAddress, now, idle)
    }
    for (const session of this.#connections.sessions) {
      if (!isUsed(session) || isProbed(session) || session.destroyed || wasTold(session)) continue
      this.#addIdle(lost, session, session.socket.remoteAddress, now, idle)
    }
    return lost
  }

  #destroying (socket: HttpSocket, error: Error | null): void {
    // A WebSocket is ended by whoever opened it, as a matter of course: nobody lost an answer.
    if (hasLeftHttp(socket)) return this.#witness.settle(socket, 'client')
    this.#witness.destroying(socket, error)
    const reply = currentReply(socket)
    // A reply that is ended after this passes for one that was sent.
    if (reply && !isComplete(reply) && this.#witness.of(socket) === 'others') this.#lose(reply)
  }

  #addIdle (lost: CutConnection[], holder: Holder, address: string | undefined, now: number, idle: number): void {
    const last = this.#last.get(holder)
    // Of a request that ended while the service ran, only the start is known.
    const since = last?.endedAt ?? (holder as HttpSocket)[startedAt]
    if (last?.told === true || since === undefined || since === 0 || now - since > idle) return
    lost.push({ method: last?.method, route: last?.route, address, age: Math.max(0, Math.round(now - since)) })
  }

  #note (reply: ServerResponse, holder: Holder): void {
    const told = /\r\nConnection: close/i.test(headOf(reply) ?? '')
    this.#last.set(holder, {
      method: reply.req.method ?? '',
      route: replyOf(reply)?.request.routeOptions.url,
      endedAt: monotonicNow(),
      told
    })
  }

  #lose (reply: ServerResponse): void {
    if (!this.#watching || this.#lost.has(reply)) return
    const { method, route, age, kind: requestKind } = this.#describe(reply)
    // A stream is ended by whoever writes it, and its client comes back.
    if (requestKind !== 'request') return
    this.#lost.add(reply)
    const lost = { method, route, age }
    this.#byOthers.push(lost)
    this.#onLost(lost)
  }

  /** A stream closed from outside is marked as closed before it is destroyed; from inside, one of these runs. */
  #watchStream (reply: ServerResponse, stream: ServerHttp2Stream, carrier: Socket | undefined): void {
    for (const name of ['close', 'destroy'] as const) {
      const original = stream[name] as (...parameters: unknown[]) => unknown
      const look = this.#faults.guard('the end of a stream', () => {
        if (!stream.closed && !stream.destroyed && !isComplete(reply) && this.#isLocal(carrier)) this.#lose(reply)
      })
      const witness = (...parameters: unknown[]): unknown => {
        look()
        return original.apply(stream, parameters)
      }
      Object.defineProperty(stream, name, { value: witness, configurable: true, writable: true })
    }
  }

  /** Node closes the streams of a connection that its client has left. */
  #isLocal (carrier: Socket | undefined): boolean {
    if (carrier === undefined) return true
    return !(carrier.destroyed || hasPeerEnded(carrier)) || this.#witness.of(carrier) === 'others'
  }
}

/** Whether all of a reply has been handed to the kernel. */
function isComplete (reply: ServerResponse): boolean {
  const stream = streamOf(reply)
  return stream === undefined ? reply.writableFinished : reply.writableEnded && stream.writableFinished
}
