import type { Clock } from '../clock.ts'
import { errors, invalidArgument, messageOf, typeName, takeOptions } from '../errors.ts'
import { show } from '../util/shown.ts'
import { clip } from '../util/text.ts'
import type { StallPhase } from './phase.ts'

/** What a participant says: `true` or a reason means "not yet"; `false` or nothing means "I hold nothing". */
export type Answer = boolean | string | undefined | void

/**
 * Zope's contract: asked on every tick with the phase and the milliseconds spent in it.
 * A throw, a rejection or an answer that never comes counts as `false`, is reported by name, and stops nobody else.
 */
export type Participant = (phase: StallPhase, elapsed: number) => Answer | Promise<Answer>

/** Who holds a phase, and why. */
export interface Stall { name: string, reason: string }

/** Something that went wrong without stopping the shutdown. */
export interface Failure { name: string, message: string }

/** Takes a failure, and where there is one the error behind it, whose stack a report has no room for. */
export type OnFailure = (failure: Failure, error?: unknown) => void

/** How long an answer may take before its participant is no longer waited for, in milliseconds. */
export const answerTimeout = 5000

interface Entry {
  readonly name: string
  readonly ask: Participant
  /** Set while an asynchronous answer is pending; such an entry is not asked again. */
  pendingSince: number | undefined
  /** An asynchronous answer that has come since the last tick; it counts for the phase it was asked in, once. */
  settled: { phase: StallPhase, answer: Answer } | undefined
  /** What it said last, in which phase; it stands while the next answer is pending. */
  last: { phase: StallPhase, reason: string | undefined } | undefined
  /** Reported as hung already; once is enough. */
  hung: boolean
}

/** Everything that may stall a phase, and the asking of it. */
export class Participants {
  readonly #entries = new Set<Entry>()
  readonly #clock: Clock
  readonly #onFailure: OnFailure
  readonly #onAnswer: () => void

  constructor (clock: Clock, onFailure: OnFailure, onAnswer: () => void) {
    this.#clock = clock
    this.#onFailure = onFailure
    this.#onAnswer = onAnswer
  }

  /** Adds a participant; the function that comes back removes it. */
  add (name: string, ask: Participant): () => void {
    if (typeof name !== 'string' || name === '') {
      throw invalidArgument("the name of a participant ('stall')", 'a non-empty string', name)
    }
    if (typeof ask !== 'function') {
      throw invalidArgument(`participant '${name}'`, 'a function (phase, elapsed) => boolean | string', ask)
    }
    const entry: Entry = {
      name: clip(name), ask, pendingSince: undefined, settled: undefined, last: undefined, hung: false
    }
    this.#entries.add(entry)
    return () => { this.#entries.delete(entry) }
  }

  /** The names of all participants, in the order they came. */
  names (): string[] {
    return [...this.#entries].map((entry) => entry.name)
  }

  /** Asks everybody, whatever the others say, and lists who stalls. */
  ask (phase: StallPhase, elapsed: number): Stall[] {
    const stalls: Stall[] = []
    for (const entry of this.#entries) {
      const reason = this.#askOne(entry, phase, elapsed)
      if (reason !== undefined) stalls.push({ name: entry.name, reason })
    }
    return stalls
  }

  #askOne (entry: Entry, phase: StallPhase, elapsed: number): string | undefined {
    if (entry.pendingSince !== undefined) return this.#pending(entry, phase)
    const { settled } = entry
    entry.settled = undefined
    if (settled !== undefined && settled.phase === phase) return this.#reason(entry, phase, settled.answer)
    try {
      const answer = entry.ask(phase, elapsed)
      if (!isPending(answer)) return this.#reason(entry, phase, answer)
      this.#await(entry, phase, answer)
      return lastOf(entry, phase)
    } catch (error) {
      this.#onFailure({ name: entry.name, message: messageOf(error) }, error)
      return undefined
    }
  }

  #pending (entry: Entry, phase: StallPhase): string | undefined {
    if (this.#clock.now() - (entry.pendingSince ?? 0) < answerTimeout) return lastOf(entry, phase)
    if (!entry.hung) {
      entry.hung = true
      this.#onFailure({ name: entry.name, message: `did not answer within ${answerTimeout} ms` })
    }
    return undefined
  }

  #await (entry: Entry, phase: StallPhase, answer: PromiseLike<Answer>): void {
    entry.pendingSince = this.#clock.now()
    const settle = (value: Answer): void => {
      entry.pendingSince = undefined
      entry.settled = { phase, answer: value }
      this.#onAnswer()
    }
    // A thenable of somebody's own may throw when it is asked.
    Promise.resolve(answer).then(settle, (error: unknown) => {
      this.#onFailure({ name: entry.name, message: messageOf(error) }, error)
      settle(false)
    })
  }

