import type { OnFailure, Stall } from './participants.ts'
import { invalidArgument, messageOf, takeOptions } from '../errors.ts'
import { clip } from '../util/text.ts'

interface WorkOptions { name?: string, socket?: unknown }

/** @throws FST_GRACEFUL_INVALID_ARGUMENT, FST_GRACEFUL_UNKNOWN_OPTION */
export function takeWorkOptions<T extends WorkOptions> (options: T): T {
  return takeOptions(options, "'waitUntil'", ['name', 'socket'])
}

/** Background work that was started by requests: phase 3 waits for it. */
export class BackgroundWork {
  readonly #pending = new Map<symbol, string>()
  readonly #onSettled: () => void
  readonly #onFailure: OnFailure

  constructor (onSettled: () => void, onFailure: OnFailure) {
    this.#onSettled = onSettled
    this.#onFailure = onFailure
  }

  /** Follows a promise to its end. A rejection is logged by name, for nobody else may be listening. */
  track (promise: PromiseLike<unknown>, options?: WorkOptions): void {
    this.follow(promise, options === undefined ? undefined : takeWorkOptions(options).name)
  }

  /** The same, where the options have been read. */
  follow (promise: PromiseLike<unknown>, name = 'background work'): void {
    if (typeof (promise as PromiseLike<unknown> | null | undefined)?.then !== 'function') {
      throw invalidArgument("the work given to 'waitUntil'", 'a promise', promise)
    }
    if (typeof name !== 'string' || name === '') {
      throw invalidArgument("the name of work given to 'waitUntil'", 'a non-empty string', name)
    }
    const key = Symbol('background work')
    const shown = clip(name)
    this.#pending.set(key, shown)
    const settle = (): void => {
      this.#pending.delete(key)
      if (this.#pending.size === 0) this.#onSettled()
    }
    // A thenable of somebody's own may throw when it is followed.
    Promise.resolve(promise).then(settle, (error: unknown) => {
      settle()
      this.#onFailure({ name: shown, message: clip(messageOf(error)) }, error)
    })
  }

  /** How much work is going on. */
  get size (): number {
    return this.#pending.size
  }

  /** The work that is going on, by name. */
  names (): string[] {
    return [...this.#pending.values()]
  }

  /** The same as stalls of phase 3. */
  stalls (): Stall[] {
    return this.names().map((name) => ({ name, reason: 'background work is running' }))
  }
}
