import type { Stall } from '../../lifecycle/participants.ts'
import { phaseNumber } from '../../lifecycle/phase.ts'
import type { Phase } from '../../lifecycle/phase.ts'

/** Milliseconds within which a supervisor says whether a signal has ended this child alone, or all. */
const longestDoubt = 1000

/** The child's side: it waits at the end of each phase until its supervisor lets it pass. Its caps are its own. */
export class PhaseStep {
  readonly #changed: () => void
  readonly #signalled: () => boolean
  #together = false
  /** Whether the supervisor has said how it ends. */
  #told = false
  #doubtEnd: number | undefined
  #passed = 0
  #waitsIn: Phase | undefined

  /**
   * @param changed called when there is something new to tell
   * @param signalled whether a signal ends it that its supervisor may have got as well
   */
  constructor (changed: () => void, signalled: () => boolean) {
    this.#changed = changed
    this.#signalled = signalled
  }

  /** The phase that is over for this process. */
  get waitsIn (): Phase | undefined { return this.#waitsIn }

  /** The supervisor has told it to end, together with others or alone. */
  begin (together: boolean): void {
    this.#told = true
    this.#together ||= together
  }

  /** There is nobody to wait for any more. */
  end (): void {
    this.#told = true
    this.#together = false
  }

  pass (phase: Phase): void {
    this.#passed = Math.max(this.#passed, phaseNumber(phase))
  }

  /** Why an application that has done with its phase waits; undefined where it may pass on. */
  ask (phase: Phase): Stall | undefined {
    if (phase === 'terminated' || phaseNumber(phase) <= this.#passed || !(this.#together || this.#isInDoubt)) {
      return undefined
    }
    if (this.#waitsIn !== phase) {
      this.#waitsIn = phase
      this.#changed()
    }
    return { name: 'supervisor', reason: `other children are in phase '${phase}'` }
  }

  get #isInDoubt (): boolean {
    if (this.#told || !this.#signalled()) return false
    this.#doubtEnd ??= performance.now() + longestDoubt
    return performance.now() < this.#doubtEnd
  }
}
