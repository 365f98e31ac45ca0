import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import type { FastifyInstance, RawServerBase } from 'fastify'
import type { Test } from 'tap'
import graceful from '../../lib/index.ts'
import type { GracefulOptions, Phase, Report, Status } from '../../lib/index.ts'

const read = (name: string): string => readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8')

/** A key pair for `localhost`, 127.0.0.1 and ::1. */
export const credentials = { key: read('key.pem'), cert: read('certificate.pem') }

/** An application under test, in this process. */
export interface Service {
  app: FastifyInstance
  port: number
  /** What happened, in order: routes add to it, and so does `onClose`. */
  events: string[]
  /** Keeps the shutdown in a phase until the answer is called. */
  hold: (phase: Phase) => () => void
  /** Begins the shutdown and answers its report. */
  shutdown: () => Promise<Report>
  /** Waits for a phase. */
  reached: (phase: Phase) => Promise<void>
  status: () => Status
}

/** How a {@link Service} is built. */
export interface ServiceOptions {
  graceful?: GracefulOptions
  fastify?: object
  /** What is registered before the plugin. */
  first?: (app: FastifyInstance) => unknown
  routes?: (app: FastifyInstance, events: string[]) => unknown
  /** Given to `listen`; 127.0.0.1 and any port by default. */
  listen?: object
}

const signals = { SIGTERM: false, SIGINT: false, SIGHUP: false } as const

/** Starts a service with the plugin. Short times, and none of Kubernetes' floors, unless `options` say so. */
export async function serve (
  t: Test,
  { graceful: given = {}, fastify = {}, first, routes, listen = { port: 0, host: '127.0.0.1' } }: ServiceOptions = {}
): Promise<Service> {
  // Fastify before 5.5 writes into its options.
  const app = Fastify({ ...fastify }) as unknown as FastifyInstance
  const events: string[] = []
  const held = new Set<Phase>()
  first?.(app)
  app.register(graceful, {
    exit: false,
    crash: false,
    signals,
    gracePeriod: 20_000,
    announce: { quiet: 50 },
    drain: { idle: 200 },
    ...given
  })
  app.addHook('onClose', async () => { events.push('onClose') })
  app.get('/', async () => 'ok')
  app.after(() => { app.graceful.stall('test', (phase) => held.has(phase)) })
  await routes?.(app, events)
  await app.listen(listen)
  const shutdown = async (): Promise<Report> => app.graceful.shutdown({ reason: 'test' })
  t.teardown(async () => {
    held.clear()
    const end = shutdown()
    // What a failed test left open must not keep the next one waiting.
    ;(app.server as RawServerBase & { closeAllConnections?: () => void }).closeAllConnections?.()
    await end
  })
  const address = app.server.address()
  return {
    app,
    port: typeof address === 'string' ? 0 : (address as AddressInfo).port,
    events,
    hold: (phase) => {
      held.add(phase)
      return () => { held.delete(phase) }
    },
    shutdown,
    reached: async (phase) => until(
      () => app.graceful.phases.indexOf(app.graceful.phase) >= app.graceful.phases.indexOf(phase),
      `phase ${phase}`
    ),
    status: () => app.graceful.status()
  }
}

/** Waits until something is so, and not for ever. */
export async function until (condition: () => unknown, what = 'it', bound = 30_000): Promise<void> {
  const end = performance.now() + bound
  while (!condition()) {
    if (performance.now() > end) throw new Error(`${what} did not come about within ${bound} ms: ${String(condition)}`)
    await sleep(2)
  }
}

/** A door that is opened by hand. */
export interface Gate { promise: Promise<void>, open: () => void }

export function gate (): Gate {
  let open!: () => void
  const promise = new Promise<void>((resolve) => { open = resolve })
  return { promise, open }
}

/** Keeps the event loop from turning. */
export function block (duration: number): void {
  const end = performance.now() + duration
  while (performance.now() < end);
}

/** A reply as it came over the wire. */
export interface Reply {
  status: number
  headers: Record<string, string>
  body: Buffer
}

const headEnd = Buffer.from('\r\n\r\n')

/** A strict client on a plain socket: what it sends and when is the test's business, and nothing is ever retried. */
export class Wire {
  readonly socket: Duplex
  /** Why the connection broke, if it did. */
  error: Error | undefined
  ended = false
  closed = false
  bytes = 0
  #received: Buffer[] = []
  readonly #heads: boolean[] = []

