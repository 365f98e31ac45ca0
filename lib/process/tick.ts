import { AsyncResource, executionAsyncResource } from 'node:async_hooks'
import type { SharedState } from './shared.ts'

/** A tick belongs to the context in which it was made, of an `AsyncLocalStorage` as well: this is nobody's. */
const nowhere = new AsyncResource('fastify-graceful')

/**
 * Holds one of the objects that `process.nextTick` makes, for as long as the process lives.
 *
 * V8 keeps the shape of an object only while there is one. Where it collects garbage while no tick
 * is pending, as at the end of a boot, the shape can be gone, and `nextTick`, whose object has
 * computed keys, is slow with any other: each tick takes five to seven times as long for the rest
 * of the process (Node 20 to 26, `bench/tick.js`), with or without this package.
 */
export function holdTick (shared: SharedState): void {
  if ('tick' in shared) return
  shared.tick = undefined
  nowhere.runInAsyncScope(() => process.nextTick(() => { shared.tick = executionAsyncResource() }))
}
