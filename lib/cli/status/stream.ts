import { Fields, readJson } from './fields.ts'

/** One server-sent event. */
export interface StreamEvent { name: string, data: unknown }

/** Characters of one event; see the bound of an answer. */
const longest = 16 * 2 ** 20

/**
 * Reads server-sent events as their standard has them, as far as a status needs it.
 *
 * @throws Error where one is too long
 */
export async function * readEvents (chunks: AsyncIterable<string>): AsyncGenerator<StreamEvent, void> {
  let text = ''
  for await (const chunk of chunks) {
    text += chunk
    const blocks = text.split(/\r?\n\r?\n/)
    text = blocks.pop() ?? ''
    if (text.length > longest) throw new Error('an event is too long')
    for (const block of blocks) {
      const event = readEvent(block.split(/\r?\n/))
      if (event !== undefined) yield event
    }
  }
}

/** Undefined for comments, and for what is no JSON. */
function readEvent (lines: string[]): StreamEvent | undefined {
  const field = (name: string): string[] => lines
    .filter((line) => line.startsWith(`${name}:`))
    .map((line) => line.slice(name.length + 1).replace(/^ /, ''))
  const data = field('data').join('\n')
  if (data === '') return undefined
  try {
    return { name: field('event').at(-1) ?? 'message', data: readJson(data) }
  } catch {
    return undefined
  }
}

/** What of a state is as it was, however long ago. */
const settled: ReadonlySet<string> = new Set(['report', 'shutdown', 'traffic'])
/**
 * Whether the field, in milliseconds, grows with the time; a stream does not repeat it for that alone. The silence of
 * an event loop that turns does not grow.
 */
const isGrowing = (name: string, owner: object): boolean =>
  name === 'age' || (name === 'silence' && 'blocked' in owner && owner.blocked === true)

/** A state that is told by its changes. */
export class StreamedState {
  readonly #fields = new Map<string, { value: unknown, at: number }>()
  /** When the last event was so, by the clock of the service, and when it was heard, by ours. */
  #at = 0
  #heard = 0

  /** Whether a whole state has come, so that changes mean something. */
  get there (): boolean {
    return this.#fields.size > 0
  }

  /** Takes what came: the whole, or what of it is new; `null` is gone. */
  take (data: unknown, whole: boolean): void {
    const fields = new Fields(data)
    if (whole) this.#fields.clear()
    this.#heard = Date.now()
    this.#at = fields.number('at') ?? this.#heard
    for (const [name, value] of Object.entries(data ?? {})) {
      if (value === null) this.#fields.delete(name)
      else this.#fields.set(name, { value, at: this.#at })
    }
  }

  /** Now, by the clock of the service. */
  get now (): number {
    return this.#at + Date.now() - this.#heard
  }

  /** As it is now: what only grows has grown. */
  get fields (): Fields {
    const { now } = this
    return new Fields(Object.fromEntries([...this.#fields].map(([name, { value, at }]) =>
      [name, settled.has(name) ? value : grown(value, now - at)])))
  }
}

function grown (value: unknown, elapsed: number): unknown {
  if (Array.isArray(value)) return value.map((item) => grown(item, elapsed))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => {
    if (typeof inner === 'number' && isGrowing(name, value)) return [name, inner + elapsed]
    return [name, settled.has(name) ? inner : grown(inner, elapsed)]
  }))
}
