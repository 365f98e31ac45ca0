import { clearTimeout, setTimeout } from './timers.ts'

/**
 * Calls back once after `delay` milliseconds, and does not keep the process for it.
 *
 * @returns cancels it
 */
export function afterUnref (delay: number, callback: () => void): () => void {
  const timer = setTimeout(callback, delay).unref()
  return () => clearTimeout(timer)
}
