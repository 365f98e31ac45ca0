import type { Clock } from '../../lib/clock.ts'

interface Timer { at: number, callback: () => void }

/** A clock that is turned by hand. */
export class FakeClock implements Clock {
  /** What `epoch` is ahead of `now`. */
  static readonly offset = 1_700_000_000_000
  #time = 5000
  readonly #timers = new Set<Timer>()

  now (): number { return this.#time }
  epoch (): number { return this.#time + FakeClock.offset }

  after (delay: number, callback: () => void): () => void {
    const timer = { at: this.#time + delay, callback }
    this.#timers.add(timer)
    return () => { this.#timers.delete(timer) }
  }

  /** How many timers wait. */
  get timers (): number { return this.#timers.size }

  /** Lets time pass: what is due runs in its order, and promises settle between. */
  async advance (milliseconds: number): Promise<void> {
    const end = this.#time + milliseconds
    for (;;) {
      await settled()
      const next = this.#next(end)
      if (next === undefined) break
      this.#fire(next)
    }
    this.#time = end
  }

  /**
   * Lets time pass until something holds, and answers how much it took. It is looked at before anything else that is
   * due happens.
   */
  async advanceUntil (holds: () => boolean, most: number = 60_000): Promise<number> {
    const start = this.#time
    for (;;) {
      await settled()
      if (holds()) return this.#time - start
      const next = this.#next(start + most)
      if (next === undefined) throw new Error(`still not so after ${most} ms: ${holds.toString()}`)
      this.#fire(next)
    }
  }

  #fire (timer: Timer): void {
    this.#timers.delete(timer)
    this.#time = Math.max(this.#time, timer.at)
    timer.callback()
  }

  #next (end: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.at <= end && (next === undefined || timer.at < next.at)) next = timer
    }
    return next
  }
}

/** All promises that settle without time have settled afterwards. */
export function settled (): Promise<void> {
  return new Promise((resolve) => { setImmediate(resolve) })
}
