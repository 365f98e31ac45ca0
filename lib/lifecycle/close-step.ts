import type { OnFailure, Stall } from './participants.ts'
import type { Released } from './driver.ts'
import { messageOf } from '../errors.ts'

/** What {@link CloseStep} drives. */
export interface CloseStepParts {
  /** Calls what others were kept from doing at the signal. */
  release: () => Released[]
  /** Starts the hooks of `terminated`. */
  startHooks: () => void
  /** The hooks that have not settled. */
  hooks: () => Stall[]
  /** `app.close()`. */
  end: () => Promise<unknown>
  /** What the close waits for; undefined where nobody knows. `isLast`: it may take a moment to find out. */
  closing: (isLast: boolean) => string | undefined
  onFailure: OnFailure
  onSettled: () => void
}

/** The steps of phase 4, in their order. */
const steps = ['not begun', 'others', 'hooks', 'close'] as const

/**
 * Phase 4: what others were kept from doing at the signal, then the hooks of `terminated`, then `close`. Each step
 * begins when the one before is over. All of them are waited for to the end of the phase, but `close` begins when the
 * time that is kept for it does.
 */
export class CloseStep {
  readonly #parts: CloseStepParts
  /** What was begun and is not over, apart from the hooks. */
  readonly #running = new Set<Stall>()
  readonly #close: Stall = { name: 'close', reason: 'onClose hooks are running' }
  #step: (typeof steps)[number] = 'not begun'
  /** Somebody waits for the close who is waited for here. */
  #isCloseAwaited = false
  /** Somebody waits for the close while the hooks run, and may be one of them. */
  #isCloseDemanded = false

  constructor (parts: CloseStepParts) {
    this.#parts = parts
  }

  /** Phase 4 begins: the first step. */
  begin (): void {
    if (this.#step !== 'not begun') return
    this.#step = 'others'
    for (const { name, settled } of this.#release()) {
      this.#follow({ name, reason: 'what it does at the signal is under way' }, () => settled)
    }
    this.advance(false)
  }

  /**
   * Goes on where a step is over.
   *
   * @param isCloseDue whether the time has come that is kept for `close`: nobody is waited for first any more
   */
  advance (isCloseDue: boolean): void {
    if (this.#step === 'others' && (isCloseDue || this.#isCloseAwaited || this.#running.size === 0)) {
      this.#step = 'hooks'
      this.#parts.startHooks()
    }
    if (this.#step === 'hooks' && (isCloseDue || this.#isCloseDemanded || this.#parts.hooks().length === 0)) {
      this.#step = 'close'
      this.#follow(this.#close, () => this.#parts.end())
    }
  }

  /**
   * Somebody calls for the close and waits for it. One of the others: the hooks come first, as ever. While the hooks
   * run it may be one of them, and the close begins beside it.
   *
   * @returns whether the close has begun
   */
  awaitClose (): boolean {
    if (this.#step === 'hooks') this.#isCloseDemanded = true
    this.#isCloseAwaited = true
    this.#parts.onSettled()
    return this.#step === 'close'
  }

  /** What phase 4 leaves undone where it ends now. */
  unfinished (): Stall[] {
    // Where the close is over, whoever of the others ends the process has come to its own end.
    if (this.#step === 'close' && !this.#running.has(this.#close)) return this.#parts.hooks()
    return this.#step === 'close' ? this.stalls(true) : [...this.stalls(true), { name: 'close', reason: 'not begun' }]
  }

  /**
   * Who is waited for.
   *
   * @param isLast whether they are asked for the last time, and named in the report
   */
  stalls (isLast: boolean): Stall[] {
    const running = [...this.#running].map((stall) => stall === this.#close ? this.#named(stall, isLast) : stall)
    return [...running, ...this.#parts.hooks()]
  }

  #named ({ name, reason }: Stall, isLast: boolean): Stall {
    const closing = this.#parts.closing(isLast)
    return closing === undefined ? { name, reason } : { name: `${name} (${closing})`, reason: 'is running' }
  }

  #release (): Released[] {
    try {
      return this.#parts.release()
    } catch (error) {
      this.#parts.onFailure({ name: 'listeners of others', message: messageOf(error) }, error)
      return []
    }
  }

  #follow (stall: Stall, begin: () => PromiseLike<unknown>): void {
    this.#running.add(stall)
    const settle = (): void => {
      this.#running.delete(stall)
      this.#parts.onSettled()
    }
    // `end` may throw before it answers.
    new Promise((resolve) => { resolve(begin()) })
      .catch((error: unknown) => this.#parts.onFailure({ name: stall.name, message: messageOf(error) }, error))
      .then(settle, settle)
  }
}
