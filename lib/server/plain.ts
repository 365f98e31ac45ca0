import { STATUS_CODES } from 'node:http'

/** A question that is nothing else: what of it an answer may hang on, and who asks. */
export interface PlainRequest {
  method: 'GET' | 'HEAD'
  /** Without a query: there is none. */
  path: string
  accept: string | undefined
  host: string | undefined
  userAgent: string | undefined
  /** Whether the connection stays. */
  isKept: boolean
}

/** What such a question is answered with: a text that nobody may keep. */
export interface PlainAnswer {
  code: number
  body: string
  /** Called when it has gone out. */
  sent: () => void
}

/** Answers such a question at once; undefined where it is not one of those that can be answered so. */
export type AnswerPlainly = (request: PlainRequest, address: string | undefined) => PlainAnswer | undefined

/** Bytes of such a request at most. */
const longest = 1024
/** The whole of a request without a query and a body, and nothing behind it. */
const shape = /^(GET|HEAD) (\/[\w\-.~/]*) HTTP\/1\.([01])\r\n((?:[\w-]+:[\x20-\x7e]*\r\n)*)\r\n$/
/** Fields that change nothing, or nothing that is not known here. Each may be there once. */
const known: ReadonlySet<string> = new Set(['host', 'user-agent', 'accept', 'accept-encoding', 'connection'])
const hostShape = /^[\w.:[\]-]*$/

/**
 * Reads a request that is a plain question, whole and alone in what has come; undefined where it is anything else, or
 * where there is the least doubt: that is for Node's parser.
 */
export function readPlain (chunk: Buffer): PlainRequest | undefined {
  if (chunk.length > longest) return undefined
  const [, method, path, minor, lines] = shape.exec(chunk.toString('latin1')) ?? []
  if (lines === undefined) return undefined
  const fields = fieldsOf(lines)
  if (fields === undefined) return undefined
  const { host, accept, 'user-agent': userAgent, connection } = fields
  if (host === undefined ? minor === '1' : !hostShape.test(host)) return undefined
  const kept = connection?.toLowerCase() ?? (minor === '1' ? 'keep-alive' : 'close')
  if (kept !== 'close' && kept !== 'keep-alive') return undefined
  return { method: method as 'GET' | 'HEAD', path: path!, accept, host, userAgent, isKept: kept === 'keep-alive' }
}

/** The fields of a head by their names; undefined where one is not known, or is there twice. */
function fieldsOf (lines: string): Partial<Record<string, string>> | undefined {
  const fields: Partial<Record<string, string>> = {}
  for (let from = 0; from < lines.length;) {
    const to = lines.indexOf('\r\n', from)
    const colon = lines.indexOf(':', from)
    const name = lines.slice(from, colon).toLowerCase()
    if (!known.has(name) || fields[name] !== undefined) return undefined
    fields[name] = lines.slice(colon + 1, to).trim()
    from = to + 2
  }
  return fields
}

/** What a connection is told of its future: how long it may rest, in seconds, and how often it may ask. */
export interface Keeping { timeout: number, max: number }

/** An answer as Node's server would write it; the connection ends with it where it is not to be kept. */
export function formatPlain ({ method }: PlainRequest, { code, body }: PlainAnswer, keeping?: Keeping): string {
  const connection = keeping === undefined
    ? 'close'
    : `keep-alive\r\nKeep-Alive: timeout=${keeping.timeout}, max=${keeping.max}`
  return `HTTP/1.1 ${code} ${STATUS_CODES[code]}\r\n`
    + `content-type: text/plain; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`
    + 'cache-control: no-store\r\nx-content-type-options: nosniff\r\nvary: accept\r\n'
    + `Date: ${new Date().toUTCString()}\r\nConnection: ${connection}\r\n\r\n${method === 'HEAD' ? '' : body}`
}

const lineFeed = 0x0a
const carriageReturn = 0x0d

/**
 * Finds where the head of a request ends: at the first empty line behind a line that is not. It reads no more out of a
 * head than that; whether the head is one, Node's parser says.
 */
export class HeadEnd {
  /** A line that is not empty has come. */
  #hasBegun = false
  /** Nothing has come of the present line, but for carriage returns. */
  #isEmpty = true

  /** The index behind the end in the next piece of what is sent; undefined where it is not in it. */
  find (piece: Buffer): number | undefined {
    for (let start = 0; start < piece.length;) {
      const found = piece.indexOf(lineFeed, start)
      const end = found === -1 ? piece.length : found
      this.#isEmpty &&= isBlank(piece, start, end)
      if (!this.#isEmpty) this.#hasBegun = true
      if (found === -1) return undefined
      const isOver = this.#hasBegun && this.#isEmpty
      this.#isEmpty = true
      if (isOver) {
        this.#hasBegun = false
        return found + 1
      }
      start = found + 1
    }
    return undefined
  }
}

function isBlank (piece: Buffer, start: number, end: number): boolean {
  for (let index = start; index < end; index++) if (piece[index] !== carriageReturn) return false
  return true
}
