import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { clearInterval, setInterval } from 'node:timers'
import { nextTick } from '../util/timers.ts'
import { Accepted, Connections } from './connections.ts'
import { HeadEnd, formatPlain, readPlain } from './plain.ts'
import type { AnswerPlainly } from './plain.ts'
import { SerialConnection } from './serial.ts'
import { Turns } from './turns.ts'

/** Bounds for callers that mean no good, or are broken: times in milliseconds, and heads. */
const times = { header: 2000, request: 5000, keepAlive: 5000, look: 500 } as const
const heads = { bytes: 8192, fields: 64, perConnection: 1000 } as const

/** Connections that the kernel keeps for such a server: where there is no room, a probe's waits for a second. */
export const backlog = 4096
/** The longest URL of a probe that comes first; one with many names to exclude takes longer, and can wait. */
const longestUrgent = 100
/** Bytes of a first request that are looked at before Node's parser does. */
const firstLook = 128
/** Characters of an answer that the kernel takes at once, whether it is read or not. */
const longestPlain = 2048

/** Answers a request; `later` does work in a turn of the event loop of its own, which a probe does not wait for. */
type Answer = (request: IncomingMessage, response: ServerResponse, later: (work: () => void) => void) => void

/**
 * An HTTP server on a port of our own, on which a stranger can ask for nothing that grows. It reads no bodies, has one
 * answer under way per connection, and answers probes before everything else. Where too many connect, the oldest goes:
 * whoever fills the port keeps no probe out.
 *
 * @param isProbe whether a request for this URL is one of those that come first
 * @param plainly answers a first request that is nothing but a probe, without Node's parser, which costs as much as all
 * else; default: Node's server answers
 */
export function createBoundedServer (
  isProbe: (url: string) => boolean, answer: Answer, plainly: AnswerPlainly = () => undefined
): Server {
  const server = createServer({
    headersTimeout: times.header,
    requestTimeout: times.request,
    keepAliveTimeout: times.keepAlive,
    connectionsCheckingInterval: times.look,
    maxHeaderSize: heads.bytes,
    insecureHTTPParser: false,
    // Said where an answer may come in pieces: for most of a crowd it would be a call of the kernel for nothing.
    noDelay: false
  })
  server.maxHeadersCount = heads.fields
  server.maxRequestsPerSocket = heads.perConnection
  const connections = new Connections((accepted) => { turns.drop(accepted) })
  const turns = new Turns(connections.mostArrived)
  const isUrgent = (url: string): boolean => url.length <= longestUrgent && isProbe(url)
  const receive = (request: IncomingMessage, response: ServerResponse): void => {
    const connection = request.socket as unknown as SerialConnection
    // A second one can only come where Node's parser has seen the end of a head elsewhere.
    if (!connection.begin()) return void connection.destroy()
    const later = (work: () => void): void => { if (!connection.destroyed) turns.add('other', connection, work) }
    response.once('close', () => {
      // What has come in one piece is answered in many turns, be it probes.
      if (connection.hasMore) later(() => { connection.next() })
      else connection.next()
    })
    if (hasBody(request)) response.setHeader('connection', 'close')
    if (isUrgent(request.url ?? '')) answer(request, response, later)
    else later(() => { answer(request, response, later) })
  }
  server.on('request', receive)
  // A connection that could not be accepted ends nothing.
  server.on('error', () => {})
  // Without it Node answers by itself, and nobody hears of it.
  server.on('checkExpectation', receive)
  server.on('clientError', (_error, socket) => { socket.destroy() })
  guardConnections(server, connections, turns, {
    isUrgent: (chunk) => isUrgent(urlOf(chunk)) && isAlone(chunk),
    // One that closes says so in its own way.
    reply: (accepted, first) => server.listening ? replyPlainly(connections, accepted, first, plainly) : undefined
  })
  return server
}

/** The answer to this request may last: a stream, or a call that waits for phase 1. It is kept where others go. */
export function mayLast ({ socket }: IncomingMessage): void {
  const connection: unknown = socket
  if (connection instanceof SerialConnection) connection.last()
}

/** What becomes of a connection that was answered at once. */
type Replied = 'stays' | 'leaves' | undefined

/** Answers what a connection begins with, where it is a plain question; undefined where it is not. */
function replyPlainly (
  connections: Connections, accepted: Accepted, first: Buffer, plainly: AnswerPlainly
): Replied {
  const { socket } = accepted
  const request = readPlain(first)
  const answer = request && ask(() => plainly(request, socket.remoteAddress))
  if (request === undefined || answer === undefined || answer.body.length > longestPlain) return undefined
  // Where many are here, whoever has been told goes, and nobody else's connection is closed for it.
  const stays = request.isKept && connections.hasRoom
  const keeping = stays ? { timeout: times.keepAlive / 1000, max: heads.perConnection } : undefined
  socket.write(formatPlain(request, answer, keeping), (error) => {
    if (error) return
    // The kernel has it, and who asks so sends nothing more that its end could turn into a reset.
    answer.sent()
    // From within here Node would make an error for whoever waits for the end: it costs more than the answer.
    if (!stays) nextTick(() => { connections.leave(accepted) })
  })
  return stays ? 'stays' : 'leaves'
}

