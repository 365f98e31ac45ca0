import { own } from './own.ts'
import { isObject } from '../rules.ts'

/** The value of an option by its name (`announce.min`); undefined where it, or its group, is not given. */
export function valueOf (options: object, name: string): unknown {
  return name.split('.').reduce<unknown>((group, key) => {
    const isThere = isObject(group) && Object.hasOwn(group as object, key)
    return isThere ? (group as Record<string, unknown>)[key] : undefined
  }, options)
}

/** A copy of the options with values, by their names, where they say nothing. A group that is switched off stays so. */
export function withDefaults<T extends object> (options: T, defaults: Readonly<Record<string, unknown>>): T {
  const copy: T = own(options)
  for (const [name, value] of Object.entries(defaults)) fill(copy as Record<string, unknown>, name.split('.'), value)
  return copy
}

function fill (group: Record<string, unknown>, [key = '', ...rest]: string[], value: unknown): void {
  if (rest.length === 0) {
    group[key] ??= value
    return
  }
  const inner = group[key] ?? {}
  if (isObject(inner)) fill(group[key] = own(inner) as Record<string, unknown>, rest, value)
}
