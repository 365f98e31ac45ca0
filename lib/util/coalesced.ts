import { setTimeout } from './timers.ts'

/**
 * Work that many may ask for at the same time, and that is done once for all of them. Who asks while it is under way is
 * given the next one, so that nobody is told what was so before he asked.
 */
export class Coalesced<T> {
  readonly #work: () => Promise<T>
  readonly #interval: number
  #running: Promise<T> | undefined
  #next: Promise<T> | undefined
  #begunAt = -Infinity

  /**
   * @param work is to settle in the end, whatever happens
   * @param interval milliseconds between two begins at least; who comes sooner waits
   */
  constructor (work: () => Promise<T>, interval: number = 0) {
    this.#work = work
    this.#interval = interval
  }

  /** What the work comes to. */
  ask (): Promise<T> {
    if (this.#next !== undefined) return this.#next
    if (this.#running === undefined && this.#wait <= 0) return this.#begin()
    this.#next = this.#after()
    return this.#next
  }

  get #wait (): number {
    return this.#begunAt + this.#interval - performance.now()
  }

  async #after (): Promise<T> {
    await this.#running?.catch(() => {})
    const wait = this.#wait
    if (wait > 0) await new Promise<void>((resolve) => { setTimeout(resolve, wait) })
    return this.#begin()
  }

  #begin (): Promise<T> {
    this.#next = undefined
    this.#begunAt = performance.now()
    const running = this.#work()
    this.#running = running
    const over = (): void => { if (this.#running === running) this.#running = undefined }
    running.then(over, over)
    return running
  }
}
