import { longestLine } from './lines.ts'

/** Places in a line at which JSON is looked for. */
const mostTries = 5

/**
 * What the text may have lost, or got, on its way: the API server puts a time before each piece of a long line, and
 * pino-pretty writes one backslash for two.
 */
const repairs: ReadonlyArray<(text: string) => string> = [
  (text) => text,
  (text) => text.replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /g, ''),
  (text) => text.replaceAll(/\\(?!["\\/bfnrtu])/g, '\\\\')
]

/** What JSON says; undefined for what is none. */
export function parseJson (text: string): unknown {
  for (const repair of repairs) {
    try {
      return JSON.parse(repair(text))
    } catch {
      // It is none, or not yet.
    }
  }
  return undefined
}

/** The object or list that a line ends with, whatever stands before it; undefined where there is none. */
export function jsonAtEnd (line: string): unknown {
  let start = /^\s*[[{]/.test(line) ? 0 : line.indexOf('{"')
  for (let tries = 0; start !== -1 && tries < mostTries; tries++) {
    const value = parseJson(line.slice(start))
    if (typeof value === 'object' && value !== null) return value
    start = line.indexOf('{"', start + 1)
  }
  return undefined
}

/** Lists of entries, as CloudWatch, Loki and others name them: they may be longer than what fits into memory. */
const list = /"(?:events|results?|entries|hits|items|records)"\s*:\s*$/
/** What a line of JSON begins with, and what stands at the end of the one before where another value may begin. */
const begins = /^["{}[\],:\-\dtfn]/
const beginsValue = /^["{[]/
const awaitsValue = /[,[{:]$/
const [quote, backslash] = [34, 92]
const opening: ReadonlySet<string> = new Set('{[')
const closing: ReadonlySet<string> = new Set('}]')

/** Whether a line is the beginning of JSON that goes on in the next one. */
export function opensDocument (line: string): boolean {
  return !line.endsWith('}') && /^[[{](?:[[{]?\s*$|\s*")/.test(line)
}

/** How far a document has come. */
type Progress = 'open' | 'done' | 'broken'

/** JSON over many lines. It holds one entry of a list of entries at most. */
export class JsonDocument {
  readonly #value: (value: unknown) => void
  readonly #isOne: boolean
  #depth = 0
  /** The depth of the list of entries that is being read. */
  #list: number | undefined
  #hadList = false
  #text = ''
  #isTooLong = false
  #before = ''

  /**
   * @param value called with each entry, or with the whole; with undefined for what is too long, or no JSON
   * @param isOne whether it is one value, whatever lists are in it
   */
  constructor (value: (value: unknown) => void, isOne = false) {
    this.#value = value
    this.#isOne = isOne
  }

  /** Takes the next line. Of one that is `broken`, the line belongs to something else. */
  add (line: string): Progress {
    const text = line.trim()
    if (text === '') return 'open'
    if (!begins.test(text)) return 'broken'
    if (beginsValue.test(text) && this.#before !== '' && !awaitsValue.test(this.#before)) return 'broken'
    this.#before = text.slice(-1)
    return this.#scan(text)
  }

  #scan (text: string): Progress {
    let from = 0
    for (let at = 0; at < text.length; at++) {
      const sign = text.charAt(at)
      if (sign === '"') {
        at = endOfString(text, at)
        if (at === -1) return 'broken'
      } else if (opening.has(sign)) {
        this.#depth++
        const isList = sign === '[' && this.#list === undefined && this.#isList(text.slice(Math.max(0, at - 40), at))
        if (isList) from = this.#enter(at + 1)
        else if (this.#depth - 1 === this.#list) from = this.#begin(at)
      } else if (closing.has(sign)) {
        this.#depth--
        if (this.#depth === this.#list) {
          this.#tell(text.slice(from, at + 1))
          from = at + 1
        } else if (this.#list !== undefined && this.#depth < this.#list) {
          this.#list = undefined
          from = this.#begin(at + 1)
        }
        if (this.#depth <= 0) {
          if (at < text.length - 1) return 'broken'
          if (!this.#hadList) this.#tell(text.slice(from))
          return 'done'
        }
      }
    }
    this.#keep(`${text.slice(from)}\n`)
    return 'open'
  }

  #isList (before: string): boolean {
    return !this.#isOne && (this.#depth === 1 || list.test(before))
  }

  #enter (at: number): number {
    this.#list = this.#depth
    this.#hadList = true
    return this.#begin(at)
  }

  /** What came before is no part of it. */
  #begin (at: number): number {
    this.#text = ''
    this.#isTooLong = false
    return at
  }

  #keep (text: string): void {
    this.#isTooLong ||= this.#text.length + text.length > longestLine
    this.#text = this.#isTooLong ? '' : this.#text + text
  }

  #tell (end: string): void {
    this.#keep(end)
    this.#value(this.#isTooLong ? undefined : parseJson(this.#text))
    this.#begin(0)
  }
}

/** Where a string that begins at a quote ends; -1 where it does not. */
function endOfString (text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === backslash) at++
    else if (code === quote) return at
  }
  return -1
}
