import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Endpoint, Front, Trace } from './fronts.ts'

/** Members in turn, while they come and go. */
export class Rotation<T> {
  readonly #members: T[] = []
  #next = 0

  /** Nothing happens where it is there already. */
  add (member: T): void {
    if (!this.#members.includes(member)) this.#members.push(member)
  }

  /** Whose turn it is stays the same, unless it was the removed one's. */
  remove (member: T): void {
    const index = this.#members.indexOf(member)
    if (index === -1) return
    this.#members.splice(index, 1)
    if (index < this.#next) this.#next--
  }

  /** Whether it is among them. */
  has (member: T): boolean {
    return this.#members.includes(member)
  }

  /** The one whose turn it is; undefined where there is none. */
  take (): T | undefined {
    if (this.#members.length === 0) return undefined
    if (this.#next >= this.#members.length) this.#next = 0
    return this.#members[this.#next++]
  }
}

/** How many connections may wait until they are accepted. */
const backlog = 4096

/**
 * A TCP balancer like kube-proxy: it chooses a replica for each new connection, in turn, among those that are listed.
 * It understands nothing of what it carries, asks nobody for readiness, and retries nothing.
 */
class Balancer implements Front {
  readonly host = '127.0.0.1'
  readonly #onRefusal: ((endpoint: Endpoint) => void) | undefined
  readonly #rotation = new Rotation<Endpoint>()
  readonly #clients = new Set<Socket>()
  readonly #refusing = new Set<Endpoint>()
  readonly #open = new Map<Endpoint, number>()
  /** By the client's port. A port that is used again replaces what was known of it. */
  readonly #traces = new Map<number, Trace>()
  readonly #server: Server

  constructor (onRefusal?: (endpoint: Endpoint) => void) {
    this.#onRefusal = onRefusal
    // Half-open, because a client that has sent everything may still wait for its answer.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client))
  }

  get port (): number { return (this.#server.address() as AddressInfo).port }

  async listen (): Promise<void> {
    this.#server.listen({ port: 0, host: this.host, backlog })
    await once(this.#server, 'listening')
  }

  add (endpoint: Endpoint): void { this.#rotation.add(endpoint) }

  remove (endpoint: Endpoint): void { this.#rotation.remove(endpoint) }

  has (endpoint: Endpoint): boolean { return this.#rotation.has(endpoint) }

  connections (endpoint: Endpoint): number { return this.#open.get(endpoint) ?? 0 }

  refuse (endpoint: Endpoint, isRefusing: boolean): void {
    if (isRefusing) this.#refusing.add(endpoint)
    else this.#refusing.delete(endpoint)
  }

  trace (localPort: number): Trace | undefined { return this.#traces.get(localPort) }

  close (): void {
    this.#server.close()
    for (const client of this.#clients) client.destroy()
  }

  #accept (client: Socket): void {
    this.#clients.add(client)
    client.once('close', () => this.#clients.delete(client))
    const endpoint = this.#rotation.take()
    const isRefused = endpoint === undefined || this.#refusing.has(endpoint)
    const trace = { endpoint: endpoint?.name, isRefused }
    if (client.remotePort !== undefined) this.#traces.set(client.remotePort, trace)
    if (isRefused) refuse(client)
    else this.#carry(client, endpoint, trace)
  }

  #carry (client: Socket, endpoint: Endpoint, trace: Trace): void {
    const { host, port } = endpoint
    const replica = connect({ port, host, allowHalfOpen: true, noDelay: true })
    // Before the client is told, which asks for the trace as soon as it hears of the end.
    const isRefused = (): void => {
      trace.isRefused = true
      this.#onRefusal?.(endpoint)
    }
    replica.once('error', isRefused)
    replica.once('connect', () => {
      replica.off('error', isRefused)
      this.#open.set(endpoint, this.connections(endpoint) + 1)
      replica.once('close', () => this.#open.set(endpoint, this.connections(endpoint) - 1))
    })
    join(client, replica)
    join(replica, client)
  }
}

/** Resets a connection as soon as its client knows its own port, by which it asks who has refused it. */
function refuse (client: Socket): void {
  client.once('error', () => {})
  setTimeout(reset, 5, client)
}

/** Carries what comes from one socket to the other one, its end included. */
export function join (from: Socket, to: Socket): void {
  from.pipe(to)
  // A reset has to arrive as a reset: a client that saw a clean end instead could take half an answer for a whole one.
  from.once('error', () => reset(to))
  from.once('close', () => {
    if (!to.writableEnded) to.destroy()
  })
}

/**
 * Starts the balancer on a free port of 127.0.0.1, with nobody in rotation.
 * @param onRefusal hears of each replica that has refused a connection
 */
export async function startBalancer (onRefusal?: (endpoint: Endpoint) => void): Promise<Front> {
  const balancer = new Balancer(onRefusal)
  await balancer.listen()
  return balancer
}

/**
 * Resets a connection, so that its peer does not take what it has got for the whole.
 *
 * A socket whose end is on its way out is destroyed instead: Node keeps the handle of one that is reset then, and waits
 * for it, computing, when the process exits.
 */
export function reset (socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}
