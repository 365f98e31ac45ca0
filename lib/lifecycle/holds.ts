import { invalidArgument } from '../errors.ts'

/** What `hold` answers: call `release`, or let `using` do it. */
export interface Hold extends Disposable {
  /** Ends the hold; a second call does nothing. */
  release (): void
}

/** Who keeps the service from being ready, one holder each. */
export class Holds {
  readonly #holds = new Set<{ reason: string }>()
  readonly #onChange: (reason: string, held: boolean) => void

  constructor (onChange: (reason: string, held: boolean) => void) {
    this.#onChange = onChange
  }

  /** Not ready while held. */
  add (reason: string): Hold {
    if (typeof reason !== 'string' || reason === '') throw invalidArgument("the reason given to 'hold'", 'a non-empty string', reason)
    const hold = { reason }
    this.#holds.add(hold)
    this.#onChange(reason, true)
    const release = (): void => {
      if (this.#holds.delete(hold)) this.#onChange(reason, false)
    }
    return { release, [Symbol.dispose]: release }
  }

  /** The reasons of all who hold. */
  reasons (): string[] {
    return [...this.#holds].map((hold) => hold.reason)
  }
}
