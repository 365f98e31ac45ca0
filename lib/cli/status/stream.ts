import { EventReader, later, merge } from '../../status/shown.ts'
import { readStatus } from '../../status/read.ts'
import { readJson } from '../printable.ts'

/** Characters of one event; see the bound of an answer. */
const longest = 16 * 2 ** 20

/**
 * Reads server-sent events; what is no JSON counts as none.
 *
 * @throws Error where one is too long
 */
export async function * readEvents (
  chunks: AsyncIterable<string>
): AsyncGenerator<{ name: string, data: unknown }, void> {
  const events = new EventReader()
  for await (const chunk of chunks) {
    for (const { name, data } of events.push(chunk)) {
      const json = readJson(data)
      if (json !== undefined) yield { name, data: json }
    }
    if (events.pending > longest) throw new Error('an event is too long')
  }
}

/** A state that is told by its changes. */
export class StreamedState {
  #state: { at: number } | undefined
  /** When the last event was heard, by the clock of this machine. */
  #heard = 0

  /** Whether a whole state has come, so that changes mean something. */
  get there (): boolean {
    return this.#state !== undefined
  }

  /** Takes what came: the whole, or what of it is new. */
  take (data: unknown, whole: boolean): void {
    this.#heard = Date.now()
    const told = { ...data as object, at: readStatus(data).at ?? this.#heard }
    this.#state = whole || this.#state === undefined ? told : merge(this.#state, told)
  }

  /** Now, by the clock of the service. */
  get now (): number {
    return (this.#state?.at ?? 0) + Date.now() - this.#heard
  }

  /** As it is now. */
  get told (): object {
    return later(this.#state ?? {}, Date.now() - this.#heard)
  }
}
