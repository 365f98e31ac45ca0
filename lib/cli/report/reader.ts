import { JsonDocument, opensDocument, jsonAtEnd, parseJson } from './document.ts'
import { longestLine, isPiece, readPrefix } from './lines.ts'
import { mark, recordsIn } from './records.ts'
import type { LogRecord, Origin } from './records.ts'

/** What became of the lines. */
export interface LineCounts {
  lines: number
  /** Lines of others. */
  others: number
  /** Longer than 16 MiB. */
  tooLong: number
  /** Begun as JSON and never ended. */
  broken: number
}

/** What goes on over several lines of one source. */
interface Unfinished {
  origin: Origin
  document?: JsonDocument | undefined
  /** The fields of an event that pino-pretty writes, each in a line, or in several. */
  fields?: Record<string, unknown> | undefined
}

/** Sources whose lines may come in turn. */
const mostSources = 100
/** Fields of one event. */
const mostFields = 100
/** Docker cuts at 16 KiB, which are fewer characters where these are not of ASCII. */
const shortestPiece = 4096
const headOfPretty = 'fastify-graceful: '
/** The process, in such a head: `(17 on shop-7d9f)`. */
const processOfHead = /\((?:[^()/]*\/)?(\d+)?(?: ?on ([^\s()]+))?\):/
const property = /^\s+([\w.$-]+): ?(.*)$/

/** Reads one file's lines, of whatever form, and finds the plugin's events in them. */
export class LogReader {
  readonly #file: string
  readonly #counts: LineCounts
  readonly #found: (record: LogRecord) => void
  readonly #unfinished = new Map<string, Unfinished>()
  /** Pieces of lines that were cut: by the kubelet, or by Docker. */
  readonly #pieces = new Map<string, string>()

  constructor (file: string, counts: LineCounts, found: (record: LogRecord) => void) {
    this.#file = file
    this.#counts = counts
    this.#found = found
  }

  line (line: string): void {
    this.#counts.lines++
    if (this.#unfinished.size + this.#pieces.size === 0 && !isOfInterest(line)) {
      this.#counts.others++
      return
    }
    const { text, pod, source, isPiece: hasMore } = readPrefix(line)
    const whole = this.#join(source, text, hasMore)
    if (whole !== undefined) this.#whole(whole, { file: this.#file, pod }, source)
  }

  /** There are no more lines. */
  end (): void {
    this.#counts.broken += this.#pieces.size
    this.#pieces.clear()
    for (const source of this.#unfinished.keys()) this.#finish(source)
  }

  #join (source: string, text: string, hasMore: boolean): string | undefined {
    const before = this.#pieces.get(source) ?? ''
    const joined = before + text
    if (hasMore && joined.length <= longestLine && (before !== '' || this.#pieces.size < mostSources)) {
      this.#pieces.set(source, joined)
      return undefined
    }
    this.#pieces.delete(source)
    if (joined.length <= longestLine) return joined
    this.#counts.tooLong++
    return undefined
  }

  #whole (text: string, given: Origin, source: string): void {
    if (this.#goesOn(source, text)) return
    const isPretty = text.includes(headOfPretty) && !text.startsWith('{')
    const [, pid, hostname] = isPretty ? processOfHead.exec(text) ?? [] : []
    const origin = { ...given, hostname, pid: pid === undefined ? pid : Number(pid) }
    const value = text.includes(mark) || text.startsWith('{"log":"') ? jsonAtEnd(text) : undefined
    if (value !== undefined) return this.#take(value, origin, source)
    if (opensDocument(text)) {
      const document = new JsonDocument((entry) => this.#takeEntry(entry, origin))
      if (document.add(text) === 'open') return this.#begin(source, { origin, document })
    } else if (isPretty) return this.#begin(source, { origin, fields: {} })
    this.#counts.others++
  }

  #begin (source: string, unfinished: Unfinished): void {
    const [oldest = ''] = this.#unfinished.keys()
    if (this.#unfinished.size >= mostSources) this.#finish(oldest)
    this.#unfinished.set(source, unfinished)
  }

  /** Whether the line belongs to what the lines before it have begun. */
  #goesOn (source: string, text: string): boolean {
    const unfinished = this.#unfinished.get(source)
    if (unfinished === undefined) return false
    const { document, fields } = unfinished
    if (document !== undefined) {
      const progress = document.add(text)
      if (progress === 'open') return true
      unfinished.document = undefined
      if (progress === 'broken') this.#counts.broken++
      if (fields === undefined) this.#unfinished.delete(source)
      if (progress === 'done') return true
    }
    if (fields === undefined) return false
    if (this.#property(unfinished, fields, text)) return true
    this.#finish(source)
    return false
  }

  /** A field of an event as pino-pretty writes it. */
  #property (unfinished: Unfinished, fields: Record<string, unknown>, text: string): boolean {
    const [, name, value = ''] = property.exec(text) ?? []
    if (name === undefined || Object.keys(fields).length >= mostFields) return false
    const read = (json: unknown): void => {
      if (json !== undefined && name !== '__proto__') fields[name] = json
    }
    const document = new JsonDocument(read, true)
    if (/^[{[]/.test(value) && document.add(value) === 'open') unfinished.document = document
    else read(parseJson(value))
    return true
  }

  #finish (source: string): void {
    const { origin, fields, document } = this.#unfinished.get(source)!
    this.#unfinished.delete(source)
    if (document !== undefined) this.#counts.broken++
    if (fields !== undefined) this.#tell(fields, origin)
  }

  /** A line that was JSON. */
  #take (value: unknown, origin: Origin, source: string): void {
    const { log, stream } = value as { log?: unknown, stream?: unknown }
    if (typeof log !== 'string' || typeof stream !== 'string') return this.#tell(value, origin)
    // Docker's file: a long line comes in pieces, of which the last one has the end.
    const key = `${source} ${stream}`
    const hasMore = log.length >= shortestPiece && !log.endsWith('\n') && jsonAtEnd(log) === undefined
    if (!hasMore && !this.#pieces.has(key)) return this.#tell(value, origin)
    const whole = this.#join(key, log, hasMore)
    if (whole !== undefined) this.#tell(whole, origin)
  }

  #takeEntry (entry: unknown, origin: Origin): void {
    if (entry === undefined) this.#counts.broken++
    else this.#tell(entry, origin)
  }

  #tell (value: unknown, origin: Origin): void {
    let isOfOthers = true
    for (const record of recordsIn(value, origin)) {
      isOfOthers = false
      this.#found(record)
    }
    if (isOfOthers) this.#counts.others++
  }
}

/** Most lines are not, and are looked at no further. */
function isOfInterest (line: string): boolean {
  return line.includes(mark) || opensDocument(line) || isPiece(line) || isDockerPiece(line)
}

/** A line of Docker's file whose text has no end. */
function isDockerPiece (line: string): boolean {
  return line.startsWith('{"log":"') && !line.includes('\\n","stream"')
}
