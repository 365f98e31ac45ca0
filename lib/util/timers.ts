/**
 * Node's timers, whatever a test has put in their place: vitest, Jest, Sinon and node:test replace the
 * global ones and those of the module `node:timers`, and an end that has begun must reach its end all the
 * same. What is imported here is kept, so a test clock that comes later holds nothing. One that was there
 * before the package was loaded is recognised, and a socket's own timer, which is Node's alone, stands in.
 */
import { Socket } from 'node:net'
import * as node from 'node:timers'
import { MessageChannel } from 'node:worker_threads'
import { isNodeTimer } from '../fastify/process-internals.ts'

/** What `setTimeout` answers, as far as the package uses it. */
export interface Timer {
  /** The process need not stay for it. */
  unref (): this
}

type Start = (callback: () => void, delay?: number) => Timer
type Stop = (timer: Timer | undefined) => void

/** Keeps the process while one of the timers that stand in does. */
class Keeper {
  readonly #port = new MessageChannel().port1
  #kept = 0

  constructor () {
    this.#port.on('message', () => {})
    this.#port.unref()
  }

  keep (): void {
    if (this.#kept++ === 0) this.#port.ref()
  }

  release (): void {
    if (--this.#kept === 0) this.#port.unref()
  }
}

let keeper: Keeper | undefined

/** A timer that no test clock replaces: that of a socket without a connection. */
class SocketTimer implements Timer {
  readonly #socket = new Socket()
  #isKeeping = true

  constructor (callback: () => void, delay: number, isRepeated: boolean) {
    keeper ??= new Keeper()
    keeper.keep()
    this.#socket.setTimeout(Math.max(1, delay), () => {
      if (isRepeated) this.#socket.setTimeout(Math.max(1, delay))
      else this.stop()
      callback()
    })
  }

  unref (): this {
    if (this.#isKeeping) keeper?.release()
    this.#isKeeping = false
    return this
  }

  stop (): void {
    this.unref()
    this.#socket.destroy()
  }
}

/** Whether the timers that were imported are Node's own. */
function isOwn (): boolean {
  const timer = node.setTimeout(() => {}, 1)
  node.clearTimeout(timer)
  return isNodeTimer(timer)
}

const isReplaced = !isOwn()
const stop: Stop = (timer) => { if (timer instanceof SocketTimer) timer.stop() }

/** As Node's. */
export const setTimeout: Start = isReplaced
  ? (callback, delay = 1) => new SocketTimer(callback, delay, false)
  : node.setTimeout
/** As Node's. */
export const setInterval: Start = isReplaced
  ? (callback, delay = 1) => new SocketTimer(callback, delay, true)
  : node.setInterval
/** As Node's; where a test clock has replaced that, a millisecond later: the kernel has been asked in either case. */
export const setImmediate: (callback: () => void) => Timer = isReplaced
  ? (callback) => new SocketTimer(callback, 1, false)
  : node.setImmediate
/** As Node's. */
export const clearTimeout: Stop = isReplaced ? stop : node.clearTimeout as Stop
/** As Node's. */
export const clearInterval: Stop = isReplaced ? stop : node.clearInterval as Stop
/** As Node's. */
export const clearImmediate: Stop = isReplaced ? stop : node.clearImmediate as never

/**
 * As Node's. Taken from the global `process`: an `import` of `node:process` reads all that it exports, and with that
 * makes streams of the standard output and error, whose pipes then refuse a `writeSync` that would have waited.
 */
export const nextTick: typeof process.nextTick = process.nextTick

/** Settles after `delay` milliseconds. */
export function sleep (delay: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, delay) })
}

/**
 * Calls back once after `delay` milliseconds, and does not keep the process for it.
 *
 * @returns cancels it
 */
export function afterUnref (delay: number, callback: () => void): () => void {
  const timer = setTimeout(callback, delay).unref()
  return () => clearTimeout(timer)
}
