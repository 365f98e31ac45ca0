import { AsyncResource } from 'node:async_hooks'
import type { Clock } from '../clock.ts'

/** Calls `work` in one async context, and answers what it answers. */
export type Run = <T>(work: () => T) => T

const type = 'fastify-graceful'

/**
 * Keeps the async context of its call: what an `AsyncLocalStorage` holds there, a tracer's span, a domain.
 * Whatever runs in it later belongs to nobody's request, although a request may have been what set it off.
 */
export function captureContext (): Run {
  const captured = new AsyncResource(type)
  // `enterWith` changes the resource that it is called in (Node 20 and 22), so each call gets one of its own.
  return (work) => captured.runInAsyncScope(() => new AsyncResource(type).runInAsyncScope(work))
}

/** A clock whose timers call back in one async context, whoever has started them. */
export function clockIn (run: Run, clock: Clock): Clock {
  return {
    now: () => clock.now(),
    epoch: () => clock.epoch(),
    after: (delay, callback) => clock.after(delay, () => run(callback))
  }
}
