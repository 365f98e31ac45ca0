/** Milliseconds by which a look may be late before the silence counts as that of the whole process. */
const lateness = 400

/** What a look at the heartbeat has brought. Times are milliseconds. */
export type Look =
  | { change: 'blocked', age: number }
  | { change: 'unblocked', duration: number }
  | undefined

/** The heartbeat of the main thread, watched. */
export class Watch {
  readonly #threshold: number
  /** Silence counts from here: the process was started, stopped, or held by a person before. */
  #awake: number
  /** The last heartbeat before the block that is under way. */
  #since: number | undefined

  /**
   * @param threshold how old a heartbeat may be
   */
  constructor (threshold: number, now: number) {
    this.#threshold = threshold
    this.#awake = now
  }

  /** Whether the event loop is blocked. */
  get blocked (): boolean {
    return this.#since !== undefined
  }

  /** How long the event loop has not turned; not what the whole process slept through. */
  silence (beat: number, now: number): number {
    return Math.max(0, now - Math.max(beat, this.#awake))
  }

  /** Nothing before `now` counts as silence. */
  wake (now: number): void {
    this.#awake = now
  }

  /**
   * @param beat the last heartbeat
   * @param due when this look was to take place
   */
  look (beat: number, now: number, due: number): Look {
    // A process that was stopped, or whose machine slept, held both threads alike.
    if (now - due > lateness && this.#since === undefined) this.wake(now)
    if (this.#since !== undefined) {
      if (beat <= this.#since) return undefined
      const duration = beat - this.#since
      this.#since = undefined
      return { change: 'unblocked', duration }
    }
    const age = this.silence(beat, now)
    if (age <= this.#threshold) return undefined
    this.#since = Math.max(beat, this.#awake)
    return { change: 'blocked', age }
  }
}
