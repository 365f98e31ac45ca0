const unfit = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu
/** Deeper than any status goes. What is nested further is left out, so that nobody who walks it runs out of stack. */
const deepest = 64

/** Text that is safe on a terminal: control characters and changes of the writing direction are spelled out. */
export function printable (text: string): string {
  return text.replace(unfit, (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`)
}

/** A value that was JSON, with all text in it {@link printable}, names of fields too. */
export function printableAll (value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return printable(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= deepest) return Array.isArray(value) ? '[...]' : '{...}'
  if (Array.isArray(value)) return value.map((item) => printableAll(item, depth + 1))
  return Object.fromEntries(Object.entries(value)
    .map(([name, inner]) => [printable(name), printableAll(inner, depth + 1)]))
}

/** What a text of somebody else says as JSON, with all text in it {@link printable}; undefined where it is none. */
export function readJson (text: string): unknown {
  try {
    return printableAll(JSON.parse(text))
  } catch {
    return undefined
  }
}
