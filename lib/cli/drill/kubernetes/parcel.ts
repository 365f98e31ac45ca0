import type { RunRecord } from '../../../drill/index.ts'

/** What the load in the cluster says to whoever has started it. */
export type Message =
  /** The Service has answered, and the load has begun. */
  | { what: 'loaded' }
  | { what: 'progress', requests: number, lost: number }
  | { what: 'failed', why: string }
  /** A piece of the result, which is JSON. */
  | { what: 'part', index: number, of: number, text: string }

/** Characters of a piece: runtimes of containers cut lines at 16 KiB. */
const longestPart = 4000
/** Pieces of a result at most: it has 1000 losses, and one second of latency for each of an hour. */
const mostParts = 2000

const event = 'drill.load'

/** A message as a line of the Job's log. */
export function lineOf (mark: string, message: Message): string {
  return `${JSON.stringify({ event, mark, ...message })}\n`
}

/** The result as lines. */
export function linesOf (mark: string, run: RunRecord): string {
  const text = JSON.stringify(run)
  const of = Math.ceil(text.length / longestPart)
  const part = (index: number): string => text.slice(index * longestPart, (index + 1) * longestPart)
  return Array.from({ length: of }, (_, index) => lineOf(mark, { what: 'part', index, of, text: part(index) })).join('')
}

/** Puts a result together again. */
export class Parcel {
  /** What has come; undefined while pieces are missing. */
  run: RunRecord | undefined
  readonly #mark: string
  readonly #parts = new Map<number, string>()

  constructor (mark: string) {
    this.#mark = mark
  }

  /** Reads a line of the log; undefined where it says nothing. @throws Error where a whole result cannot be read */
  read (line: string): Message | undefined {
    const fields = fieldsOf(line)
    if (fields?.['event'] !== event || fields['mark'] !== this.#mark) return undefined
    const message = fields as unknown as Message
    if (message.what === 'part') this.#add(message)
    return message
  }

  #add ({ index, of, text }: Extract<Message, { what: 'part' }>): void {
    if (!(of <= mostParts) || typeof text !== 'string') return
    this.#parts.set(index, text)
    if (this.#parts.size < of) return
    const whole = Array.from({ length: of }, (_, part) => this.#parts.get(part) ?? '').join('')
    const run = JSON.parse(whole) as Partial<RunRecord>
    if (!Array.isArray(run.losses) || run.latency?.stages === undefined || run.byKind === undefined) {
      throw new Error('the package in the image is of another version: its result cannot be read')
    }
    this.run = run as RunRecord
  }
}

function fieldsOf (line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? value as Record<string, unknown> : undefined
  } catch {
    return undefined
  }
}
