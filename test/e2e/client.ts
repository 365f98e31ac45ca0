import { Agent, request as open } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

/** One request that got no complete, correct answer. Nothing is ever retried. */
export interface Loss {
  /** What the client saw: `ECONNRESET`, `socket hang up`, `truncated`, `status 503`, … */
  kind: string
  /** Whether the connection had carried a request before. */
  reused: boolean
  method: string
  /** Which of the client's manners this was. */
  manner: string
  /** Epoch ms of sending and of failing. */
  sentAt: number
  failedAt: number
  /** The connection's local port, to find it in the balancer's log. */
  localPort: number | undefined
}

/** What a load run saw. */
export interface LoadResult {
  requests: number
  connections: number
  losses: Loss[]
  /** The longest time in ms for which this process did not get to run: what it says of times is no better than that. */
  longestPause: number
}

/** A running load. */
export interface Load {
  /** Ends the arrivals, waits for every request that is under way, closes all connections. */
  stop: () => Promise<LoadResult>
}

interface VirtualUser {
  agent: Agent
  /** When its last answer was complete. */
  freeSince: number
  /** When it has finished thinking. */
  readyAt: number
}

/** What one kind of user does. */
export interface Manner {
  name: string
  /** Share of all arrivals. */
  weight: number
  path: () => string
  /** @default 'GET' */
  method?: 'POST' | 'PUT'
  /** Sent in two halves, the second after a pause. */
  body?: { type: string, content: Buffer }
  /** Thinks for up to this many ms between two requests of one connection. */
  think?: number
  /** Sends up to this many requests back to back. */
  burst?: number
  /** Makes a connection for each request. */
  fresh?: boolean
  /** Of a right answer. @default 200 */
  status?: number
  /** Checks a complete body. */
  isRight: (body: string) => boolean
}

/**
 * In ms. No user sends on a connection that has idled longer: the server may close one after `drain.idle` (5 s), and
 * a request that crosses this close on the wire is a race that no server can win.
 */
export const longestIdle = 2000
const upload = { type: 'application/octet-stream', content: Buffer.alloc(64 * 1024, 'x') }
const answerWithin = 15_000

const isReplica = (body: string): boolean => body.startsWith('{"replica":') && body.endsWith('}')
/** A random integer: at least `low`, less than `high`. */
export const between = (low: number, high: number): number => low + Math.floor(Math.random() * (high - low))

/** Users of the replicas of this folder. */
export const replicaUsers: readonly Manner[] = [
  {
    name: 'immediate',
    weight: 34,
    path: () => '/',
    burst: 4,
    isRight: isReplica
  },
  {
    name: 'paused',
    weight: 20,
    path: () => '/',
    think: longestIdle,
    isRight: isReplica
  },
  {
    name: 'fresh',
    weight: 15,
    path: () => '/',
    fresh: true,
    isRight: isReplica
  },
  {
    name: 'slow',
    weight: 10,
    path: () => `/slow?ms=${between(50, 500)}`,
    isRight: isReplica
  },
  {
    name: 'very slow',
    weight: 1,
    path: () => '/very-slow',
    isRight: isReplica
  },
  {
    name: 'streamed',
    weight: 10,
    path: () => between(0, 2) === 0 ? '/stream' : '/stream?length',
    isRight: (body) => body.split('\n').length === 12 && body.endsWith('end\n')
  },
  {
    name: 'upload',
    weight: 10,
    method: 'POST',
    body: upload,
    path: () => '/upload',
    isRight: (body) => body.endsWith(`"bytes":${upload.content.length}}`)
  }
]

function drawManner (manners: readonly Manner[]): Manner {
  let draw = Math.random() * manners.reduce((sum, manner) => sum + manner.weight, 0)
  return manners.find((manner) => (draw -= manner.weight) < 0) ?? manners[0]!
}

function nameOf (error: NodeJS.ErrnoException, answer: IncomingMessage | undefined): string {
  if (answer !== undefined) return 'truncated'
  return error.message === 'socket hang up' ? error.message : error.code ?? error.message
}

/** Half of the body goes with the head, the rest after a pause: a server that closes in between loses it. */
function writeBody (request: ClientRequest, manner: Manner): void {
  if (manner.body === undefined) {
    request.end()
    return
  }
  const { content } = manner.body
  const middle = Math.floor(content.length / 2)
  request.write(content.subarray(0, middle))
  setTimeout(() => request.end(content.subarray(middle)), between(100, 300))
}

function headersOf (manner: Manner): Record<string, string | number> {
  if (manner.body === undefined) return {}
  return { 'content-type': manner.body.type, 'content-length': manner.body.content.length }
}

class Population {
  readonly losses: Loss[] = []
  requests = 0
  connections = 0
  underWay = 0
  readonly #free = new Map<Manner, VirtualUser[]>()
  readonly #localPorts = new WeakMap<Socket, number>()
  readonly #port: number
  readonly #idle: number

  constructor (port: number, manners: readonly Manner[], idle: number) {
    this.#port = port
    this.#idle = idle
    for (const manner of manners) this.#free.set(manner, [])
  }

