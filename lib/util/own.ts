/**
 * What an object says itself, with each property read once: a getter cannot answer otherwise the next time, and what
 * somebody has put on `Object.prototype` is nothing that was said here. The copy has no prototype either.
 */
export function own<T extends object> (given: T): T {
  return Object.assign(Object.create(null) as T, given)
}

/** The same for an object with groups in it, which are given by their names (`drain.webSocket`). */
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

/** Nothing was said, and nothing is inherited. */
export const nothing: Readonly<Record<string, never>> = Object.freeze(Object.create(null) as Record<string, never>)
