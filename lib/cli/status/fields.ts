const unfit = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** Text that is safe on a terminal: control characters and changes of the writing direction are spelled out. */
export function printable (text: string): string {
  return text.replace(unfit, (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`)
}

/** The same for all text inside a value that was JSON, names of fields too. */
function printableAll (value: unknown): unknown {
  if (typeof value === 'string') return printable(value)
  if (Array.isArray(value)) return value.map(printableAll)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [printable(name), printableAll(inner)]))
}

/** Deeper than any status goes. What is nested further is left out, so that nobody who walks it runs out of stack. */
const deepest = 64

/**
 * JSON that somebody has sent.
 *
 * @throws SyntaxError
 */
export function readJson (text: string): unknown {
  return prune(JSON.parse(text), 0)
}

function prune (value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth >= deepest) return Array.isArray(value) ? '[...]' : '{...}'
  if (Array.isArray(value)) return value.map((item) => prune(item, depth + 1))
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, prune(inner, depth + 1)]))
}

/** A value from the wire, which may be anything: what is missing or of another type reads as undefined or empty. */
export class Fields {
  readonly #value: unknown

  constructor (value: unknown) {
    this.#value = value
  }

  /** Whether there is anything. */
  get there (): boolean {
    return this.#value !== undefined && this.#value !== null
  }

  at (...names: string[]): Fields {
    let value = this.#value
    for (const name of names) value = isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined
    return new Fields(value)
  }

  text (...names: string[]): string | undefined {
    const value = this.at(...names).#value
    return typeof value === 'string' ? printable(value) : undefined
  }

  number (...names: string[]): number | undefined {
    const value = this.at(...names).#value
    return typeof value === 'number' ? value : undefined
  }

  flag (...names: string[]): boolean | undefined {
    const value = this.at(...names).#value
    return typeof value === 'boolean' ? value : undefined
  }

  list (...names: string[]): Fields[] {
    const value = this.at(...names).#value
    return Array.isArray(value) ? value.map((item) => new Fields(item)) : []
  }

  /** The texts of a list. */
  texts (...names: string[]): string[] {
    return this.list(...names).flatMap((item) => item.text() ?? [])
  }

  entries (...names: string[]): Array<[name: string, value: Fields]> {
    const value = this.at(...names).#value
    return isRecord(value) ? Object.entries(value).map(([name, inner]) => [printable(name), new Fields(inner)]) : []
  }

  /** Whatever it is, for JSON. */
  get plain (): unknown {
    return printableAll(this.#value)
  }
}

function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
