import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer, Asker } from './ask.ts'
import type { Fields } from './fields.ts'
import { duration } from './format.ts'
import { details, headline, waiting } from './view.ts'
import type { Context, Line } from './view.ts'

/** Failures in a row after which a service that answered before is gone; one that was ending is believed sooner. */
const patience = { serving: 3, ending: 2 } as const

/** What the exit code says, of one address. */
export const exitCodes = { ready: 0, notReady: 1, unreachable: 2 } as const

/** One address, and what has been heard from it. */
export class Subject {
  readonly name: string
  readonly #asker: Asker
  readonly #authorised: boolean
  #status: Fields | undefined
  #at = 0
  /** When the last answer came, by the clock of this machine. */
  #heard = 0
  #problem: string | undefined
  #failures = 0

  constructor (name: string, asker: Asker, authorised: boolean) {
    this.name = name
    this.#asker = asker
    this.#authorised = authorised
  }

  /** Asks once. Never rejects. */
  async ask (): Promise<void> {
    this.take(await this.#asker.ask())
  }

  /** Asks again and again, until the service is gone or somebody stops it. */
  async follow (interval: number, stop: AbortSignal, changed: () => void): Promise<void> {
    const stopped = new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }))
    for (;;) {
      await Promise.race([this.ask(), stopped])
      if (stop.aborted) return
      changed()
      if (this.gone) return
      await sleep(this.#failures === 0 ? interval : Math.min(interval, 1000), undefined, { signal: stop }).catch(() => {})
    }
  }

  close (): void {
    this.#asker.close()
  }

  /** What was answered. */
  take (answer: Answer): void {
    if (answer.status === undefined) {
      this.#problem = answer.problem
      this.#failures++
      return
    }
    this.#status = answer.status
    this.#at = answer.at
    this.#heard = Date.now()
    this.#problem = undefined
    this.#failures = 0
  }

  /** Whether it has ever answered. */
  get heard (): boolean {
    return this.#status !== undefined
  }

  /** It does not answer any more, or never did. */
  get gone (): boolean {
    if (this.#status === undefined) return this.#failures > 0
    return this.#failures >= (this.#ending ? patience.ending : patience.serving)
  }

  get exitCode (): number {
    if (this.#status === undefined) return exitCodes.unreachable
    if (this.#problem !== undefined) return this.gone && this.#ending ? exitCodes.notReady : exitCodes.unreachable
    return this.#status.flag('ready') === true ? exitCodes.ready : exitCodes.notReady
  }

  /** As JSON has it. */
  get plain (): object {
    return { target: this.name, exitCode: this.exitCode, ...this.#problem === undefined ? {} : { problem: this.#problem }, ...this.#status === undefined ? {} : { status: this.#status.plain } }
  }

  /** What changes when something has happened, and not with every second. */
  get gist (): string {
    const status = this.#status
    return [this.#problem, status?.text('phase'), status?.flag('ready'), status && waiting(status)].join('\n')
  }

  /** In one line: what {@link gist} tells. */
  get line (): Line {
    const trouble = this.#trouble
    if (trouble !== undefined) return trouble
    const waits = waiting(this.#status!)
    const head = headline(this.name, this.#status!, { at: this.#at })
    return waits === '' ? head : { ...head, text: `${head.text}, waits for ${waits}` }
  }

  /** The whole, as last heard. */
  lines (most: number): Line[] {
    const status = this.#status
    const trouble = this.#trouble
    if (status === undefined) return trouble === undefined ? [] : [trouble]
    const context: Context = { at: this.#at, most, authorised: this.#authorised }
    return [...trouble === undefined ? [] : [trouble], headline(this.name, status, context), ...details(status, context)]
  }

  get #ending (): boolean {
    return this.#status !== undefined && this.#status.text('phase') !== 'running'
  }

  get #trouble (): Line | undefined {
    if (this.#problem === undefined) return undefined
    if (this.#status === undefined) return { text: `${this.name}  UNREACHABLE, ${this.#problem}`, tone: 'bad' }
    const what = this.gone ? this.#ending ? 'GONE, after it had begun to end' : 'GONE, while it was in service' : 'does not answer'
    return { text: `${this.name}  ${what}: ${this.#problem}; what follows is ${duration(Date.now() - this.#heard)} old`, tone: 'bad' }
  }
}