  #reason (entry: Entry, phase: StallPhase, answer: Answer): string | undefined {
    const reason = answer === true ? 'not yet' : typeof answer === 'string' && answer !== '' ? clip(answer) : undefined
    entry.last = { phase, reason }
    if (reason === undefined && answer !== false && answer !== undefined && answer !== null) {
      this.#onFailure({
        name: entry.name,
        message: new errors.FST_GRACEFUL_INVALID_ANSWER(show(answer), typeName(answer)).message
      })
    }
    return reason
  }
}

/** Without this, two slow participants whose answers never coincide would hold a phase for ever for no reason. */
function lastOf ({ last }: Entry, phase: StallPhase): string | undefined {
  return last?.phase === phase ? last.reason : 'has not answered yet'
}

function isPending (answer: Answer | PromiseLike<Answer>): answer is PromiseLike<Answer> {
  return typeof (answer as PromiseLike<Answer> | null | undefined)?.then === 'function'
}

interface WorkOptions { name?: string, socket?: unknown }

/** @throws FST_GRACEFUL_INVALID_ARGUMENT, FST_GRACEFUL_UNKNOWN_OPTION */
export function takeWorkOptions<T extends WorkOptions> (options: T): T {
  return takeOptions(options, "'waitUntil'", ['name', 'socket'])
}

/** Background work that was started by requests: phase 3 waits for it. */
export class BackgroundWork {
  readonly #pending = new Map<symbol, string>()
  readonly #onSettled: () => void
  readonly #onFailure: OnFailure

  constructor (onSettled: () => void, onFailure: OnFailure) {
    this.#onSettled = onSettled
    this.#onFailure = onFailure
  }

  /** Follows a promise to its end. A rejection is logged by name, for nobody else may be listening. */
  track (promise: PromiseLike<unknown>, options?: WorkOptions): void {
    this.follow(promise, options === undefined ? undefined : takeWorkOptions(options).name)
  }

  /** Follows a promise to its end, under a name that is read already. */
  follow (promise: PromiseLike<unknown>, name = 'background work'): void {
    if (typeof (promise as PromiseLike<unknown> | null | undefined)?.then !== 'function') {
      throw invalidArgument("the work given to 'waitUntil'", 'a promise', promise)
    }
    if (typeof name !== 'string' || name === '') {
      throw invalidArgument("the name of work given to 'waitUntil'", 'a non-empty string', name)
    }
    const key = Symbol('background work')
    const shown = clip(name)
    this.#pending.set(key, shown)
    const settle = (): void => {
      this.#pending.delete(key)
      if (this.#pending.size === 0) this.#onSettled()
    }
    // A thenable of somebody's own may throw when it is followed.
    Promise.resolve(promise).then(settle, (error: unknown) => {
      settle()
      this.#onFailure({ name: shown, message: clip(messageOf(error)) }, error)
    })
  }

  /** How much work is going on. */
  get size (): number {
    return this.#pending.size
  }

  /** The work that is going on, by name. */
  names (): string[] {
    return [...this.#pending.values()]
  }

  /** The work that is going on, as stalls of phase 3. */
  stalls (): Stall[] {
    return this.names().map((name) => ({ name, reason: 'background work is running' }))
  }
}
