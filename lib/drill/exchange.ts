import { request as open } from 'node:http'
import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import type { Cause } from './losses.ts'
import { drawn, isExpected } from './profiles.ts'
import type { RequestProfile } from './profiles.ts'

/** What came of one request. */
export interface Outcome {
  /** What ended it; undefined where it got its whole, right answer. */
  cause: Cause | undefined
  detail: string
  isReused: boolean
  path: string
  localPort: number | undefined
}

/** Where to send it, and how. */
export interface Sending {
  host: string
  port: number
  agent: Agent
  /** Milliseconds for the whole exchange. */
  timeout: number
  /** A new connection was opened for it. */
  onConnection: () => void
}

/** Of this machine, and not of who is asked. */
const ownFailures = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL'])

/** The cause that an error of a request stands for. */
export function causeOf ({ code = '', syscall }: NodeJS.ErrnoException, hasAnswer: boolean): Cause {
  if (hasAnswer) return 'truncated'
  // A connection that is reset as soon as it is there was never one to the client.
  if (code === 'ECONNREFUSED' || (code === 'ECONNRESET' && syscall === 'connect')) return 'refused'
  return ownFailures.has(code) ? 'not-sent' : 'ended'
}

/** One request, sent once. `settle` hears once what came of it. */
class Exchange {
  readonly #profile: RequestProfile
  readonly #settle: (outcome: Outcome) => void
  readonly #path: string
  readonly #request: ClientRequest
  readonly #timer: NodeJS.Timeout
  #hasAnswer = false
  #isSettled = false
  #localPort: number | undefined

  constructor (profile: RequestProfile, sending: Sending, settle: (outcome: Outcome) => void) {
    this.#profile = profile
    this.#settle = settle
    this.#path = typeof profile.path === 'function' ? profile.path() : profile.path
    this.#request = open(optionsOf(profile, this.#path, sending))
    this.#timer = setTimeout(() => this.#end('timeout', `no answer in ${sending.timeout} ms`), sending.timeout)
    this.#request.once('socket', (socket) => {
      const note = (): void => { this.#localPort = socket.localPort }
      if (!socket.connecting) return note()
      sending.onConnection()
      socket.once('connect', note)
    })
    this.#request.on('error', (error: NodeJS.ErrnoException) => {
      const { code, message } = error
      this.#end(causeOf(error, this.#hasAnswer), code === 'ECONNRESET' ? message : code ?? message)
    })
    this.#request.once('response', (response) => this.#read(response))
    this.#write()
  }

  /** A server that closes between the two halves loses the request. */
  #write (): void {
    const { body, bodyPause } = this.#profile
    if (body === undefined || bodyPause === undefined) {
      this.#request.end(body)
      return
    }
    const middle = Math.floor(body.length / 2)
    this.#request.write(body.subarray(0, middle))
    setTimeout(() => this.#request.end(body.subarray(middle)), drawn(bodyPause))
  }

  #read (response: IncomingMessage): void {
    this.#hasAnswer = true
    const chunks: Buffer[] = []
    const cut = (): void => this.#end('truncated', 'the answer was cut short')
    response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', cut).on('close', cut).on('end', () => {
      const { statusCode: status = 0, complete } = response
      if (status >= 500 && !isExpected(status, this.#profile)) this.#end('answered-5xx', `status ${status}`)
      else if (!complete) cut()
      else if (!isExpected(status, this.#profile)) this.#end('wrong-answer', `status ${status}`)
      else this.#judge(Buffer.concat(chunks))
    })
  }

  #judge (body: Buffer): void {
    try {
      if (this.#profile.isRight?.(body) === false) this.#end('wrong-answer', 'another body')
      else this.#end(undefined, '')
    } catch (error) {
      // What it could not read is not what it expects.
      this.#end('wrong-answer', String(error))
    }
  }

  #end (cause: Cause | undefined, detail: string): void {
    if (this.#isSettled) return
    this.#isSettled = true
    clearTimeout(this.#timer)
    if (cause !== undefined) this.#request.destroy()
    this.#settle({ cause, detail, isReused: this.#request.reusedSocket, path: this.#path, localPort: this.#localPort })
  }
}

function optionsOf (profile: RequestProfile, path: string, { host, port, agent }: Sending): RequestOptions {
  const { method = 'GET', body } = profile
  const length = body === undefined ? {} : { 'content-length': body.length }
  return { host, port, agent, method, path, headers: { ...length, ...profile.headers } }
}

/** Sends one request, and never again; it never rejects. `node:http` tells which connections are used again. */
export function exchange (profile: RequestProfile, sending: Sending): Promise<Outcome> {
  return new Promise((resolve) => { void new Exchange(profile, sending, resolve) })
}
