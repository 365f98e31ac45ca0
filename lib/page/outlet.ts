/** Where events go: a reply of Node's HTTP server, or of its HTTP/2 server, whose head has been written. */
export interface Outlet {
  write (text: string): unknown
  end (): unknown
  destroy (): unknown
  on (event: 'close' | 'error', listener: () => void): unknown
  /** Undefined for HTTP/2, whose reply knows no such thing. */
  readonly destroyed?: boolean | undefined
  /** The stream of a reply of HTTP/2. */
  readonly stream?: { readonly destroyed: boolean }
  /** Bytes that the peer has not taken. */
  readonly writableLength: number
}

/** The head of a stream. The connection carries nothing after it, unless it is one of several of a session. */
export function streamHeaders (isOneOfSeveral: boolean): Record<string, string> {
  return {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // For nginx, which would hold it back.
    'x-accel-buffering': 'no',
    ...!isOneOfSeveral && { connection: 'close' }
  }
}

/** Whether the peer has left: no 'close' will follow for who asks only now. */
export function isGone ({ destroyed, stream }: Pick<Outlet, 'destroyed' | 'stream'>): boolean {
  // A reply of HTTP/2 has no `destroyed`; one of HTTP/1 may have something of its owner's that is called `stream`.
  return destroyed ?? stream?.destroyed ?? false
}

/**
 * Whether an answer is the one that its connection sends now. What was asked for behind another answer, in one piece
 * with it, hears nothing of the connection's end, and behind one that lasts it is never sent.
 */
export function isInTurn (response: { readonly socket: unknown }): boolean {
  return response.socket !== null
}

/** A state as it is streamed: what `GET /-/status` answers, by its top-level fields. */
export type State = Record<string, unknown>

/** Fields, in milliseconds, that grow with the time: they are no news as long as they grow as fast as the clock. */
const growing: ReadonlySet<string> = new Set(['age', 'silence'])
/** Points in time that are worked out anew each time. */
const computed: ReadonlySet<string> = new Set(['deadline'])
/** By how much they may miss it, in milliseconds: they are rounded, and read one after the other. */
const tolerance = 25

/**
 * What of a state is new. A field that is gone comes as `null`.
 *
 * @param elapsed milliseconds from the one to the other
 * @returns undefined where nothing is
 */
export function changesOf (before: object, after: object, elapsed: number): State | undefined {
  const [old, now] = [before as State, after as State]
  const changes: State = {}
  for (const key of new Set([...Object.keys(old), ...Object.keys(now)])) {
    if (!isSame(old[key], now[key], key, elapsed)) changes[key] = now[key] ?? null
  }
  return Object.keys(changes).length === 0 ? undefined : changes
}

function isSame (before: unknown, after: unknown, key: string, elapsed: number): boolean {
  if (before === after) return true
  if (typeof before === 'number' && typeof after === 'number') return isExpected(key, after - before, elapsed)
  if (Array.isArray(before) && Array.isArray(after)) {
    return before.length === after.length && before.every((item, index) => isSame(item, after[index], key, elapsed))
  }
  if (!isObject(before) || !isObject(after)) return false
  // JSON knows no undefined: a field that has it is one that is not there.
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].every((name) => isSame(before[name], after[name], name, elapsed))
}

function isExpected (key: string, growth: number, elapsed: number): boolean {
  if (growing.has(key)) return Math.abs(growth - elapsed) <= tolerance
  return computed.has(key) && Math.abs(growth) <= tolerance
}

function isObject (value: unknown): value is State {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
