import { clearTimeout, setTimeout } from 'node:timers'
import { messageType } from '../protocol.ts'
import type { Ask, Question, Tell } from '../protocol.ts'

/** What one child has been asked and has not answered yet. */
export class Questions {
  readonly #send: (message: Ask) => void
  readonly #open = new Map<number, (tell: Tell) => void>()
  #last = 0

  constructor (send: (message: Ask) => void) {
    this.#send = send
  }

  /**
   * Asks the child something.
   *
   * @throws where it does not answer in time, or answers with an error
   */
  ask (question: Question, timeout: number): Promise<unknown> {
    const id = ++this.#last
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#open.delete(id)
        reject(new Error(`no answer within ${timeout} ms`))
      }, timeout)
      this.#open.set(id, (tell) => {
        clearTimeout(timer)
        this.#open.delete(id)
        if ('error' in tell) reject(new Error(tell.error))
        else if ('answer' in tell) resolve(tell.answer)
        else resolve('state' in tell ? tell.state : undefined)
      })
      this.#send({ type: messageType, ask: question, id })
    })
  }

  /** The child has told something, which may be an answer. */
  hear (tell: Tell): void {
    if ('id' in tell && tell.id !== undefined) this.#open.get(tell.id)?.(tell)
  }

  /** The child has ended: nobody answers any more. */
  end (): void {
    for (const [id, answer] of this.#open) answer({ type: messageType, id, error: 'the child has ended' })
  }
}
