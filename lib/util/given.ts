/**
 * What an object says itself, with each property read once: a getter cannot answer otherwise the next time, and what
 * somebody has put on `Object.prototype` is nothing that was said here. The copy has no prototype either.
 */
export function own<T extends object> (given: T): T {
  return Object.assign(Object.create(null) as T, given)
}

/** {@link own} for an object with groups in it; `groups` are their names (`drain.webSocket`). */
export function ownTree<T extends object> (given: T, groups: readonly string[], path = ''): T {
  const copy = own(given) as Record<string, unknown>
  for (const [key, value] of Object.entries(copy)) {
    const name = path + key
    if (typeof value !== 'object' || value === null) continue
    if (Array.isArray(value)) copy[key] = [...value as unknown[]]
    else if (groups.includes(name)) copy[key] = ownTree(value, groups, `${name}.`)
  }
  return copy as T
}

/** A variable of the environment; `undefined` where it is not set, whatever `Object.prototype` says. */
export function readVariable (env: NodeJS.ProcessEnv, name: string): string | undefined {
  return Object.hasOwn(env, name) ? env[name] : undefined
}

/** What was given where nothing was: it has no properties, and inherits none. */
export const nothing: Readonly<Record<string, never>> = Object.freeze(Object.create(null) as Record<string, never>)

/** Longest time that a `setTimeout` can wait, in milliseconds. */
export const longestTimer: number = 2 ** 31 - 1

/**
 * A number as people write it, with digits alone; NaN for anything else. `Number` also reads a blank text as 0, `0x10`
 * as 16, `1e3` as 1000 and `Infinity` as what it says.
 */
export function decimal (text: string | undefined): number {
  return text !== undefined && /^(?:0|[1-9]\d*)(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN
}

/** {@link decimal} for a whole number: NaN where there is a fraction. */
export function whole (text: string | undefined): number {
  return text?.includes('.') === true ? Number.NaN : decimal(text)
}
