import type { Message } from './sender.ts'

/** What the service manager is to know of a service. */
export interface View {
  /** `starting` until it listens and is ready for the first time, `running` from then on. */
  state: 'starting' | 'running' | 'reloading' | 'stopping'
  /** The phase, and what it waits for: for people. */
  status: string
  /** Milliseconds until the process has to be gone; Infinity where it need not be. */
  left: number
}

/** What {@link Notifier} needs. */
export interface NotifierParts {
  view (): View
  send (message: Message): void
  /** Milliseconds of a clock that never goes backwards, and `CLOCK_MONOTONIC` in microseconds. */
  now (): number
  monotonic (): bigint
  /** Calls back once, without keeping the process; the answer cancels it. */
  after (delay: number, callback: () => void): () => void
  /** Milliseconds between two texts of the status alone, at least. */
  statusInterval: number
  /** Whether to ask for more time while an end, or a reload, is under way. */
  extendsTimeout: boolean
  /** Milliseconds within which the manager wants to hear of the event loop; undefined where another thread tells it. */
  watchdog: number | undefined
  /** Whether it turns for anybody's good: asked before the manager is told so. */
  isAlive (): boolean
}

/** Milliseconds between two looks. */
const lookIntervals = { starting: 250, running: 5000, reloading: 1000, stopping: 1000 } as const
/** For so many milliseconds at most is more time asked for, and so often. */
const longestExtension = 15_000
const extensionInterval = 5000

/** What has been told, and what is to be told next. Its owner calls `look` whenever something may have changed. */
export class Notifier {
  readonly #parts: NotifierParts
  #state: View['state'] = 'starting'
  #status: string | undefined
  #statusAt = -Infinity
  #extendedAt = -Infinity
  #cancel: (() => void) | undefined

  constructor (parts: NotifierParts) {
    this.#parts = parts
    if (parts.watchdog !== undefined) this.#tellOfLoop(parts.watchdog / 2)
  }

  look (): void {
    const view = this.#parts.view()
    const message: Message = this.#change(view.state)
    const now = this.#parts.now()
    const isChange = Object.keys(message).length > 0
    const statusDue = this.#statusAt + this.#parts.statusInterval - now
    const isNew = view.status !== this.#status
    if (isNew && (isChange || statusDue <= 0)) {
      this.#status = message.STATUS = view.status
      this.#statusAt = now
    }
    const extension = this.#extension(view, now)
    if (extension > 0) message.EXTEND_TIMEOUT_USEC = extension
    if (Object.keys(message).length > 0) this.#parts.send(message)
    const pause = lookIntervals[this.#state]
    const next = isNew && message.STATUS === undefined ? Math.min(pause, statusDue) : pause
    this.#cancel?.()
    this.#cancel = this.#parts.after(next, () => this.look())
  }

  /** Nothing is told any more but that the event loop turns. */
  stop (): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** An end that has begun is never taken back. */
  #change (state: View['state']): Message {
    const before = this.#state
    if (state === before || before === 'stopping') return {}
    // A service that reloads before it was ever ready is still starting.
    if (before === 'starting' && state === 'reloading') return {}
    this.#state = state
    switch (state) {
      // Not ready any more, in a service that goes on: that is no state of a unit, and the status says it.
      case 'starting':
        this.#state = before
        return {}
      case 'running': return { READY: 1 }
      case 'reloading': return { RELOADING: 1, MONOTONIC_USEC: this.#parts.monotonic() }
      case 'stopping': return { STOPPING: 1 }
    }
  }

  /** Microseconds from now; 0 where nothing is asked for. Never beyond the time by which the process has to be gone. */
  #extension ({ left }: View, now: number): number {
    const isWorking = this.#state === 'stopping' || this.#state === 'reloading'
    if (!this.#parts.extendsTimeout || !isWorking || now - this.#extendedAt < extensionInterval) return 0
    const extension = Math.floor(Math.min(longestExtension, left))
    if (extension > 0) this.#extendedAt = now
    return Math.max(0, extension) * 1000
  }

  #tellOfLoop (interval: number): void {
    if (this.#parts.isAlive()) this.#parts.send({ WATCHDOG: 1 })
    this.#parts.after(interval, () => this.#tellOfLoop(interval))
  }
}
