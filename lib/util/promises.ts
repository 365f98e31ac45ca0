import { setTimeout, clearTimeout } from './timers.ts'
import type { Timer } from './timers.ts'

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

/** A promise and what settles it. */
export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T | PromiseLike<T>) => void
}

/** Makes a {@link Deferred}; `Promise.withResolvers` comes with Node 22. */
export function deferred<T> (): Deferred<T> {
  let resolve!: Deferred<T>['resolve']
  const promise = new Promise<T>((_resolve) => { resolve = _resolve })
  return { promise, resolve }
}

/** Settles with a promise that never rejects, or after so many milliseconds. */
export function within (promise: Promise<unknown>, timeout: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, timeout)
    void promise.then(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** What another thread or process has been asked and has not answered yet. */
export class PendingAnswers<Answer> {
  readonly #open = new Map<number, (answer: Answer) => void>()
  #last = 0

  /**
   * Settles with the answer, or with undefined where none comes in time. It rejects where `put` throws.
   *
   * @param put sends the question with this number
   * @param timeout milliseconds
   */
  async ask (put: (id: number) => void, timeout: number): Promise<Answer | undefined> {
    const id = ++this.#last
    let timer: Timer | undefined
    try {
      return await new Promise((resolve) => {
        this.#open.set(id, resolve)
        timer = setTimeout(() => resolve(undefined), Math.max(1, timeout))
        put(id)
      })
    } finally {
      clearTimeout(timer)
      this.#open.delete(id)
    }
  }

  /** The question with this number has been answered; one that nobody waits for any more is ignored. */
  answer (id: number, answer: Answer): void {
    this.#open.get(id)?.(answer)
  }

  /** Nobody answers any more: whatever is open is answered like this. */
  answerAll (answer: (id: number) => Answer): void {
    for (const [id, settle] of this.#open) settle(answer(id))
  }
}
