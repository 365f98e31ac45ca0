import { AddressCounts } from './address-counts.ts'

/** Who waits for a piece of work. */
export interface Waiter {
  /** Where it comes from; undefined where nobody knows, as on a unix socket. */
  readonly address: string | undefined
}

/**
 * Pieces of work, one for each waiter at most. The next one is that of the address that has the fewest here, so that
 * somebody who has many connections does not keep out somebody who has one.
 */
export class Lane {
  readonly #waiting = new Map<Waiter, () => void>()
  readonly #counts = new AddressCounts()

  get size (): number { return this.#waiting.size }

  add (waiter: Waiter, work: () => void): void {
    if (!this.#waiting.has(waiter)) this.#counts.add(waiter.address)
    this.#waiting.set(waiter, work)
  }

  drop (waiter: Waiter): void {
    if (this.#waiting.delete(waiter)) this.#counts.remove(waiter.address)
  }

  /** Takes a piece out, of the address that has the fewest the oldest or the newest; undefined where there is none. */
  take (which: 'oldest' | 'newest' = 'oldest'): (() => void) | undefined {
    const next = this.#find(which)
    if (next === undefined) return undefined
    const work = this.#waiting.get(next)
    this.drop(next)
    return work
  }

  #find (which: 'oldest' | 'newest'): Waiter | undefined {
    const lowest = this.#counts.size > 1 ? this.#counts.lowest : undefined
    let found: Waiter | undefined
    for (const waiter of this.#waiting.keys()) {
      if (lowest !== undefined && this.#counts.of(waiter.address) !== lowest) continue
      found = waiter
      if (which === 'oldest') return found
    }
    return found
  }
}
