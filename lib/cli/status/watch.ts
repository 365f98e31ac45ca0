import { setTimeout as sleep } from 'node:timers/promises'
import { readStatus } from '../../status/read.ts'
import type { Shown } from '../../status/shown.ts'
import { duration } from '../../status/words.ts'
import type { Answer, Asker } from './ask.ts'
import type { StreamedState } from './stream.ts'
import { details, headline, waiting } from './view.ts'
import type { Context, Line } from './sections.ts'

/** Failures in a row after which a service that answered before is gone; one that was ending is believed sooner. */
const patience = { serving: 3, ending: 2 } as const

/** What the exit code says, of one address. */
const exitCodes = { ready: 0, notReady: 1, unreachable: 2 } as const

/** One address, and what has been heard from it. */
export class Subject {
  readonly name: string
  readonly #asker: Asker
  readonly #authorised: boolean
  #answer: object | undefined
  #at = 0
  /** While it is told by its changes. */
  #streamed: StreamedState | undefined
  /** It has told its end itself. */
  #told = false
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

  /** Follows the stream, or polls where there is none, until the service is gone or somebody stops it. */
  async follow (interval: number, stop: AbortSignal, changed: () => void): Promise<void> {
    const stopped = new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }))
    let streams = true
    for (;;) {
      await Promise.race([this.ask(), stopped])
      if (stop.aborted) return
      changed()
      if (streams && this.#failures === 0) {
        streams = await Promise.race([this.#stream(changed), stopped]) === true
        if (stop.aborted) return
      }
      if (this.gone) return
      const pause = this.#failures === 0 ? interval : Math.min(interval, 1000)
      await sleep(pause, undefined, { signal: stop }).catch(() => {})
      if (stop.aborted) return
    }
  }

  /** Whether there is a stream. */
  async #stream (changed: () => void): Promise<boolean> {
    const end = await this.#asker.stream((state) => {
      this.#streamed = state
      this.#heard = Date.now()
      changed()
    })
    if (this.#streamed === undefined) return false
    this.#answer = this.#streamed.told
    this.#at = this.#streamed.now
    this.#streamed = undefined
    this.#told = end === 'told'
    return true
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
    this.#answer = answer.status
    this.#at = answer.at
    this.#heard = Date.now()
    this.#problem = undefined
    this.#failures = 0
  }

  /** Whether it has ever answered. */
  get heard (): boolean {
    return (this.#streamed ?? this.#answer) !== undefined
  }

  /** It does not answer any more, or never did. */
  get gone (): boolean {
    if (this.#told) return true
    if (!this.heard) return this.#failures > 0
    return this.#failures >= (this.#ending ? patience.ending : patience.serving)
  }

  get exitCode (): number {
    if (!this.heard) return exitCodes.unreachable
    if (this.#problem !== undefined) return this.gone && this.#ending ? exitCodes.notReady : exitCodes.unreachable
    return this.#status?.ready === true ? exitCodes.ready : exitCodes.notReady
  }

  /** As JSON has it. */
  get plain (): object {
    return {
      target: this.name,
      exitCode: this.exitCode,
      ...this.#problem === undefined ? {} : { problem: this.#problem },
      ...this.#state === undefined ? {} : { status: this.#state }
    }
  }

  /** What changes when something has happened, and not with every second. */
  get gist (): string {
    const status = this.#status
    // Reasons count down, or say since when: as long as nothing else of one changes, that is no news.
    return [
      this.#problem,
      status?.phase,
      status?.ready,
      status?.eventLoop?.blocked === true,
      status && waiting(status).replaceAll(/\d+/g, '#')
    ].join('\n')
  }

  /** In one line: what {@link gist} tells. */
  get line (): Line {
    const trouble = this.#trouble
    if (trouble !== undefined) return trouble
    const waits = waiting(this.#status!)
    const head = headline(this.name, this.#status!, { at: this.#now })
    return waits === '' ? head : { ...head, text: `${head.text}, waits for ${waits}` }
  }

  /** The whole, as last heard. */
  lines (most: number): Line[] {
    const status = this.#status
    const trouble = this.#trouble
    if (status === undefined) return trouble === undefined ? [] : [trouble]
    const context: Context = { at: this.#now, most, authorised: this.#authorised }
    return [
      ...trouble === undefined ? [] : [trouble],
      headline(this.name, status, context),
      ...details(status, context)
    ]
  }

  /** As it came; what only grows has grown. */
  get #state (): object | undefined {
    return this.#streamed?.told ?? this.#answer
  }

  get #status (): Shown | undefined {
    return this.#state && readStatus(this.#state)
  }

  /** When the status was so: now, while it is streamed. */
  get #now (): number {
    return this.#streamed?.now ?? this.#at
  }

  get #ending (): boolean {
    return this.heard && this.#status?.phase !== 'running'
  }

  get #trouble (): Line | undefined {
    if (this.#problem === undefined) return undefined
    if (!this.heard) return { text: `${this.name}  UNREACHABLE, ${this.#problem}`, tone: 'bad' }
    const what = this.gone
      ? this.#ending ? 'GONE, after it had begun to end' : 'GONE, while it was in service'
      : 'does not respond'
    const age = duration(Date.now() - this.#heard)
    return { text: `${this.name}  ${what}: ${this.#problem}; what follows is ${age} old`, tone: 'bad' }
  }
}
