import { request as open } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Front } from './fronts.ts'
import type { RequestProfile } from './profiles.ts'

/** What a client that is in the way saw in the end. */
export type ClientOutcome = 'complete' | 'cut' | 'open'

/** Bytes of a body of which half is sent. */
const bodyLength = 2048
/** Milliseconds for the rest of an answer when all is over. */
const patience = 5000

/** A client that reads nothing of an answer until it is told to, or sends one half of a body. */
class Client {
  readonly #front: Front
  readonly #request: ClientRequest
  readonly #over: Promise<ClientOutcome>
  #localPort: number | undefined
  #response: IncomingMessage | undefined
  #isReading: boolean

  constructor (front: Front, profile: RequestProfile, isHalf: boolean) {
    const { host, port } = front
    const path = typeof profile.path === 'function' ? profile.path() : profile.path
    const method = isHalf && profile.body === undefined ? 'POST' : profile.method ?? 'GET'
    this.#front = front
    this.#isReading = isHalf
    this.#request = open({
      host, port, path, method, agent: false,
      headers: {
        ...isHalf ? { 'content-type': 'application/json', 'content-length': bodyLength } : {}, ...profile.headers
      }
    })
    this.#request.once('socket', (socket) => socket.once('connect', () => { this.#localPort = socket.localPort }))
    this.#over = new Promise((resolve) => {
      this.#request.on('error', () => resolve('cut'))
      this.#request.once('response', (response) => {
        this.#response = response
        response.on('error', () => {}).once('close', () => resolve(response.complete ? 'complete' : 'cut'))
        if (this.#isReading) response.resume()
      })
    })
    if (isHalf) this.#request.write(`[${' '.repeat(bodyLength / 2 - 1)}`)
    else this.#request.end(profile.body)
  }

  /** The name of the replica that it is at, as far as the front knows. */
  get replica (): string | undefined {
    return this.#localPort === undefined ? undefined : this.#front.trace(this.#localPort, Date.now())?.endpoint
  }

  /** Reads from now on. */
  read (): void {
    this.#isReading = true
    this.#response?.resume()
  }

  /** What came of it so far; one that waits for the other half of the body may stay open. */
  async end (isAwaited: boolean): Promise<ClientOutcome> {
    this.read()
    const outcome = await Promise.race([this.#over, sleep(isAwaited ? patience : 100, 'open' as const, { ref: false })])
    this.#request.destroy()
    return outcome
  }
}

/** Clients that are in the way, beside the load. */
export class FaultClients {
  readonly #clients: Client[] = []
  readonly #isHalf: boolean
  #ended: Promise<ClientOutcome[]> | undefined

  constructor (isHalf: boolean) {
    this.#isHalf = isHalf
  }

  /** Opens so many of them. */
  open (front: Front, profile: RequestProfile, count: number): void {
    for (let one = 0; one < count; one++) this.#clients.push(new Client(front, profile, this.#isHalf))
  }

  /** Lets those at a replica read, and those of whom nobody knows where they are. */
  read (replica: string): void {
    for (const client of this.#clients) if ((client.replica ?? replica) === replica) client.read()
  }

  /** Ends them, and tells what each of them saw. */
  stop (): Promise<ClientOutcome[]> {
    this.#ended ??= Promise.all(this.#clients.map((client) => client.end(!this.#isHalf)))
    return this.#ended
  }
}
