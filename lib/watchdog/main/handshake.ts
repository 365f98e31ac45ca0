import { clearTimeout, setTimeout } from '../../util/timers.ts'
import type { Timer } from '../../util/timers.ts'

/** Questions of the kind "have you heard all that I said?", and who waits for their answers. */
export class Handshakes {
  readonly #waiting = new Map<number, (heard: boolean) => void>()
  #last = 0

  /** The newest question: its answer is that of all before it. */
  get last (): number { return this.#last }

  /** Settles with whether it was heard within `timeout` milliseconds. The timer keeps the process: a boot waits. */
  async send (say: (id: number) => void, timeout: number): Promise<boolean> {
    const id = ++this.#last
    let timer: Timer | undefined
    try {
      return await new Promise((resolve) => {
        this.#waiting.set(id, resolve)
        timer = setTimeout(() => resolve(false), timeout)
        say(id)
      })
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(id)
    }
  }

  /** This one was heard, and so were those before it. */
  heard (upTo: number): void {
    for (const [id, settle] of this.#waiting) if (id <= upTo) settle(true)
  }

  /** Nobody is there who could hear: nobody waits any longer. */
  giveUp (): void {
    this.heard(this.#last)
  }
}
