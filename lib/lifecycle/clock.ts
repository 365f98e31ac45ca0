// Imported, not global: a test may have replaced the global timers, and an end that has begun must reach its end all the same.
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from 'node:timers'

/**
 * Time as the state machine sees it. Tests replace it with a clock they turn by hand.
 */
export interface Clock {
  /** Milliseconds of a clock that never goes backwards. */
  now (): number
  /** Milliseconds since 1970. */
  epoch (): number
  /** Calls `callback` once after `delay` milliseconds; the answer cancels it. */
  after (delay: number, callback: () => void): () => void
}

/** The clock of the machine. Its timers keep the process: an end that has begun must reach its end. */
export const systemClock: Clock = {
  now: () => performance.now(),
  epoch: () => Date.now(),
  after (delay, callback) {
    // A timer would take a millisecond, and an end has several such steps.
    if (delay <= 0) {
      const immediate = setImmediate(callback)
      return () => clearImmediate(immediate)
    }
    const timer = setTimeout(callback, delay)
    return () => clearTimeout(timer)
  }
}
