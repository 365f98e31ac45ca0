import type { OnFailure, Stall } from './participants.ts'
import { invalidArgument, messageOf, refuseUnknownKeys } from '../errors.ts'

/** Background work that was started by requests: phase 3 waits for it. */
export class Work {
  readonly #pending = new Map<symbol, string>()
  readonly #onSettled: () => void
  readonly #onFailure: OnFailure

  constructor (onSettled: () => void, onFailure: OnFailure) {
    this.#onSettled = onSettled
    this.#onFailure = onFailure
  }

  /** Follows a promise to its end. A rejection is logged by name, for nobody else may be listening. */
  track (promise: PromiseLike<unknown>, options: { name?: string, socket?: unknown } = {}): void {
    if (typeof (promise as PromiseLike<unknown> | null | undefined)?.then !== 'function') throw invalidArgument("the work given to 'waitUntil'", 'a promise', promise)
    refuseUnknownKeys(options, "'waitUntil'", ['name', 'socket'])
    const { name = 'background work' } = options
    if (typeof name !== 'string' || name === '') throw invalidArgument("the name of work given to 'waitUntil'", 'a non-empty string', name)
    const key = Symbol(name)
    this.#pending.set(key, name)
    const settle = (): void => {
      this.#pending.delete(key)
      if (this.#pending.size === 0) this.#onSettled()
    }
    // A thenable of somebody's own may throw when it is followed.
    Promise.resolve(promise).then(settle, (error: unknown) => {
      settle()
      this.#onFailure({ name, message: messageOf(error) }, error)
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
