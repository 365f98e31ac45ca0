import { Agent, request as plainRequest } from 'node:http'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { Agent as SecureAgent, request as secureRequest } from 'node:https'
import { clearTimeout, setTimeout } from 'node:timers'
import { phases } from '../../lifecycle/phase.ts'
import { readStatus } from '../../status/read.ts'
import { duration } from '../../status/words.ts'
import { shortened, whyUnreached } from '../target.ts'
import { readJson } from '../printable.ts'
import { readEvents, StreamedState } from './stream.ts'
import type { Target } from '../target.ts'

/** What became of asking. */
export type Answer = { status: object, at: number } | { status: undefined, problem: string }

/** How a stream ended: there is none, the service has told its end, or the connection broke. */
export type StreamEnd = 'none' | 'told' | 'broken'

/** How it is asked. */
export interface AskOptions {
  token: string | undefined
  /** Milliseconds for the whole answer. */
  timeout: number
}

/** Bytes of an answer; the status of a service with a thousand requests in flight has about a hundred thousand. */
const longest = 16 * 2 ** 20
/** How many milliseconds the clocks may differ before the other side's is believed: the header has whole seconds. */
const tolerance = 2000

/** A stream that says nothing for so long is dead, in milliseconds: a comment comes every 15 s. */
const silence = 45_000

/** Asks one address, again and again over the same connection: a service that drains answers on open ones only. */
export class Asker {
  readonly #target: Target
  readonly #options: AskOptions
  readonly #agent: Agent
  #closed = false

  constructor (target: Target, options: AskOptions) {
    this.#target = target
    this.#options = options
    const settings = { keepAlive: true, maxSockets: 1 }
    this.#agent = target.secure ? new SecureAgent(settings) : new Agent(settings)
  }

  /** Never rejects. */
  async ask (): Promise<Answer> {
    try {
      return await this.#once()
    } catch (error) {
      if (this.#closed || !(error instanceof Reused)) {
        return { status: undefined, problem: problemOf(error, this.#options.timeout) }
      }
    }
    try {
      return await this.#once()
    } catch (error) {
      const cause = error instanceof Reused ? error.cause : error
      return { status: undefined, problem: problemOf(cause, this.#options.timeout) }
    }
  }

  /**
   * Follows the stream of changes, where there is one. Never rejects.
   *
   * @param told called with the state when it is there, and after each change; it goes on by itself
   */
  async stream (told: (state: StreamedState) => void): Promise<StreamEnd> {
    const deadline = Date.now() + this.#options.timeout
    try {
      const path = this.#target.path.replace(/\/status(?=\?|$)/, '/status/events')
      const response = await this.#send(path, 'text/event-stream', this.#options.timeout)
      if (response.statusCode === 200 && response.headers['content-type']?.startsWith('text/event-stream') === true) {
        return await follow(response, deadline - Date.now(), told)
      }
      response.destroy()
    } catch {
      // Whoever asks next learns why.
    }
    return 'none'
  }

  /** Lets go of the connection, and of an answer that is awaited. */
  close (): void {
    this.#closed = true
    this.#agent.destroy()
  }

  async #once (): Promise<Answer> {
    const deadline = AbortSignal.timeout(this.#options.timeout)
    const response = await this.#send(this.#target.path, 'application/json', this.#options.timeout)
    const late = (): void => { response.destroy(new TimeoutError()) }
    deadline.addEventListener('abort', late)
    if (deadline.aborted) late()
    return judge(response, await read(response).finally(() => deadline.removeEventListener('abort', late)))
  }

  /** Settles with the head of the answer. */
  #send (path: string, accept: string, timeout: number): Promise<IncomingMessage> {
    const { secure, host, port, socketPath, authority } = this.#target
    const { token } = this.#options
    const headers = {
      host: authority,
      accept,
      'user-agent': 'fastify-graceful',
      ...token === undefined ? {} : { authorization: `Bearer ${token}` }
    }
    const where: RequestOptions = socketPath === undefined ? { host, port } : { socketPath }
    return new Promise((resolve, reject) => {
      const asked = (secure ? secureRequest : plainRequest)({ ...where, path, headers, agent: this.#agent })
      const timer = setTimeout(() => asked.destroy(new TimeoutError()), timeout)
      asked.once('response', (response) => {
        clearTimeout(timer)
        resolve(response)
      })
      asked.on('error', (error) => {
        clearTimeout(timer)
        // The other side closed it in the moment in which it was used again.
        reject(asked.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET' ? new Reused(error) : error)
      })
      asked.end()
    })
  }
}

async function follow (
  response: IncomingMessage,
  timeout: number,
  told: (state: StreamedState) => void
): Promise<StreamEnd> {
  const state = new StreamedState()
  // A proxy that collects what it passes on lets the head through, and nothing else.
  const timer = setTimeout(() => { response.destroy() }, timeout)
  response.setTimeout(silence, () => { response.destroy() })
  try {
    for await (const { name, data } of readEvents(response.setEncoding('utf8') as AsyncIterable<string>)) {
      if (name !== 'status' && !(state.there && (name === 'change' || name === 'report'))) continue
      state.take(data, name === 'status')
      if (!isStatus(state.told)) break
      clearTimeout(timer)
      told(state)
      if (name === 'report') return 'told'
    }
  } catch {
    // As if it had ended.
  } finally {
    clearTimeout(timer)
  }
  response.destroy()
  return state.there ? 'broken' : 'none'
}

class TimeoutError extends Error {}
class TooLong extends Error {}
class Reused extends Error {
  constructor (cause: Error) {
    super(cause.message, { cause })
  }
}

async function read (response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > longest) throw new TooLong()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

const refused = (problem: string): Answer => ({ status: undefined, problem })

function judge ({ statusCode = 0, statusMessage = '', headers }: IncomingMessage, body: string): Answer {
  if (statusCode >= 300 && statusCode < 400) {
    const target = shortened(headers.location ?? 'nowhere')
    return refused(`answers ${statusCode} with a redirect to ${target}, which is not followed`)
  }
  if (statusCode === 401) return refused('answers 401: credentials are needed (--token, GRACEFUL_TOKEN)')
  if (statusCode === 403) {
    return refused('answers 403: the token is not accepted, or something in front does not let in')
  }
  if (statusCode === 404) return refused('answers 404: no status route there; is admin.prefix another one?')
  if (statusCode !== 200) {
    return refused(`answers ${statusCode}${statusMessage === '' ? '' : ` ${shortened(statusMessage)}`}`)
  }
  const status = readJson(body)
  if (status === undefined) {
    return refused(`answers with ${shortened(headers['content-type'] ?? 'no content type')} that is no JSON`)
  }
  if (!isStatus(status)) return refused('answers with JSON that is no status of fastify-graceful')
  return { status, at: timeOf(headers.date) }
}

function isStatus (told: unknown): told is object {
  const { phase, ready } = readStatus(told)
  return ready !== undefined && (phases as readonly unknown[]).includes(phase)
}

/** Now, as the other side has it: times in a status are of its clock. */
function timeOf (date: string | undefined): number {
  const theirs = Date.parse(date ?? '')
  return Math.abs(theirs - Date.now()) > tolerance ? theirs : Date.now()
}

function problemOf (error: unknown, timeout: number): string {
  if (error instanceof TimeoutError) return `no answer within ${duration(timeout)}`
  if (error instanceof TooLong) return `answers with more than ${longest / 2 ** 20} MiB`
  return whyUnreached(error)
}
