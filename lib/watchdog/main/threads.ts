import { Respawn } from './worker.ts'
import type { ThreadData, ToMain, ToThread } from '../protocol.ts'

/** What a thread is for: to watch the event loop, or to answer on the watchdog's port. The first one does both. */
export type Role = 'watching' | 'answering'

/** What a thread is started with, but for what depends on its role. */
export type CommonData = Omit<ThreadData, 'reservedFd' | 'watches'>

/** What {@link Threads} needs. */
export interface ThreadsPorts {
  data: () => CommonData
  /** A thread of this role is there, and can be told. */
  started: (role: Role) => void
  heed: (message: ToMain) => void
  /** Nobody answers on the port any more. */
  closed: () => void
  /** A thread has ended, and is started again after so many milliseconds. */
  died: (role: Role, why: string, pause: number, error: unknown) => void
  /** A thread could not be started, and there will be none. */
  failed: (role: Role, why: string) => void
}

/**
 * The watchdog's threads. One watches and answers, because each thread costs some 8 MiB. Where it has died, whoever
 * uses the port may have ended it: from then on one thread watches, which nobody can reach, and the port has a thread
 * of its own. That one may die again and again, with a pause that grows, and the other one keeps the deadline.
 */
export class Threads {
  readonly #ports: ThreadsPorts
  readonly #hasPort: boolean
  readonly #watching: Respawn
  /** The port's own; undefined while one thread does both, or where there is no port. */
  #answering: Respawn | undefined
  /** A thread can be started here. */
  #hasRun = false

  constructor (hasPort: boolean, ports: ThreadsPorts) {
    this.#hasPort = hasPort
    this.#ports = ports
    this.#watching = new Respawn({
      data: () => ({ ...this.#dataOf(this.#answering === undefined), watches: true }),
      started: () => this.#started(),
      heed: (message) => {
        this.#hasRun ||= message.type === 'up'
        ports.heed(message)
      },
      died: (why, pause, error) => {
        this.#split()
        ports.died('watching', why, pause, error)
      },
      failed: (why) => {
        if (this.#answering === undefined) ports.closed()
        ports.failed('watching', why)
      }
    })
  }

  /** Whether somebody answers on the port. */
  get answers (): boolean { return this.#hasPort && (this.#answering ?? this.#watching).alive }

  start (): void {
    this.#watching.start()
  }

  /** Tells all of them. */
  post (message: ToThread): void {
    this.#watching.post(message)
    this.#answering?.post(message)
  }

  /** Tells the one alone. */
  postTo (role: Role, message: ToThread): void {
    const thread = role === 'watching' ? this.#watching : this.#answering ?? this.#watching
    thread.post(message)
  }

  /** Ends them, for good. */
  stop (): void {
    this.#watching.stop()
    this.#answering?.stop()
  }

  #started (): void {
    this.#ports.started('watching')
    if (this.#answering?.hasStarted === false) this.#answering.start()
  }

  /** The thread that did both has died. */
  #split (): void {
    if (!this.#hasPort || !this.#hasRun || this.#answering !== undefined) return
    this.#ports.closed()
    const { started, heed, closed, died, failed } = this.#ports
    // One death counts for it already.
    this.#answering = new Respawn({
      data: () => ({ ...this.#dataOf(true), watches: false }),
      started: () => started('answering'),
      heed,
      died: (why, pause, error) => {
        closed()
        died('answering', why, pause, error)
      },
      failed: (why) => {
        closed()
        failed('answering', why)
      }
    }, 1)
  }

  #dataOf (answers: boolean): CommonData {
    const data = this.#ports.data()
    return answers ? data : { ...data, server: undefined }
  }
}
