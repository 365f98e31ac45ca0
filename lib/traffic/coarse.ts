import { monotonicNow } from '../clock.ts'
import { onTick } from '../util/ticker.ts'

/**
 * A clock that is read ten times a second instead of once per request: asking the real one costs one and a half
 * percent of a small request (measured with `bench/cpu.js`), and the age of a request in flight needs no more.
 */
export class CoarseClock {
  /**
   * Whole milliseconds of `performance.now()`, at most a tenth of a second old while it runs: a
   * fraction would be an object of its own per request.
   */
  now: number = Math.floor(monotonicNow())
  #stop: (() => void) | undefined

  start (): void {
    this.#stop ??= onTick(() => { this.now = Math.floor(monotonicNow()) })
  }

  stop (): void {
    this.#stop?.()
    this.#stop = undefined
  }
}
