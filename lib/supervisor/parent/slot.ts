import { clearTimeout, setTimeout } from 'node:timers'
import type { Child } from './child.ts'

/** One of the places that the service's children have: who has it, and when it is filled again. */
export class Slot {
  /** From 1. */
  readonly number: number
  /** Who has it; undefined while nobody does. */
  child: Child | undefined
  /** Who is to have it as soon as it is ready. */
  successor: Child | undefined
  /** How often it was filled again after an end that nobody asked for. */
  restarts = 0
  /** Whether a child of it has been ready. */
  served = false
  readonly backoff: Backoff = new Backoff()
  #timer: NodeJS.Timeout | undefined

  constructor (number: number) {
    this.number = number
  }

  /** Whether a start is due. */
  get waiting (): boolean { return this.#timer !== undefined }

  /** Calls `start` in `delay` milliseconds. */
  fillLater (delay: number, start: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      start()
    }, delay)
  }

  /** Nobody is started here any more, unless asked anew. */
  leaveEmpty (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

/** Milliseconds before a child that crashed is started again: the first time, and at most. */
const firstDelay = 1000
const longestDelay = 30_000
/** A child that was ready for this long is healthy: its crash is a first one, and it is replaced at once. */
const healthyAfter = 60_000

/** How long to wait before the next start of one place: 1 s, doubling, at most 30 s. */
export class Backoff {
  #delay = firstDelay
  /** Children in a row that ended before they were ready. */
  #failedStarts = 0

  get failedStarts (): number { return this.#failedStarts }

  /** A child has become ready. */
  started (): void {
    this.#failedStarts = 0
  }

  /**
   * A child has ended that nobody told to. Answers how long to wait, in milliseconds.
   *
   * @param readyFor milliseconds since it became ready; undefined where it never did
   */
  ended (readyFor: number | undefined): number {
    if (readyFor === undefined) this.#failedStarts++
    if (readyFor !== undefined && readyFor >= healthyAfter) {
      this.#delay = firstDelay
      return 0
    }
    const delay = this.#delay
    this.#delay = Math.min(longestDelay, delay * 2)
    return delay
  }
}
