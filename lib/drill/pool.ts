import { once } from 'node:events'
import { Agent, createServer, request as open } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { join, reset, Rotation } from './balancer.ts'
import type { Endpoint, Front, Trace } from './fronts.ts'

/** Headers that are one connection's own business. */
const ownHeaders = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])

/** One replica, and the connections that are kept to it. */
interface Member {
  endpoint: Endpoint
  agent: Agent
}

/** An agent that goes by its own time, and not by what the server advises. */
class PoolAgent extends Agent {
  readonly #idle: number

  constructor (idle: number) {
    super({ keepAlive: true, maxFreeSockets: 1000 })
    this.#idle = idle
  }

  override keepSocketAlive (socket: Socket): boolean {
    socket.setTimeout(this.#idle)
    return true
  }
}

/**
 * A balancer that understands HTTP: it chooses a replica for each request, in turn, and keeps its connections to it. A
 * replica that is out of rotation gets no more requests. Nothing is retried: what a replica does not answer ends the
 * client's connection.
 */
class Pool implements Front {
  readonly host = '127.0.0.1'
  readonly #idle: number
  readonly #rotation = new Rotation<Member>()
  readonly #members = new Map<Endpoint, Member>()
  readonly #sockets = new Set<Socket>()
  /** By the client's port: of its last request. */
  readonly #traces = new Map<number, Trace>()
  readonly #server: Server

  constructor (idle: number) {
    this.#idle = idle
    this.#server = createServer(
      { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0, noDelay: true },
      (request, response) => this.#forward(request, response)
    )
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      this.#upgrade(request, socket, head)
    })
  }

  get port (): number { return (this.#server.address() as AddressInfo).port }

  async listen (): Promise<void> {
    this.#server.listen({ port: 0, host: this.host, backlog: 4096 })
    await once(this.#server, 'listening')
  }

  add (endpoint: Endpoint): void {
    const member = this.#members.get(endpoint) ?? { endpoint, agent: new PoolAgent(this.#idle) }
    this.#members.set(endpoint, member)
    this.#rotation.add(member)
  }

  remove (endpoint: Endpoint): void {
    const member = this.#members.get(endpoint)
    if (member !== undefined) this.#rotation.remove(member)
  }

  has (endpoint: Endpoint): boolean {
    const member = this.#members.get(endpoint)
    return member !== undefined && this.#rotation.has(member)
  }

  connections (endpoint: Endpoint): number {
    const { sockets = {}, freeSockets = {} } = this.#members.get(endpoint)?.agent ?? {}
    return [sockets, freeSockets].flatMap((kept) => Object.values(kept))
      .reduce((sum, of) => sum + (of?.length ?? 0), 0)
  }

  trace (localPort: number): Trace | undefined { return this.#traces.get(localPort) }

  close (): void {
    this.#server.close()
    for (const { agent } of this.#members.values()) agent.destroy()
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Whose turn it is; undefined where nobody is in rotation, and the client is told. */
  #choose (client: Socket): [member: Member | undefined, trace: Trace] {
    const member = this.#rotation.take()
    const trace: Trace = { endpoint: member?.endpoint.name, isRefused: member === undefined, isReused: false }
    if (client.remotePort !== undefined) this.#traces.set(client.remotePort, trace)
    if (member === undefined) reset(client)
    return [member, trace]
  }

  #forward (request: IncomingMessage, response: ServerResponse): void {
    const client = request.socket
    const [member, trace] = this.#choose(client)
    if (member === undefined) return
    const { host, port } = member.endpoint
    const { method, url: path } = request
    const sent = open({ host, port, agent: member.agent, method, path, headers: forwarded(request), setHost: false })
    let isOpen = false
    sent.once('socket', (socket) => {
      trace.isReused = sent.reusedSocket
      if (!socket.connecting) isOpen = true
      else socket.once('connect', () => { isOpen = true })
    })
    const fail = (): void => {
      trace.isRefused = !isOpen
      reset(client)
    }
    sent.once('error', fail)
    sent.once('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, pairs(answer.rawHeaders))
      answer.once('close', () => {
        // A cut answer has to be cut for the client as well.
        if (!answer.complete) reset(client)
      })
      answer.on('error', () => {})
      answer.pipe(response)
    })
    response.once('close', () => {
      if (!response.writableFinished) sent.destroy()
    })
    request.on('error', () => {})
    request.pipe(sent)
  }

  /** What leaves HTTP has a connection of its own. */
  #upgrade (request: IncomingMessage, client: Socket, head: Buffer): void {
    const [member, trace] = this.#choose(client)
    if (member === undefined) return
    const { host, port } = member.endpoint
    const replica = connect({ host, port, noDelay: true })
    const isRefused = (): void => { trace.isRefused = true }
    replica.once('error', isRefused)
    replica.once('connect', () => replica.off('error', isRefused))
    const lines = pairs(request.rawHeaders, new Set()).map((name, index, all) =>
      index % 2 === 0 ? `${name}: ${all[index + 1]}\r\n` : '')
    replica.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join('')}\r\n`)
    replica.write(head)
    join(client, replica)
    join(replica, client)
  }
}

/** Raw headers without a connection's own. */
function pairs (raw: readonly string[], without: ReadonlySet<string> = ownHeaders): string[] {
  return raw.filter((_, index) => !without.has(raw[index - index % 2]!.toLowerCase()))
}

/** The headers of a request; how long its body is, it has to say. */
function forwarded ({ headers }: IncomingMessage): NodeJS.Dict<string | string[]> {
  const isChunked = headers['transfer-encoding'] !== undefined
  return {
    ...Object.fromEntries(Object.entries(headers).filter(([name]) => !ownHeaders.has(name))),
    ...isChunked ? { 'transfer-encoding': 'chunked' } : {}
  }
}

/** Starts such a balancer on a free port of 127.0.0.1. @param idle milliseconds for which connections are kept */
export async function startPool (idle: number): Promise<Front> {
  const pool = new Pool(idle)
  await pool.listen()
  return pool
}
