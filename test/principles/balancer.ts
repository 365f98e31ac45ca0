import { Agent, request } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** How a balancer asks whether a server is fit. Times are milliseconds. */
export interface Check {
  every: number
  fall: number
  path?: string
  method?: string
  headers?: Record<string, string>
  /** HTTP/1.0 without `Host`, as HAProxy asks by default; or on one kept connection; or over HTTP/2. */
  manner?: 'new' | 'bare' | 'kept' | 'http2'
  /** Where it asks, if not at the server's own port. */
  port?: (server: number) => number
  /** Local address of each question. */
  from?: (question: number) => string
  /** When it begins, after the start of the balancer. */
  after?: number
  /** The one question that comes late, counted from 0, and by how much. */
  late?: { question: number, by: number }
  /** It asks no more once a server is out. */
  stops?: boolean
}

/** Learns by its checks which servers are fit, and sends each request on a new connection. Nothing is tried twice. */
export class Balancer {
  readonly #servers: number[]
  readonly #check: Check
  readonly #out = new Map<number, number>()
  readonly #agents = new Map<number, Agent>()
  readonly #sessions = new Map<number, ClientHttp2Session>()
  #turn = 0
  #stopped = false
  #asked = 0
  readonly #pending = new Set<Promise<void>>()
  sent = 0
  readonly losses: string[] = []

  constructor (servers: number[], check: Check) {
    this.#servers = [...servers]
    this.#check = check
    for (const server of servers) void this.#watch(server)
  }

  /** When a server was taken out. */
  outAt (server: number): number | undefined {
    return this.#out.get(server)
  }

  /** Sends so many requests per second until told to stop; POST by turns with GET. */
  load (perSecond: number): () => Promise<void> {
    const timer = setInterval(() => this.#track(this.#send()), 1000 / perSecond)
    return async () => {
      clearInterval(timer)
      await Promise.all(this.#pending)
    }
  }

  stop (): void {
    this.#stopped = true
    for (const agent of this.#agents.values()) agent.destroy()
    for (const session of this.#sessions.values()) session.destroy()
  }

  #track (promise: Promise<void>): void {
    this.#pending.add(promise)
    void promise.finally(() => this.#pending.delete(promise))
  }

  async #send (): Promise<void> {
    const fit = this.#servers.filter((server) => !this.#out.has(server))
    const server = fit[this.#turn++ % fit.length]
    this.sent++
    if (server === undefined) {
      this.losses.push('nobody is fit')
      return
    }
    const method = this.#turn % 2 === 0 ? 'GET' : 'POST'
    const status = await ask({ port: server, path: '/', method, headers: {}, agent: new Agent({ keepAlive: false }) })
    if (status !== 200) this.losses.push(`${method} at ${server}: ${status}`)
  }

  async #watch (server: number): Promise<void> {
    const { every, fall, after = 0, late } = this.#check
    let failed = 0
    let next = performance.now() + after
    for (let question = 0; !this.#stopped; question++) {
      if (question === late?.question) next += late.by
      await sleep(Math.max(0, next - performance.now()))
      next += every
      if (this.#stopped) return
      const status = await this.#probe(server)
      failed = status >= 200 && status < 400 ? 0 : failed + 1
      if (failed === fall) this.#out.set(server, performance.now())
      if (failed >= fall && this.#check.stops === true) return
    }
  }

  async #probe (server: number): Promise<number> {
    const {
      manner = 'new', path = '/readyz', method = 'GET', headers = {}, port = (own: number) => own, from
    } = this.#check
    const to = port(server)
    const localAddress = from?.(this.#asked++)
    if (manner === 'bare') return askBare(to, path, method)
    if (manner === 'http2') return this.#probeHttp2(to, path)
    if (manner === 'new') {
      return Number(await ask({
        port: to,
        path,
        method,
        headers,
        localAddress,
        agent: new Agent({ keepAlive: false })
      })) || 0
    }
    let agent = this.#agents.get(to)
    if (agent === undefined) this.#agents.set(to, agent = new Agent({ keepAlive: true, maxSockets: 1 }))
    return Number(await ask({ port: to, path, method, headers, agent })) || 0
  }

  #probeHttp2 (port: number, path: string): Promise<number> {
    let session = this.#sessions.get(port)
    if (session === undefined || session.closed || session.destroyed) {
      this.#sessions.set(port, session = connectHttp2(`http://127.0.0.1:${port}`).on('error', () => {}))
    }
    return new Promise((resolve) => {
      const stream = session.request({ ':path': path })
      stream.on('response', ({ ':status': status = 0 }) => resolve(status)).on('error', () => resolve(0)).resume()
      stream.setTimeout(2000, () => resolve(0))
    })
  }
}

interface Question {
  port: number
  path: string
  method: string
  headers: Record<string, string>
  agent: Agent
  localAddress?: string | undefined
}

/** The status, or what went wrong. */
function ask ({ localAddress, ...question }: Question): Promise<number | string> {
  return new Promise((resolve) => {
    const asked = request({
      host: '127.0.0.1',
      ...question,
      ...localAddress === undefined ? {} : { localAddress }
    }, (response) => {
      response.resume()
      response.once('end', () => resolve(response.complete ? response.statusCode ?? 0 : 'truncated'))
    })
    asked.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    asked.setTimeout(5000, () => asked.destroy(new Error('no answer in 5 s')))
    asked.end()
  })
}

function askBare (port: number, path: string, method: string): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => { text += chunk }).on('error', () => resolve(0))
    socket.once('close', () => resolve(Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0)))
    socket.setTimeout(2000, () => socket.destroy())
    socket.end(`${method} ${path} HTTP/1.0\r\n\r\n`)
  })
}
