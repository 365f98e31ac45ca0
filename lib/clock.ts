import { performance } from 'node:perf_hooks'
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from './util/timers.ts'

// Test clocks replace the global object, and put a `now` of their own on the one that `node:perf_hooks` exports; the
// prototype's stays. `Date` can only be kept. Where it was replaced before, the time since the process began is used.
const { now } = Object.getPrototypeOf(performance) as typeof performance
const { timeOrigin } = performance
const isReal = Function.prototype.toString.call(Date.now).includes('[native code]')

/** Milliseconds since the process began, of a clock that never goes backwards and that no test clock replaces. */
export const monotonicNow = (): number => now.call(performance)

/** Milliseconds since 1970, of a clock that no test clock replaces. */
export const epochNow: () => number = isReal ? Date.now : () => Math.round(timeOrigin + monotonicNow())

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
