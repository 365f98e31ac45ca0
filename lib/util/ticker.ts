import { captureContext } from './context.ts'
import { clearInterval, setInterval } from './timers.ts'
import type { Timer } from './timers.ts'

/** Milliseconds between two ticks. */
export const tickInterval = 100

const listeners = new Set<() => void>()
let timer: Timer | undefined
/** The timer outlives whoever has started it, and must not keep what an `AsyncLocalStorage` held there. */
const run = captureContext()

/**
 * Calls back ten times a second, and does not keep the process for it. All who want that share one timer:
 * in a process that rests a wake-up costs more than what is done in it. A listener must not throw.
 *
 * @returns ends it
 */
export function onTick (listener: () => void): () => void {
  // Each call is one of its own.
  const own = (): void => listener()
  listeners.add(own)
  timer ??= run(() => setInterval(tick, tickInterval).unref())
  return () => {
    listeners.delete(own)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

function tick (): void {
  for (const listener of listeners) listener()
}
