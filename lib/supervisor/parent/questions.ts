import { PendingAnswers } from '../../util/promises.ts'
import { messageType } from '../protocol.ts'
import type { Ask, Question, Tell } from '../protocol.ts'

/** What one child has been asked and has not answered yet. */
export class Questions {
  readonly #send: (message: Ask) => void
  readonly #pending = new PendingAnswers<Tell>()

  constructor (send: (message: Ask) => void) {
    this.#send = send
  }

  /**
   * Asks the child something.
   *
   * @throws where it does not answer in time, or answers with an error
   */
  async ask (question: Question, timeout: number): Promise<unknown> {
    const tell = await this.#pending.ask((id) => this.#send({ type: messageType, ask: question, id }), timeout)
    if (tell === undefined) throw new Error(`no answer within ${timeout} ms`)
    if ('error' in tell) throw new Error(tell.error)
    if ('answer' in tell) return tell.answer
    return 'state' in tell ? tell.state : undefined
  }

  /** The child has told something, which may be an answer. */
  hear (tell: Tell): void {
    if ('id' in tell && tell.id !== undefined) this.#pending.answer(tell.id, tell)
  }

  /** The child has ended: nobody answers any more. */
  end (): void {
    this.#pending.answerAll((id) => ({ type: messageType, id, error: 'the child has ended' }))
  }
}
