import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { Faults } from '../util/faults.ts'
import type { Connections } from './connections.ts'
import type { FollowedReplies } from './followed-replies.ts'
import { currentReply } from './tags.ts'
import type { HttpSocket } from './tags.ts'
import { isHttp2Request } from './protocol.ts'
import { pieceBeingParsed } from '../fastify/node-internals.ts'

type Listener = (...parameters: never[]) => void

const headEnd = '\r\n\r\n'

/**
 * From phase 1 on each request of HTTP/1 is met as soon as Node has parsed it: a bad URL, and what
 * hooks before ours answer, never reach our hook. While the service runs, nobody listens.
 */
export class EarlyReplies {
  readonly #followed: FollowedReplies
  readonly #connections: Connections
  readonly #watched = new Map<Server, Array<[event: string, listener: Listener]>>()

  readonly #onRefused: (socket: Socket) => void
  readonly #faults: Faults

  /** @param onRefused called with each connection that ends because what came was no HTTP, or not in time */
  constructor (
    followed: FollowedReplies,
    connections: Connections,
    onRefused: (socket: Socket) => void,
    faults: Faults
  ) {
    this.#faults = faults
    this.#followed = followed
    this.#connections = connections
    this.#onRefused = onRefused
  }

  /** Watches these servers; one that is watched already is left alone. */
  watch (servers: Server[]): void {
    for (const server of servers) {
      if (this.#watched.has(server)) continue
      const ours: Array<[string, Listener]> = [
        ['request', this.#follow],
        ['dropRequest', (request: IncomingMessage, socket: HttpSocket) => this.#follow(request, currentReply(socket))],
        ['clientError', (_error: Error, socket: Socket) => this.#refused(socket)]
      ]
      // Node answers these itself where nobody listens.
      if (server.listenerCount('clientError') === 0) ours.pop()
      if (server.listenerCount('checkContinue') > 0) ours.push(['checkContinue', this.#follow])
      ours.push(['checkExpectation', server.listenerCount('checkExpectation') > 0 ? this.#follow : this.#refuse])
      const listeners = ours.map(([event, listener]): [string, Listener] =>
        [event, this.#faults.guard(`listener of '${event}'`, listener)])
      for (const [event, listener] of listeners) {
        server.prependListener(event, listener as (...parameters: unknown[]) => void)
      }
      this.#watched.set(server, listeners)
    }
  }

  /** Phase 1 was undone. */
  stop (): void {
    for (const [server, listeners] of this.#watched) {
      for (const [event, listener] of listeners) server.off(event, listener as (...parameters: unknown[]) => void)
    }
    this.#watched.clear()
  }

  readonly #follow = (request: IncomingMessage, reply: ServerResponse | null | undefined): void => {
    const socket = request.socket as HttpSocket
    if (!reply || isHttp2Request(request) || !this.#connections.sockets.has(socket)) return
    const tracked = this.#followed.follow(reply, socket)
    tracked.isParsing = true
    queueMicrotask(() => { tracked.isParsing = false })
  }

  #refused (socket: Socket): void {
    this.#onRefused(socket)
    closeWithAnswer(socket, (chunk) => this.#faults.attempt('the head of a refusal', () => headWithClose(chunk), chunk))
  }

  /** An expectation that nobody knows is refused as Node does it, but for what the head says. */
  readonly #refuse = (request: IncomingMessage, reply: ServerResponse): void => {
    this.#faults.guard("listener of 'checkExpectation'", this.#follow)(request, reply)
    reply.writeHead(417).end()
  }
}

/**
 * Whether a request without successor was the last in the piece that is being parsed, as far as that piece is known.
 */
export function isLastOfChunk (socket: HttpSocket, { req: request }: ServerResponse): boolean {
  const chunk = pieceBeingParsed(socket)
  if (chunk === undefined || request.headers['transfer-encoding'] !== undefined) return false
  const head = chunk.indexOf(headEnd)
  return head !== -1 && head + headEnd.length + Number(request.headers['content-length'] ?? 0) >= chunk.length
}

/** Who answers what is no HTTP writes to the socket and ends it: the head says so. */
function closeWithAnswer (socket: Socket, withClose: (chunk: unknown) => unknown): void {
  if (Object.hasOwn(socket, 'write')) return
  const restore = (): void => { delete (socket as Partial<Socket>).write }
  socket.write = function write (this: Socket, chunk: unknown, ...rest: unknown[]) {
    restore()
    return Reflect.apply(this.write, this, [withClose(chunk), ...rest])
  }
  process.nextTick(restore)
}

function headWithClose (chunk: unknown): unknown {
  const text = typeof chunk === 'string'
    ? chunk
    : chunk instanceof Uint8Array ? Buffer.from(chunk).toString('latin1') : ''
  const end = text.indexOf(headEnd)
  if (end === -1 || !/^HTTP\/1\.[01] \d{3}/.test(text)) return chunk
  const [first, ...lines] = text.slice(0, end).split('\r\n')
  const kept = lines.filter((line) => !/^(?:connection|keep-alive):/i.test(line))
  const head = [first, ...kept, 'Connection: close'].join('\r\n')
  return typeof chunk === 'string' ? head + text.slice(end) : Buffer.from(head + text.slice(end), 'latin1')
}