  /** One arrival: a user of this manner who has nothing to do sends a request; a new user, where there is none. */
  arrive (manner: Manner, onChained: () => boolean): void {
    const user = this.#take(manner) ?? {
      agent: new Agent({ keepAlive: manner.fresh !== true || Math.random() < 0.5, maxSockets: 1 }),
      freeSince: 0,
      readyAt: 0
    }
    this.#send(user, manner, between(0, manner.burst ?? 1), onChained)
  }

  /** Users with nothing to do for long hang up themselves. */
  sweep (oldest = this.#idle): void {
    const now = Date.now()
    for (const [manner, users] of this.#free) {
      this.#free.set(manner, users.filter((user) => {
        if (now - user.freeSince < oldest) return true
        user.agent.destroy()
        return false
      }))
    }
  }

  #take (manner: Manner): VirtualUser | undefined {
    const now = Date.now()
    const users = this.#free.get(manner)!
    const isFit = (user: VirtualUser): boolean => user.readyAt <= now && now - user.freeSince < this.#idle
    // Who thinks comes back in the order of leaving; everybody else at once, so the newest first.
    const index = manner.think === undefined ? users.findLastIndex(isFit) : users.findIndex(isFit)
    return index === -1 ? undefined : users.splice(index, 1)[0]
  }

  #send (user: VirtualUser, manner: Manner, chained: number, onChained: () => boolean): void {
    const sentAt = Date.now()
    let answer: IncomingMessage | undefined
    let isSettled = false
    let localPort: number | undefined
    this.requests++
    this.underWay++
    const method = manner.method ?? 'GET'
    const request = open({
      host: '127.0.0.1',
      port: this.#port,
      agent: user.agent,
      method,
      path: manner.path(),
      headers: headersOf(manner)
    })
    const settle = (kind?: string): void => {
      if (isSettled) return
      isSettled = true
      clearTimeout(timer)
      this.underWay--
      if (kind !== undefined) {
        this.losses.push(
          { kind, reused: request.reusedSocket, method, manner: manner.name, sentAt, failedAt: Date.now(), localPort }
        )
        request.destroy()
        user.agent.destroy()
      } else if (manner.fresh === true) {
        user.agent.destroy()
      } else if (chained > 0 && onChained()) {
        this.#send(user, manner, chained - 1, onChained)
      } else {
        this.#release(user, manner)
      }
    }
    const timer = setTimeout(() => settle(`no answer in ${answerWithin / 1000} s`), answerWithin)
    request.on('socket', (socket) => this.#know(socket, (port) => { localPort = port }))
    request.on('error', (error) => settle(nameOf(error, answer)))
    request.on('response', (response) => {
      answer = response
      this.#read(response, manner, settle)
    })
    writeBody(request, manner)
  }

  #read (response: IncomingMessage, manner: Manner, settle: (kind?: string) => void): void {
    let body = ''
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => { body += chunk })
    response.on('error', () => settle('truncated'))
    response.on('close', () => settle('truncated'))
    response.on('end', () => {
      if (response.statusCode !== (manner.status ?? 200)) settle(`status ${response.statusCode}`)
      else if (!response.complete || !manner.isRight(body)) settle('truncated')
      else settle()
    })
  }

  #release (user: VirtualUser, manner: Manner): void {
    user.freeSince = Date.now()
    user.readyAt = user.freeSince + Math.random() * (manner.think ?? 0)
    this.#free.get(manner)!.push(user)
  }

  #know (socket: Socket, tell: (port: number) => void): void {
    const known = this.#localPorts.get(socket)
    if (known !== undefined) {
      tell(known)
      return
    }
    this.connections++
    socket.once('connect', () => {
      this.#localPorts.set(socket, socket.localPort!)
      tell(socket.localPort!)
    })
  }
}

/**
 * Sends requests to 127.0.0.1 at this rate (per second), whatever the answers do: arrivals are random and independent
 * (Poisson), a slow answer only means more users at a time. Each user has one connection, obeys `Connection: close`,
 * and hangs up after `idle` ms.
 */
export function startLoad (
  port: number,
  rate: number,
  manners: readonly Manner[] = replicaUsers,
  idle: number = longestIdle
): Load {
  const population = new Population(port, manners, idle)
  const gap = (): number => -Math.log(1 - Math.random()) * 1000 / rate
  let nextAt = performance.now() + gap()
  let isStopped = false
  // A request that follows another back to back is one arrival less elsewhere: the rate stays.
  const onChained = (): boolean => {
    nextAt += gap()
    return !isStopped
  }
  let longestPause = 0
  let ranAt = performance.now()
  const clock = setInterval(() => {
    longestPause = Math.max(longestPause, Math.round(performance.now() - ranAt))
    ranAt = performance.now()
    while (nextAt <= performance.now()) {
      nextAt += gap()
      population.arrive(drawManner(manners), onChained)
    }
  }, 2)
  const sweeper = setInterval(() => population.sweep(), 200)
  const stop = async (): Promise<LoadResult> => {
    isStopped = true
    clearInterval(clock)
    while (population.underWay > 0) await new Promise((resolve) => { setTimeout(resolve, 20) })
    clearInterval(sweeper)
    population.sweep(0)
    const { requests, connections, losses } = population
    return { requests, connections, losses, longestPause }
  }
  return { stop }
}
