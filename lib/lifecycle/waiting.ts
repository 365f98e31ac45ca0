import type { Budget } from './budget.ts'
import type { Clock } from './clock.ts'
import { Finale } from './finale.ts'
import { PhaseHooks } from './hooks.ts'
import { Participants } from './participants.ts'
import type { OnFailure, Stall } from './participants.ts'
import type { Phase } from './phase.ts'
import { Work } from './work.ts'

/** What {@link Waiting} tells the machine. */
export interface WaitingPorts {
  /** Something went wrong; it counts in the report. */
  failed: OnFailure
  /** Background work was rejected; it is only logged. */
  rejected: OnFailure
  /** Somebody has ended: ask again. */
  wake (): void
  /** Phase 4: `app.close()`. */
  end (): Promise<unknown>
}

/** Everybody whom a phase waits for, and one round of asking them. */
export class Waiting {
  /** Who was registered. */
  readonly participants: Participants
  /** The plugin's own. */
  readonly observers: Participants
  readonly hooks: PhaseHooks
  readonly work: Work
  readonly #finale: Finale
  readonly #close: number
  #stalls: Stall[] = []
  /** Those of {@link #stalls} that somebody registered: the ones a report names when they are cut. */
  #named: Stall[] = []

  constructor (clock: Clock, { close }: Budget, { failed, rejected, wake, end }: WaitingPorts) {
    this.#close = close
    this.participants = new Participants(clock, failed, wake)
    this.observers = new Participants(clock, failed, wake)
    this.hooks = new PhaseHooks(clock, failed, wake)
    this.work = new Work(wake, rejected)
    this.#finale = new Finale(end, failed, wake)
  }

  /** Who stalled in the last round. */
  get stalls (): Stall[] { return this.#stalls }
  /** Those of them who are named where they are no longer waited for. */
  get named (): Stall[] { return this.#named }

  /** Asks everybody whom a phase waits for; whether nobody stalls. */
  ask (phase: Phase, elapsed: number): boolean {
    this.#stalls = phase === 'terminated' ? this.#askLast(elapsed) : phase === 'running' ? [] : this.#askAll(phase, elapsed)
    return this.#stalls.length === 0
  }

  /** Somebody outside stalls, where nobody here does. */
  waitFor (stall: Stall): void {
    this.#stalls = [stall]
  }

  /** A phase begins. */
  reset (): void {
    this.hooks.abandon()
    this.#stalls = []
  }

  /** Phase 4's own work begins, if it has not begun. */
  finish (): void {
    this.#finale.begin()
  }

  #askAll (phase: Exclude<Phase, 'running' | 'terminated'>, elapsed: number): Stall[] {
    const observed = this.observers.ask(phase, elapsed)
    const work = phase === 'draining' ? this.work.stalls() : []
    this.#named = [...this.participants.ask(phase, elapsed), ...this.hooks.stalls(), ...work]
    return [...observed, ...this.#named]
  }

  #askLast (elapsed: number): Stall[] {
    const hooks = this.hooks.stalls()
    // A hook that hangs must not take the time of `close` as well.
    if (hooks.length === 0 || elapsed >= this.#close / 2) this.#finale.begin()
    return [...hooks, ...this.#finale.stalls()]
  }
}