  constructor (socket: Duplex) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length
      this.#received.push(chunk)
    })
    socket.on('error', (error) => { this.error = error })
    socket.on('end', () => { this.ended = true })
    socket.on('close', () => { this.closed = true })
  }

  /** Sends whatever it is given. */
  write (text: string): void {
    this.socket.write(text)
  }

  /** Sends requests, all in one piece. */
  send (...requests: string[]): this {
    return this.sendWith([], ...requests)
  }

  /** The same, with headers on each. */
  sendWith (headers: string[], ...requests: string[]): this {
    for (const request of requests) this.#heads.push(request.startsWith('HEAD '))
    this.write(requests
      .map((request) => [`${request} HTTP/1.1`, 'Host: test', ...headers, '', ''].join('\r\n'))
      .join(''))
    return this
  }

  /** Sends a request with headers and body. */
  post (path: string, headers: string[], body = ''): this {
    this.#heads.push(false)
    this.write([`POST ${path} HTTP/1.1`, 'Host: test', ...headers, '', body].join('\r\n'))
    return this
  }

  /** What has come and was not taken yet. */
  get text (): string {
    return this.#all().toString('latin1')
  }

  /** Takes the next reply; fails where the connection ends without one. */
  async reply (bound?: number): Promise<Reply> {
    let reply: Reply | undefined
    await until(() => {
      reply = this.#take()
      return reply !== undefined || this.closed
    }, 'a reply', bound)
    reply ??= this.#take()
    if (reply === undefined) {
      throw new Error(
        `closed without a reply (${this.error?.message ?? 'in order'}), got ${JSON.stringify(this.text.slice(0, 200))}`
      )
    }
    return reply
  }

  async end (bound?: number): Promise<void> {
    await until(() => this.closed, 'the end of a connection', bound)
  }

  #all (): Buffer {
    if (this.#received.length > 1) this.#received = [Buffer.concat(this.#received)]
    return this.#received[0] ?? Buffer.alloc(0)
  }

  #take (): Reply | undefined {
    const all = this.#all()
    const index = all.indexOf(headEnd)
    if (index === -1) return undefined
    const [first = '', ...lines] = all.subarray(0, index).toString('latin1').split('\r\n')
    const status = Number(first.split(' ')[1])
    const headers = Object.fromEntries(lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim()
    ]))
    const taken = bodyOf(all.subarray(index + 4), status, headers, this.#heads[0] ?? false, this.ended || this.closed)
    if (taken === undefined) return undefined
    this.#received = [all.subarray(index + 4 + taken.length)]
    if (status >= 200) this.#heads.shift()
    return { status, headers, body: taken.body }
  }
}

function bodyOf (
  rest: Buffer,
  status: number,
  headers: Record<string, string>,
  isHead: boolean,
  over: boolean
): { body: Buffer, length: number } | undefined {
  if (isHead || status < 200 || status === 204 || status === 304) return { body: Buffer.alloc(0), length: 0 }
  if (headers['content-length'] !== undefined) {
    const length = Number(headers['content-length'])
    return rest.length < length ? undefined : { body: rest.subarray(0, length), length }
  }
  if (headers['transfer-encoding'] !== 'chunked') return over ? { body: rest, length: rest.length } : undefined
  const chunks: Buffer[] = []
  for (let at = 0; ;) {
    const line = rest.indexOf('\r\n', at)
    if (line === -1) return undefined
    const size = Number.parseInt(rest.subarray(at, line).toString('latin1'), 16)
    if (rest.length < line + 4 + size) return undefined
    chunks.push(rest.subarray(line + 2, line + 2 + size))
    at = line + 4 + size
    if (size === 0) return { body: Buffer.concat(chunks), length: at }
  }
}

/** Opens a connection, to a port or to whatever `net.connect` takes. */
export async function open (to: number | object, options: object = {}): Promise<Wire> {
  const socket: Socket =
    connect({ ...typeof to === 'number' ? { port: to, host: '127.0.0.1' } : to, ...options } as never)
  const wire = new Wire(socket)
  await once(socket, 'connect')
  return wire
}

/** Whether nobody listens any more. */
export async function refused (port: number, host = '127.0.0.1'): Promise<boolean> {
  const socket = connect(port, host)
  const answer = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(false))
      .once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'))
  })
  socket.destroy()
  return answer
}

/** The record of a phase. */
export function phaseOf (report: Report, phase: Phase): Report['phases'][number] | undefined {
  return report.phases.find((record) => record.phase === phase)
}
