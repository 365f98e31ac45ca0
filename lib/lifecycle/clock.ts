// Imported or kept, not looked up on the global object: a test may have replaced the timers and the clocks there, with some that
// stand still, and an end that has begun must reach its end all the same.
import { performance } from 'node:perf_hooks'
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from 'node:timers'

// Test clocks put a `now` of their own on the object that `node:perf_hooks` exports, too; the prototype's stays.
const { now } = Object.getPrototypeOf(performance) as typeof performance

/** Milliseconds since the process started, of a clock that never goes backwards and that no test clock replaces. */
export const monotonicNow = (): number => now.call(performance)

/** Milliseconds since 1970, of the clock that was there when the plugin was loaded. */
export const epochNow: () => number = Date.now

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
  now: monotonicNow,
  epoch: epochNow,
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
