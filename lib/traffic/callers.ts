import { longestInterval } from './intervals.ts'

/** How many callers are kept of those that ask again and again, and of those that have asked once. */
const most = { steady: 64, once: 128 } as const
/** Times that are kept of each. */
const mostTimes = 32
/** Characters that are kept of what a caller sends. */
const longestText = 120

/** What tells one caller of health routes from another. */
export interface CallerIdentity {
  /** What is asked, without its query, as `/readyz`. */
  path: string
  method: string
  userAgent: string | undefined
  host: string | undefined
  /** Undefined on a Unix socket. */
  address: string | undefined
  /** Somebody else answers, and tells of every answer: also where several processes share a listener. Default: no. */
  isElsewhere?: boolean
}

/** One that asks a health route, and what it was told since the announcement. */
export interface Caller extends CallerIdentity {
  /** It stands for all callers that differ by their addresses only and have asked once each. */
  isAnyAddress: boolean
  /** When it has asked, the last of them, in order. */
  times: number[]
  /** Whether it has asked on a connection that it had used before. */
  keepsConnections: boolean
  /** Failing answers that have gone out to it, and others. */
  failing: number
  good: number
  /** When the first and the last failing one went out. */
  first: number | undefined
  last: number | undefined
}

/**
 * Who asks health routes. A stranger may ask under any number of names, so the table is bounded:
 * who asks again and again stays, and those that have asked once push out each other only.
 */
export class Callers {
  /** At least two questions, at most {@link longestInterval} apart. */
  readonly #steady = new Map<string, Caller>()
  readonly #once = new Map<string, Caller>()

  /** A question has come. `count` were asked between `first` and `last`, which are in the clock's milliseconds. */
  note (identity: CallerIdentity, isReused: boolean, first: number, last: number = first, count: number = 1): Caller {
    const asked = timesOf(first, last, count)
    const group = keyOf({ ...identity, address: undefined })
    const key = `${identity.address ?? ''}\n${group}`
    const known = this.#steady.get(key)
    const caller = known ?? this.#once.get(key) ?? makeCaller(identity, false)
    caller.keepsConnections ||= isReused
    add(caller, asked)
    if (known !== undefined) return caller
    const any = this.#noteAny(identity, group, caller, asked)
    this.#once.delete(key)
    if (isSteady(caller) && this.#admit(key, caller)) return caller
    this.#once.set(key, caller)
    shrink(this.#once, most.once)
    return any ?? caller
  }

  /** Phase 1 has begun: what was answered before does not count. */
  forgetAnswers (): void {
    for (const callers of [this.#steady, this.#once]) {
      for (const caller of callers.values()) {
        Object.assign(caller, { failing: 0, good: 0, first: undefined, last: undefined })
      }
    }
  }

  /** Callers that have asked more than once within a short time. */
  get steady (): Iterable<Caller> {
    return this.#steady.values()
  }

  /** Callers that have asked once, or seldom, and are not represented by a steady one. */
  * newcomers (): Generator<Caller> {
    for (const caller of this.#once.values()) {
      if (!caller.isAnyAddress && !this.#steady.has(anyKey(keyOf({ ...caller, address: undefined })))) yield caller
    }
  }

  /**
   * A prober may come from another address each time. All questions of one kind from addresses that
   * have asked once are one caller; it is forgotten when the addresses turn out to ask again.
   */
  #noteAny (identity: CallerIdentity, group: string, caller: Caller, asked: readonly number[]): Caller | undefined {
    const key = anyKey(group)
    const steady = this.#steady.get(key)
    const any = steady ?? this.#once.get(key)
    if (isSteady(caller)) {
      if (any === undefined) return undefined
      any.times = any.times.filter((time) => !caller.times.includes(time))
      if (any.times.length < 2) this.#steady.delete(key)
      if (any.times.length === 0) this.#once.delete(key)
      return undefined
    }
    if (caller.times.length > asked.length) return undefined
    const all = any ?? makeCaller({ ...identity, address: undefined }, true)
    add(all, asked)
    if (steady !== undefined) return all
    this.#once.delete(key)
    if (isSteady(all) && this.#admit(key, all)) return all
    this.#once.set(key, all)
    return undefined
  }

  /** Whoever came first stays while it asks: strangers must not push out the balancer. */
  #admit (key: string, caller: Caller): boolean {
    const now = caller.times.at(-1)!
    if (this.#steady.size >= most.steady) {
      for (const [other, { times }] of this.#steady) {
        if (now - times.at(-1)! > 3 * longestInterval) this.#steady.delete(other)
      }
    }
    if (this.#steady.size >= most.steady) return false
    this.#steady.set(key, caller)
    return true
  }
}

const anyKey = (group: string): string => `*\n${group}`

/** What tells callers apart, but for their address. */
export function keyOf ({ path, method, userAgent, host, isElsewhere = false }: CallerIdentity): string {
  return `${method} ${path}\n${userAgent ?? ''}\n${host ?? ''}${isElsewhere ? '\nelsewhere' : ''}`
}

function makeCaller (identity: CallerIdentity, isAnyAddress: boolean): Caller {
  const { path, method, userAgent, host, address, isElsewhere = false } = identity
  const unanswered = { failing: 0, good: 0, first: undefined, last: undefined }
  const isKnownBy = { path, method, userAgent, host, address, isElsewhere, isAnyAddress }
  return { ...isKnownBy, times: [], keepsConnections: false, ...unanswered }
}

/** What a stranger sends, cut to what is kept of it. */
export function identityOf (
  path: string,
  method: string,
  userAgent: string | undefined,
  host: string | undefined,
  address: string | undefined
): CallerIdentity {
  return {
    path: path.split('?', 1)[0]!.slice(0, longestText),
    method,
    userAgent: userAgent?.slice(0, longestText),
    host: host?.slice(0, longestText),
    address
  }
}

function isSteady ({ times }: Caller): boolean {
  return times.length > 1 && times.at(-1)! - times.at(-2)! <= longestInterval
}

function add (caller: Caller, asked: readonly number[]): void {
  for (const time of asked) caller.times.push(Math.max(time, caller.times.at(-1) ?? time))
  if (caller.times.length > mostTimes) caller.times.splice(0, caller.times.length - mostTimes)
}

/** So many times from `first` to `last`, evenly. */
function timesOf (first: number, last: number, count: number): number[] {
  const kept = Math.min(count, mostTimes)
  return Array.from({ length: kept }, (_, index) => kept === 1 ? last : first + (last - first) * index / (kept - 1))
}

function shrink (callers: Map<string, Caller>, limit: number): void {
  for (const key of callers.keys()) {
    if (callers.size <= limit) return
    callers.delete(key)
  }
}
