import { setImmediate, setTimeout } from 'node:timers'
import type { Child } from './child.ts'

/** Milliseconds in which a signal to a whole process group reaches everybody. */
export const groupWindow = 100

/**
 * Children that a signal ends which the supervisor has not got. Terminals, control groups and
 * `kill -- -group` send it to all, in any order: whether a child ends by itself is known a moment later.
 */
export class GroupSignals {
  readonly #open = new Map<Child, Array<() => void>>()

  /** Calls `decide` when it is known. Later calls for the same child are called after it. */
  wait (child: Child, decide: () => void): void {
    const waiting = this.#open.get(child)
    if (waiting !== undefined) return void waiting.push(decide)
    this.#open.set(child, [decide])
    // On a busy machine a timer is late, and a signal that came before it is handled after it: one more turn.
    setTimeout(() => setImmediate(() => this.#settle(child)), groupWindow)
  }

  has (child: Child): boolean {
    return this.#open.has(child)
  }

  /** The supervisor has got it, too. */
  settle (): void {
    for (const child of this.#open.keys()) this.#settle(child)
  }

  #settle (child: Child): void {
    const waiting = this.#open.get(child) ?? []
    this.#open.delete(child)
    for (const decide of waiting) decide()
  }
}
