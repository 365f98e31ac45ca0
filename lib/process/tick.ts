import { executionAsyncResource } from 'node:async_hooks'
import type { SharedState } from './shared.ts'

/**
 * Holds one of the objects that `process.nextTick` makes, for as long as the process lives.
 *
 * V8 keeps the shape of an object only while there is one. Where it collects garbage while no tick is pending, as at the end of
 * a boot, the shape can be gone, and `nextTick`, whose object has computed keys, is slow with any other: each tick takes five to
 * six times as long for the rest of the process (Node 20 to 26, `bench/tick.js`), with or without this package.
 */
export function holdTick (shared: SharedState): void {
  if ('tick' in shared) return
  shared.tick = undefined
  process.nextTick(() => { shared.tick = executionAsyncResource() })
}
