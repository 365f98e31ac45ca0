interface Timer { at: number, callback: () => void }

/** A clock that tests turn by hand. */
export class FakeClock {
  #time = 1000
  readonly #timers = new Set<Timer>()

  readonly now = (): number => this.#time

  readonly after = (delay: number, callback: () => void): (() => void) => {
    const timer = { at: this.#time + delay, callback }
    this.#timers.add(timer)
    return () => { this.#timers.delete(timer) }
  }

  /** How many timers wait. */
  get timers (): number {
    return this.#timers.size
  }

  /** Lets time pass; what is due runs in order, and promises settle between. */
  async pass (milliseconds: number): Promise<void> {
    const end = this.#time + milliseconds
    for (;;) {
      await settle()
      const [next] = [...this.#timers].filter((timer) => timer.at <= end).toSorted((a, b) => a.at - b.at)
      if (next === undefined) break
      this.#timers.delete(next)
      this.#time = Math.max(this.#time, next.at)
      next.callback()
    }
    this.#time = end
    await settle()
  }
}

/** All promises that can settle without time have settled afterwards. */
export async function settle (): Promise<void> {
  await new Promise((resolve) => { setImmediate(resolve) })
}
