import type { SupervisorSettings } from '../options.ts'

/** What the kubelet leaves at least after a preStop hook, less a second for our own end, in milliseconds. */
const shortest = 1000
/**
 * Milliseconds in which somebody who reads our output takes something, or is not waited for while
 * all end; a quarter of the children's grace period, where that is less.
 */
const longestOutputPause = 5000

/** An order to end the supervisor with all children. */
export interface SupervisorEnd {
  reason: string
  /** The signal that children are told of as its cause. Default SIGTERM. */
  signal?: NodeJS.Signals
  /** Where no child says otherwise. Default 0. */
  exitCode?: number
  /** How much of the grace period is over, in milliseconds. Default 0. */
  elapsed?: number
  /** What went wrong, where that is why. */
  problem?: string
}

type Times = Pick<SupervisorSettings, 'gracePeriod' | 'preStop' | 'childGracePeriod' | 'childTimeout'>

/** The grace period of the whole, from the moment an end is asked for. All times are milliseconds. */
export class Deadline {
  readonly #settings: Times
  /** When the last child is killed, on the clock that never goes backwards; Infinity while no end was asked for. */
  #endAt = Infinity

  constructor (settings: Times) {
    this.#settings = settings
  }

  /** How long a child may take from the signal on. What a preStop hook has used comes off its own grace period, too. */
  get longest (): number {
    const { childGracePeriod, childTimeout, preStop } = this.#settings
    return childGracePeriod + childTimeout - preStop
  }

  /** How long whoever ends now may take. */
  get patience (): number {
    return Math.max(0, Math.min(this.longest, this.#endAt - performance.now()))
  }

  /** What is left of the grace period; Infinity while no end was asked for. */
  get remaining (): number {
    return Math.max(0, this.#endAt + this.#reserve - performance.now())
  }

  /**
   * How long somebody who takes none of our output is waited for, and anybody at most: what a child
   * writes that is killed gets half of what is kept for our own end.
   */
  get output (): [pause: number, last: number] {
    return [Math.min(longestOutputPause, this.#settings.childGracePeriod / 4), this.patience + this.#reserve / 2]
  }

  /**
   * An end is asked for.
   *
   * @param elapsed how much of the grace period is over
   * @param graceStart when a preStop call has started the kubelet's clock; undefined where none has
   */
  begin (elapsed: number, graceStart: number | undefined): void {
    const { gracePeriod, childGracePeriod, childTimeout } = this.#settings
    const now = performance.now()
    // A service that has outlived the grace period after the call was not on the kubelet's clock.
    if (graceStart === undefined || now >= graceStart + gracePeriod) this.#endAt = now + this.longest - elapsed
    else this.#endAt = Math.max(now + shortest, graceStart + childGracePeriod + childTimeout)
  }

  get #reserve (): number {
    const { gracePeriod, childGracePeriod, childTimeout } = this.#settings
    return gracePeriod - childGracePeriod - childTimeout
  }
}
