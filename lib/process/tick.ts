import { executionAsyncResource } from 'node:async_hooks'
import type { SharedState } from './shared.ts'

/**
 * Holds one of the objects that `process.nextTick` makes, for as long as the process lives.
 *
 * V8 keeps the shape of objects only while there is one. If it collects all garbage while no tick is pending, which larger
 * services do as their boot ends, the shape is gone, and `nextTick`, whose object has computed keys, gives up on the next one:
 * each call takes four to six times as long for the rest of the process (Node 20 to 26), with or without this package.
 */
export function holdTick (shared: SharedState): void {
  if ('tick' in shared) return
  shared.tick = undefined
  process.nextTick(() => { shared.tick = executionAsyncResource() })
}
