import type { Clock } from '../clock.ts'
import type { OnFailure, Stall } from '../lifecycle/participants.ts'
import { messageOf } from '../errors.ts'
import type { PreCloseHook } from './pre-close.ts'

/** How long a hook keeps the next one waiting at most, in milliseconds: bare Fastify's `pluginTimeout`. */
const longestTurn = 10_000

/** What {@link PreCloseRun} needs. */
export interface PreCloseRunParts {
  clock: Clock
  /** Takes the next hook; undefined where there is none. */
  next: () => PreCloseHook | undefined
  /** Milliseconds until the hooks are no longer waited for. */
  left: () => number
  onFailure: OnFailure
  /** A hook has settled. */
  onSettled: () => void
}

/**
 * Whether somebody who began `elapsed` milliseconds ago has kept others waiting long enough, where
 * `left` are left: half of the time at most.
 */
export function isTurnOver (elapsed: number, left: number): boolean {
  return elapsed >= Math.min(longestTurn, (elapsed + left) / 2)
}

interface Running { name: () => string, since: number }

/**
 * Others' hooks into the close, one after the other. One that lasts too long has the next one beside
 * it: a hook that hangs, or that waits for a client which only the next one ends, stops nobody.
 */
export class PreCloseRun {
  readonly #parts: PreCloseRunParts
  readonly #running = new Set<Running>()
  /** Whose turn it is. */
  #current: Running | undefined
  #state: 'not begun' | 'running' | 'over' = 'not begun'
  #since = 0

  constructor (parts: PreCloseRunParts) {
    this.#parts = parts
  }

  /** The first hook is called. A second call does nothing. */
  start (): void {
    if (this.#state !== 'not begun') return
    this.#state = 'running'
    this.#since = this.#parts.clock.now()
    this.#advance()
  }

  /** Hooks that had to wait for something else are called now. */
  resume (): void {
    if (this.#current === undefined) this.#advance()
  }

  /** No hook is started any more. */
  stop (): void {
    this.#state = 'over'
  }

  /** The hooks that run; the next one is started where that one's turn is over. */
  stalls (): Stall[] {
    if (this.#current !== undefined && this.#isOverdue(this.#current.since)) this.#advance()
    return [...this.#running].map(({ name }) => ({ name: name(), reason: 'is running' }))
  }

  /** Whether all have settled, or as much time is over as a single one may keep others waiting. */
  get isOthersTurn (): boolean {
    return this.#state !== 'running' || (this.#current === undefined && this.#running.size === 0)
      || this.#isOverdue(this.#since)
  }

  #isOverdue (since: number): boolean {
    const { clock, left } = this.#parts
    return isTurnOver(clock.now() - since, left())
  }

  #advance (): void {
    this.#current = undefined
    if (this.#state !== 'running') return
    const hook = this.#parts.next()
    if (hook !== undefined) this.#run(hook)
  }

  #run ({ name, run }: PreCloseHook): void {
    let known: string | undefined
    const nameOf = (): string => known ??= name()
    const running: Running = { name: nameOf, since: this.#parts.clock.now() }
    this.#running.add(running)
    this.#current = running
    const settle = (): void => {
      this.#running.delete(running)
      if (this.#current === running) this.#advance()
      this.#parts.onSettled()
    }
    run().then(settle, (error: unknown) => {
      this.#parts.onFailure({ name: nameOf(), message: messageOf(error) }, error)
      settle()
    })
  }
}
