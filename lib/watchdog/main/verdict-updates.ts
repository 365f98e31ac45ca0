import type { Verdicts } from '../protocol.ts'
import type { WatchedApplication } from './types.ts'

/** How often what has only grown older is told all the same: each so many times that it is asked. */
const retoldEvery = 10

/** The verdicts of all applications, told where something has turned. */
export class VerdictNews {
  readonly #applications: ReadonlySet<WatchedApplication>
  #told = ''
  #asked = 0
  #asking = false

  constructor (applications: ReadonlySet<WatchedApplication>) {
    this.#applications = applications
  }

  /** Whoever was told is gone. */
  forget (): void {
    this.#told = ''
  }

  /**
   * Undefined where there is nothing to tell, or an earlier question has no answer yet: a check may
   * be slow. It rejects where a check cannot be asked.
   */
  async ask (): Promise<Verdicts[] | undefined> {
    if (this.#asking) return undefined
    this.#asking = true
    try {
      const verdicts = await Promise.all([...this.#applications].map((application) => application.verdicts()))
      const text = JSON.stringify(verdicts.map(lasting))
      if (text === this.#told && ++this.#asked % retoldEvery !== 0) return undefined
      this.#told = text
      return verdicts
    } finally {
      this.#asking = false
    }
  }
}

/** What of an application's verdicts counts as a turn: not how long ago it was, and how long it took. */
function lasting ({ readiness, liveness, startup }: Verdicts): unknown[] {
  return [readiness, liveness, startup].map(({ checks, warnings }) =>
    [warnings, checks.map(({ name, ok, critical, excluded, output }) => [name, ok, critical, excluded, output])])
}
