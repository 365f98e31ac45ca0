import { clearTimeout, setTimeout } from 'node:timers'

/** Questions to the main thread, none of which waits for it longer than it may. */
export class MainRequests {
  readonly #open = new Map<number, (value: unknown) => void>()
  #last = 0

  /**
   * Answers what the main thread answers, or undefined where that takes too long.
   *
   * @param timeout milliseconds
   */
  async ask (put: (id: number) => void, timeout: number): Promise<unknown> {
    const id = ++this.#last
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise((resolve) => {
        this.#open.set(id, resolve)
        timer = setTimeout(resolve, Math.max(1, timeout), undefined)
        put(id)
      })
    } finally {
      clearTimeout(timer)
      this.#open.delete(id)
    }
  }

  /** The main thread has answered. */
  answer (id: number, value: unknown): void {
    this.#open.get(id)?.(value)
  }
}
