import type { Stall } from '../lifecycle/participants.ts'
import type { Envelope } from '../page/viewers.ts'
import type { SupervisorStatus } from '../supervisor/parent/status.ts'
import type { Status } from './model.ts'

/** The state that is shown: of an application, of a supervisor, or what the watchdog knows; and what precedes it. */
export interface Shown extends Partial<Envelope>, Partial<Omit<Status, keyof Envelope>>,
  Partial<Omit<SupervisorStatus, keyof Status>> {
  /** An event loop from outside of it: milliseconds since it turned, and the function that holds it. */
  eventLoop?: { silence: number, blocked: boolean, blockedIn?: string | undefined } | undefined
  /** Of a supervisor, at its end. */
  exitCode?: number
  /** What the watchdog knows of each application while they do not answer. */
  applications?: Shown[] | undefined
  /** Of such an application: who stalls, and its name. */
  stalls?: Stall[] | undefined
  name?: string | undefined
}

/** Fields in which no age grows: they tell of what has happened. */
const settled: ReadonlySet<string> = new Set(['report', 'shutdown', 'traffic'])
/** Whether a field grows with the time. The silence of an event loop that turns does not. */
const isGrowing = (name: string, owner: object): boolean =>
  name === 'age' || (name === 'silence' && 'blocked' in owner && owner.blocked === true)

/** A state so many milliseconds later: what only grows has grown, for which no stream repeats it. */
export function later<T> (value: T, elapsed: number): T {
  if (Array.isArray(value)) return value.map((item: unknown) => later(item, elapsed)) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]: [string, unknown]) => {
    if (typeof inner === 'number' && isGrowing(name, value)) return [name, inner + elapsed]
    return [name, settled.has(name) ? inner : later(inner, elapsed)]
  })) as T
}

/** Lays a change over a state. A field of `null` is gone. */
export function merge<T extends { at?: number }> (state: T, change: T): T {
  const { at = 0 } = state
  const all = { ...later(state, (change.at ?? at) - at), ...change }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null)) as T
}

/** One server-sent event. */
export interface StreamEvent { name: string, data: string }

/** Takes the text of a stream apart as it comes, by the standard of server-sent events, as far as a status needs it. */
export class EventReader {
  #rest = ''

  /** Characters of an event that is not whole yet. */
  get pending (): number {
    return this.#rest.length
  }

  /** The events that this piece completes; comments are none. */
  push (text: string): StreamEvent[] {
    const blocks = (this.#rest + text).split(/\r?\n\r?\n/)
    this.#rest = blocks.pop() ?? ''
    return blocks.flatMap((block) => {
      // Lines end with `\n` alone: for a regular expression U+2028 and U+2029, which JSON may hold, end one, too.
      const lines = block.split(/\r?\n/)
      const valuesOf = (field: string): string[] => lines
        .filter((line) => line.startsWith(`${field}:`))
        .map((line) => line.slice(field.length + 1).replace(/^ /, ''))
      const data = valuesOf('data').join('\n')
      return data === '' ? [] : [{ name: valuesOf('event').at(-1) ?? 'message', data }]
    })
  }
}
