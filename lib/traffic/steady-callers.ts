import type { FastifyRequest } from 'fastify'

/** Callers that are kept; one that has not come for long gives its place to a new one. */
const mostCallers = 256
/** Times that are kept of each, and that are needed to know it. */
const enoughTimes = 5
/** Interval of a prober, in milliseconds: what comes more often is a client in a loop. */
const interval = { least: 900, most: 60_000 } as const
/** Methods that a prober uses. */
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** A new connection's first request, as far as it tells who sent it. */
export interface Visit {
  method: string
  /** The pattern of the route; undefined where none matched. */
  route: string | undefined
  address: string | undefined
  userAgent: string | undefined
  host: string | undefined
}

/** One that opens connections: what it asks with the first request of each, and when. */
interface SteadyCaller {
  method: string
  route: string | undefined
  /** It asks more than one thing. */
  isMixed: boolean
  times: number[]
}

/**
 * Tells probers that nobody knows by name: who asks one route of the application at a fixed
 * interval, on a new connection each time, and nothing else. A client that polls looks the same, so
 * this takes an alarm away and ends no phase.
 */
export class SteadyCallers {
  readonly #now: () => number
  readonly #callers = new Map<string, SteadyCaller>()

  constructor (now: () => number) {
    this.#now = now
  }

  /**
   * A connection has sent its first request. Answers what tells whether its caller is a prober, by
   * what is known when it is called.
   */
  visit ({ method, route, address, userAgent, host }: Visit): () => boolean {
    const key = `${address ?? ''}\n${userAgent ?? ''}\n${host ?? ''}`
    const caller = this.#callers.get(key) ?? { method, route, isMixed: !methods.has(method), times: [] }
    if (caller.method !== method || caller.route !== route) caller.isMixed = true
    caller.times.push(this.#now())
    if (caller.times.length > enoughTimes) caller.times.shift()
    // Behind all others: the first of the map is the one that has not come for longest.
    this.#callers.delete(key)
    this.#callers.set(key, caller)
    if (this.#callers.size > mostCallers) this.#callers.delete(this.#callers.keys().next().value!)
    return () => isProber(caller)
  }
}

function isProber ({ isMixed, times }: SteadyCaller): boolean {
  if (isMixed || times.length < enoughTimes) return false
  const gaps = times.slice(1).map((time, index) => time - times[index]!).toSorted((a, b) => a - b)
  const [shortest = 0, longest = 0] = [gaps[0], gaps.at(-1)]
  return shortest >= interval.least && longest <= interval.most && longest - shortest <= shortest * 0.3
}

/** What a new connection's first request tells of who has sent it. */
export function visitOf ({ method, headers, routeOptions }: FastifyRequest, address: string | undefined): Visit {
  const host = headers.host ?? headers[':authority'] as string | undefined
  return { method, route: routeOptions.url, address, userAgent: headers['user-agent'], host }
}
