import type { ProbeAnswers, ToMain, ToThread } from './protocol.ts'
import { monotonic } from './pulse.ts'
import type { Ward } from './types.ts'

/** What the thread asks of the applications. */
export type Errand = ToMain & { type: 'status' | 'metrics' | 'probed' | 'prestop' }

/** Runs the thread's errands on the main thread. */
export class Errands {
  readonly #wards: ReadonlySet<Ward>
  readonly #post: (message: ToThread) => void

  constructor (wards: ReadonlySet<Ward>, post: (message: ToThread) => void) {
    this.#wards = wards
    this.#post = post
  }

  run (errand: Errand): void {
    switch (errand.type) {
      case 'status':
        this.#post({ type: 'answer', id: errand.id, value: JSON.parse(JSON.stringify(this.#wards.values().next().value?.status(errand.mostRequests) ?? {})) })
        return
      case 'metrics':
        this.#metrics().catch(() => this.#post({ type: 'metrics', metrics: undefined }))
        return
      case 'probed': return this.#probed(errand.answers)
      case 'prestop': this.#prestop(errand.id, errand.at).catch(() => {})
    }
  }

  /** A registry belongs to one application: where several have one, it is that of the first. */
  async #metrics (): Promise<void> {
    const ward = [...this.#wards].find(({ metrics }) => metrics !== undefined)
    this.#post({ type: 'metrics', metrics: await ward?.metrics?.() })
  }

  #probed (answers: ProbeAnswers[]): void {
    const now = monotonic()
    const ago = answers.map((answer) => ({ ...answer, first: now - answer.first, last: now - answer.last }))
    for (const ward of this.#wards) ward.probed(ago)
  }

  async #prestop (id: number, at: number): Promise<void> {
    const ago = monotonic() - at
    await Promise.all([...this.#wards].map((ward) => ward.prestop(ago)))
    this.#post({ type: 'answer', id, value: true })
  }
}
