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
