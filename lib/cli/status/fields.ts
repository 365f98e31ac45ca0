import { printable } from '../printable.ts'

/** Deeper than any status goes. What is nested further is left out, so that nobody who walks it runs out of stack. */
const deepest = 64

/** A value that was JSON, with all text in it {@link printable}, names of fields too. */
export function printableAll (value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return printable(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= deepest) return Array.isArray(value) ? '[...]' : '{...}'
  if (Array.isArray(value)) return value.map((item) => printableAll(item, depth + 1))
  return Object.fromEntries(Object.entries(value)
    .map(([name, inner]) => [printable(name), printableAll(inner, depth + 1)]))
}

/** What JSON says that somebody has sent; undefined for what is none. */
export function readJson (text: string): unknown {
  try {
    return printableAll(JSON.parse(text))
  } catch {
    return undefined
  }
}
