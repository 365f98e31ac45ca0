import type { Clock } from '../clock.ts'
import { setImmediate } from '../util/timers.ts'

/** Settles after one whole turn of the event loop: the kernel has been asked once for whatever it holds. */
export function turn (): Promise<void> {
  return new Promise((resolve) => { setImmediate(resolve) })
}

/**
 * Calls back after two turns. On a machine that is late a timer fires before the kernel is asked for what has come in
 * the meantime, and before bytes that were written over TLS have reached it, each lot of which takes a turn.
 */
export function afterTurns (clock: Clock, callback: () => void): void {
  clock.after(0, () => { clock.after(0, callback) })
}

/**
 * Waits until `count` turns in a row have left `reading()` as it was. libuv accepts one connection per
 * turn, and a signal handler runs before the next poll, so one empty turn proves nothing; two in a row do.
 *
 * @returns whether it came to rest; `false` if `stop()` said so first
 */
export async function atRest (reading: () => number, stop: () => boolean, count = 2): Promise<boolean> {
  let last = reading()
  let empty = 0
  while (empty < count) {
    if (stop()) return false
    // oxlint-disable-next-line no-await-in-loop -- one turn after the other is what is being measured
    await turn()
    const now = reading()
    empty = now === last ? empty + 1 : 0
    last = now
  }
  return true
}
