import { keyOf } from '../traffic/callers.ts'
import type { CallerIdentity } from '../traffic/callers.ts'
import type { ProbeAnswers } from './protocol.ts'

/** Callers that are told apart between two reports: a stranger may ask under any number of names. */
const mostCallers = 64

/**
 * Answers to probes that the main thread has not been told of, added up: a main thread that hangs
 * must not find one message for each.
 */
export class ProbeTally {
  readonly #now: () => number
  #answers = new Map<string, ProbeAnswers>()

  constructor (now: () => number) {
    this.#now = now
  }

  /** One has gone out. */
  add ({ prober, probe, ok, caller }: Pick<ProbeAnswers, 'prober' | 'probe' | 'ok' | 'caller'>): void {
    const at = this.#now()
    const kind = `${prober} ${probe} ${ok}`
    const key = caller === undefined ? kind : `${kind}\n${keyOfCaller(caller)}`
    const known = this.#answers.get(key)
    if (known === undefined && this.#answers.size >= mostCallers && caller !== undefined) {
      return this.add({ prober, probe, ok, caller: undefined })
    }
    const { count = 0, first = at } = known ?? {}
    this.#answers.set(key, { prober, probe, ok, caller, count: count + 1, first, last: at })
  }

  /** All since the last call. */
  take (): ProbeAnswers[] {
    if (this.#answers.size === 0) return []
    const answers = [...this.#answers.values()]
    this.#answers = new Map()
    return answers
  }
}

function keyOfCaller (caller: CallerIdentity): string {
  return `${caller.address ?? ''}\n${keyOf(caller)}`
}
