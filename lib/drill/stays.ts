import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { request } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { defaults } from './defaults.ts'
import { causeOf } from './exchange.ts'
import type { Trace } from './fronts.ts'
import { kindOf } from './losses.ts'
import type { Cause, Loss, Tally } from './losses.ts'
import { drawn } from './profiles.ts'
import { objection, upgradeHeaders, WebSocketClient } from './websocket.ts'

/** Clients that stay: each keeps one connection open, and comes back when it was told to leave. */
export interface StayProfile {
  kind: 'websocket' | 'events'
  path: string
  headers?: Readonly<Record<string, string>>
  /** How many there are. */
  clients: number
}

/** Who stays, and where. */
export interface StaysOptions {
  host: string
  port: number
  stays: readonly StayProfile[]
  tally: Tally
  /** Milliseconds for the answer to an opening, and to a ping. @default defaults.timeout */
  timeout?: number
  trace?: (localPort: number, at: number) => Trace | undefined
}

/** What those who stay have seen. A connection counts as one request, when it is over. */
export interface StaysResult { requests: number, connections: number, losses: Loss[] }

/** Milliseconds until a client comes back, as browsers wait. */
const pause = [100, 400] as const
/** Milliseconds between two pings on a WebSocket. */
const pingEvery = 1000
/**
 * Close codes that tell a client to leave: normal, going away, without a code, service restart. With any other one, and
 * without a close, the connection was dropped.
 */
const inOrder = new Set([1000, 1001, 1005, 1012])

interface Ending { cause: Cause | undefined, detail: string, localPort: number | undefined }

/** One connection of one client. `settle` hears once how it ended. */
class Visit {
  readonly #stay: StayProfile
  readonly #timeout: number
  readonly #settle: (ending: Ending) => void
  readonly #request: ClientRequest
  readonly #key = randomBytes(16).toString('base64')
  /** While an answer, or a pong, is waited for. */
  #timer: NodeJS.Timeout | undefined
  #pinger: NodeJS.Timeout | undefined
  #client: WebSocketClient | undefined
  #isOpen = false
  #isSettled = false
  #localPort: number | undefined

  constructor (
    stay: StayProfile, { host, port, timeout = defaults.timeout }: StaysOptions, settle: (ending: Ending) => void
  ) {
    this.#stay = stay
    this.#timeout = timeout
    this.#settle = settle
    const own = stay.kind === 'websocket' ? upgradeHeaders(this.#key) : { accept: 'text/event-stream' }
    this.#request = request({ host, port, path: stay.path, agent: false, headers: { ...stay.headers, ...own } })
    this.#timer = this.#expect('no answer')
    this.#request.once('socket', (socket) => socket.once('connect', () => { this.#localPort = socket.localPort }))
    this.#request.on('error', (error: NodeJS.ErrnoException) => {
      this.#end(this.#isOpen ? 'dropped' : causeOf(error, false), error.code ?? error.message)
    })
    this.#request.once('response', (response) => this.#answered(response))
    this.#request.once('upgrade', (response, socket, head) => {
      const why = stay.kind === 'events' ? 'an upgrade' : objection(response, this.#key)
      if (why !== undefined) {
        socket.destroy()
        return this.#end('wrong-answer', why)
      }
      this.#open()
      this.#client = new WebSocketClient(socket, head, {
        onClose: (code, reason) => {
          this.#end(inOrder.has(code) ? undefined : 'dropped', `closed with ${code} ${reason}`)
        },
        onPong: () => this.#heard()
      })
      this.#pinger = setInterval(() => {
        if (this.#timer !== undefined) return
        this.#timer = this.#expect('no pong')
        this.#client?.ping()
      }, pingEvery)
    })
    this.#request.end()
  }

  /** The client leaves, and nothing is lost by it. */
  leave (): void { this.#end(undefined, '') }

  get isOpen (): boolean { return this.#isOpen }

  #expect (what: string): NodeJS.Timeout {
    return setTimeout(() => this.#end('timeout', `${what} in ${this.#timeout} ms`), this.#timeout)
  }

  #open (): void {
    this.#isOpen = true
    this.#heard()
  }

  #heard (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #answered (response: IncomingMessage): void {
    const { statusCode: status = 0, headers: { 'content-type': type = 'none' } } = response
    if (status >= 500) return this.#end('answered-5xx', `status ${status}`)
    if (this.#stay.kind === 'websocket' || status !== 200) return this.#end('wrong-answer', `status ${status}`)
    if (!type.startsWith('text/event-stream')) return this.#end('wrong-answer', `content-type ${type}`)
    this.#open()
    const dropped = (): void => this.#end('dropped', 'the stream was cut')
    response.once('end', () => response.complete ? this.#end(undefined, '') : dropped())
    response.on('error', dropped).once('close', dropped).resume()
  }

  #end (cause: Cause | undefined, detail: string): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#heard()
    clearInterval(this.#pinger)
    this.#client?.destroy()
    this.#request.destroy()
    this.#settle({ cause, detail: detail.trim(), localPort: this.#localPort })
  }
}

/** All who stay. */
class Stays {
  readonly #options: StaysOptions
  readonly #result: StaysResult = { requests: 0, connections: 0, losses: [] }
  readonly #stopping = new AbortController()
  readonly #visits = new Set<Visit>()
  readonly #everyone: Promise<void>

  constructor (options: StaysOptions) {
    this.#options = options
    setMaxListeners(0, this.#stopping.signal)
    const each = options.stays.flatMap((stay) => Array.from({ length: stay.clients }, () => this.#keep(stay)))
    this.#everyone = Promise.all(each).then(() => {})
  }

  async stop (): Promise<StaysResult> {
    this.#stopping.abort()
    for (const visit of this.#visits) visit.leave()
    await this.#everyone
    return this.#result
  }

  async #keep (stay: StayProfile): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      await this.#visit(stay)
      await sleep(drawn(pause), undefined, { signal }).catch(() => {})
    }
  }

  async #visit (stay: StayProfile): Promise<void> {
    const sentAt = Date.now()
    let visit: Visit | undefined
    const ending = await new Promise<Ending>((resolve) => {
      visit = new Visit(stay, this.#options, resolve)
      this.#visits.add(visit)
    })
    this.#visits.delete(visit!)
    if (ending.localPort !== undefined) this.#result.connections++
    // One that has not been answered when all is over was neither served nor lost.
    if (ending.cause !== undefined || visit!.isOpen) this.#count(stay, ending, sentAt)
  }

  #count ({ kind: what, path }: StayProfile, { cause, detail, localPort }: Ending, sentAt: number): void {
    const { tally, trace: ask } = this.#options
    this.#result.requests++
    if (cause === undefined) return tally.count()
    const failedAt = Date.now()
    const trace = localPort === undefined ? undefined : ask?.(localPort, failedAt)
    const kind = kindOf(cause, false, trace)
    tally.count(kind)
    this.#result.losses.push({
      kind, detail, path, localPort, sentAt, failedAt,
      isReused: false,
      method: 'GET',
      profile: `${what} ${path}`,
      replica: trace?.endpoint
    })
  }
}

/** Opens connections that stay, until they are stopped. */
export function startStays (options: StaysOptions): { stop: () => Promise<StaysResult> } {
  return new Stays(options)
}