/** What fails here fails again, and is told of, on the long way. */
function ask<T> (work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

/** What is done with bytes that have come. */
interface Chunks {
  isUrgent: (chunk: Buffer) => boolean
  reply: (accepted: Accepted, first: Buffer) => Replied
}

/** Puts a connection that gives one request at a time in the place of each that Node's server is given. */
function guardConnections (
  server: Server, connections: Connections, turns: Turns, { isUrgent, reply }: Chunks
): void {
  const listeners = server.listeners('connection')
  server.removeAllListeners('connection')
  const begin = (accepted: Accepted, first: Buffer): void => {
    const { socket } = accepted
    if (socket.destroyed) return
    const connection = new SerialConnection(socket, accepted.address, (chunk, handOn) => {
      turns.add(isUrgent(chunk) ? 'again' : 'other', connection, handOn)
    })
    connection.once('close', () => { turns.drop(connection) })
    connections.begin(accepted, connection)
    socket.setNoDelay()
    for (const listener of listeners) listener.call(server, connection)
    connection.start(first)
  }
  const handOn = (accepted: Accepted, first: Buffer): void => {
    const isFirst = isUrgent(first)
    accepted.socket.pause()
    accepted.hasAsked = true
    if (isFirst) connections.probe(accepted)
    turns.add(isFirst ? 'first' : 'other', accepted, () => { begin(accepted, first) })
  }
  const greet = (accepted: Accepted): void => {
    const { socket } = accepted
    connections.greet(accepted)
    socket.on('error', () => { socket.destroy() })
    read(socket, (first) => {
      const replied = reply(accepted, first)
      if (replied === undefined) return handOn(accepted, first)
      accepted.rest()
      if (replied === 'stays') read(socket, (next) => { handOn(accepted, next) })
    })
  }
  // Node reads from a connection at once otherwise, and up to 64 KiB.
  Object.assign(server, { pauseOnConnect: true })
  server.on('connection', (socket: Socket) => {
    const accepted = new Accepted(socket)
    connections.add(accepted)
    turns.arrive(accepted, () => { greet(accepted) })
  })
  closeWithServer(server, connections)
  let timer: NodeJS.Timeout | undefined
  server.on('listening', () => {
    clearInterval(timer)
    timer = setInterval(() => { connections.look() }, times.look).unref()
  })
  server.on('close', () => { clearInterval(timer) })
}

/** The first bytes of a connection; one that ends without any is destroyed. */
function read (socket: Socket, begin: (first: Buffer) => void): void {
  const leave = (): void => { socket.destroy() }
  socket.once('end', leave)
  socket.once('data', (first: Buffer) => {
    socket.off('end', leave)
    begin(first)
  })
  socket.resume()
}

/** Node knows of a connection since its first request only: without this a server's close would wait for the others. */
function closeWithServer (server: Server, connections: Connections): void {
  const { closeAllConnections, closeIdleConnections } = server
  server.closeAllConnections = () => {
    connections.destroy(() => true)
    closeAllConnections.call(server)
  }
  server.closeIdleConnections = () => {
    connections.destroy(({ connection }) => connection === undefined)
    closeIdleConnections.call(server)
  }
}

/** What a first request seems to ask for; Node's parser decides. */
function urlOf (first: Buffer): string {
  return first.toString('latin1', 0, firstLook).split(' ', 2)[1] ?? ''
}

/** Nobody who probes asks for more before the answer. */
function isAlone (chunk: Buffer): boolean {
  const end = new HeadEnd().find(chunk)
  return end === undefined || end === chunk.length
}

function hasBody ({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** All addresses, those of IPv4 included; and what is left of them where there is no IPv6. */
const anyAddress = { both: '::', ipv4: '0.0.0.0' } as const
/** What says that there is no IPv6. */
const noIpv6 = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EPROTONOSUPPORT'])

/**
 * Where a server listens that could not on `host`: on all addresses of IPv4, where it was to listen on all of both
 * families and there is no IPv6. Undefined where it has to stay with the error.
 */
export function addressWithoutIpv6 (host: string, error: unknown): string | undefined {
  const { code = '' } = error as NodeJS.ErrnoException
  return host === anyAddress.both && noIpv6.has(code) ? anyAddress.ipv4 : undefined
}
