import { clearTimeout, setTimeout } from 'node:timers'

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

  /** The question with this number has been answered; one that nobody waits for any more is ignored. */
  answer (id: number, answer: Answer): void {
    this.#open.get(id)?.(answer)
  }

  /** Nobody answers any more: whatever is open is answered like this. */
  answerAll (answer: (id: number) => Answer): void {
    for (const [id, settle] of this.#open) settle(answer(id))
  }
}
