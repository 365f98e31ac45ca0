import type { Clock } from '../clock.ts'

/** Milliseconds between two rounds of asking; whoever ends a wait also wakes the machine at once. */
export const tickInterval = 25

/** When the machine asks again. */
export class Ticker {
  readonly #clock: Clock
  readonly #tick: () => void
  #cancel: (() => void) | undefined
  #woken = false

  constructor (clock: Clock, tick: () => void) {
    this.#clock = clock
    this.#tick = tick
  }

  /** As soon as possible, because something has ended. */
  wake (): void {
    if (this.#woken) return
    this.stop()
    this.#woken = true
    this.#arm(0)
  }

  /** After a tick, or at the first of these times, unless somebody has woken the machine already. */
  wait (now: number, ...times: number[]): void {
    if (this.#woken) return
    const next = Math.min(tickInterval, ...times.filter((time) => time > now).map((time) => time - now))
    this.#arm(Math.max(1, next))
  }

  /** Nobody is asked any more. */
  stop (): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#woken = false
  }

  #arm (delay: number): void {
    this.#cancel = this.#clock.after(delay, () => {
      this.#woken = false
      this.#cancel = undefined
      this.#tick()
    })
  }
}
