import { clearTimeout, setTimeout } from 'node:timers'
import { Backoff } from './backoff.ts'
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
