import { AddressCounts } from './address-counts.ts'

/** For how many turns new connections may put off what else there is to do. */
const longestDelay = 50
/** Pieces of a kind in one turn; of first probes it is the newest and the oldest. */
const most = { arrived: 8, again: 4, other: 1 } as const

/**
 * What a piece of work is: to begin to read from a new connection, to answer its first request, which is a probe, to
 * answer a probe on another one, or what nobody's health hangs on.
 */
export type Kind = 'arrived' | 'first' | 'again' | 'other'

/**
 * Work that can wait, a few pieces in each turn of the event loop: between two turns it takes what has come meanwhile.
 *
 * The kernel hands over one new connection in a turn, the oldest first, so that a probe's comes behind all that came
 * before it. While connections come turn after turn, nearly all turns do nothing but accept one: to read what a
 * thousand of them ask for, and to answer it, would be done before the probe's is seen.
 *
 * Of probes that are all of one address nobody can tell which are a stranger's. The newest has its turn with the
 * oldest: one that comes behind a crowd does not wait for it, and one in the middle is not forgotten.
 */
export class Turns {
  readonly #lanes: Readonly<Record<Kind, Lane>> = {
    arrived: new Lane(),
    first: new Lane(),
    again: new Lane(),
    other: new Lane()
  }

  readonly #mostArrived: number
  #isRunning = false
  /** A connection has come since the last run. */
  #hasArrived = false
  /** One had come before that run, too. */
  #isCrowded = false
  #delayed = 0

  /** @param mostArrived connections at most that have come and wait for their first piece of work */
  constructor (mostArrived: number) {
    this.#mostArrived = mostArrived
  }

  /** Does it in one of the next turns, unless the waiter leaves before. */
  add (kind: Kind, waiter: Waiter, work: () => void): void {
    this.#lanes[kind].add(waiter, work)
    this.#continue()
  }

  /** Its work is not done any more: whoever connects and leaves again and again must not fill the lanes. */
  drop (waiter: Waiter): void {
    for (const lane of Object.values(this.#lanes)) lane.drop(waiter)
  }

  /** A connection has come. Its first piece of work is done at once, unless they come turn after turn. */
  arrive (waiter: Waiter, work: () => void): void {
    this.#hasArrived = true
    this.#continue()
    if (!this.#isCrowded) return work()
    const { arrived } = this.#lanes
    arrived.add(waiter, work)
    if (arrived.size > this.#mostArrived) arrived.take()?.()
  }

  #continue (): void {
    if (this.#isRunning) return
    this.#isRunning = true
    setImmediate(() => { this.#run() })
  }

  #run (): void {
    this.#isRunning = false
    this.#isCrowded = this.#hasArrived
    this.#hasArrived = false
    try {
      const isDue = ++this.#delayed >= longestDelay
      if (!this.#isCrowded || isDue) this.#work(isDue)
    } finally {
      if (this.#isCrowded || Object.values(this.#lanes).some(({ size }) => size > 0)) this.#continue()
    }
  }

  #work (isDue: boolean): void {
    const { arrived, first, again, other } = this.#lanes
    // In their order: the one that was read first is the first that is closed for others.
    for (let count = 0; count < most.arrived; count++) arrived.take()?.()
    first.take('newest')?.()
    first.take('oldest')?.()
    for (let count = 0; count < most.again; count++) again.take()?.()
    // A probe may be among those that are not read.
    if (arrived.size > 0 && !isDue) return
    this.#delayed = 0
    for (let count = 0; count < most.other; count++) other.take()?.()
  }
}

/** Who waits for a piece of work. */
interface Waiter {
  /** Where it comes from; undefined where nobody knows, as on a unix socket. */
  readonly address: string | undefined
}

/**
 * Pieces of work, one for each waiter at most. The next one is that of the address that has the fewest here, so that
 * somebody who has many connections does not keep out somebody who has one.
 */
class Lane {
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
