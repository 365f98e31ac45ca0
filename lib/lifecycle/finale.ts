import type { OnFailure, Stall } from './participants.ts'
import { messageOf } from '../errors.ts'

/** Phase 4's own work, `close`: begun once, and waited for like a hook. */
export class Finale {
  readonly #end: () => Promise<unknown>
  readonly #onFailure: OnFailure
  readonly #onSettled: () => void
  #state: 'not begun' | 'running' | 'settled' = 'not begun'

  constructor (end: () => Promise<unknown>, onFailure: OnFailure, onSettled: () => void) {
    this.#end = end
    this.#onFailure = onFailure
    this.#onSettled = onSettled
  }

  /** A second call does nothing. */
  begin (): void {
    if (this.#state !== 'not begun') return
    this.#state = 'running'
    const settled = (): void => {
      this.#state = 'settled'
      this.#onSettled()
    }
    // `end` may throw before it answers.
    new Promise((resolve) => { resolve(this.#end()) })
      .catch((error: unknown) => this.#onFailure({ name: 'close', message: messageOf(error) }, error))
      .then(settled, settled)
  }

  /** What is to be waited for still. */
  stalls (): Stall[] {
    return this.#state === 'settled' ? [] : [{ name: 'close', reason: 'onClose hooks are running' }]
  }
}
