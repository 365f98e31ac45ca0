import type { BlockedRecord } from '../protocol.ts'
import type { Role } from './threads.ts'
import type { WatchdogStatus, WatchedApplication } from './types.ts'

const event = 'graceful.watchdog'

/** What the watchdog is and has seen, as the status shows it and the log is told. */
export class Condition {
  readonly #status: WatchdogStatus =
    { state: 'starting', port: undefined, blockedCount: 0, blockedTime: 0, lastBlocked: undefined }
  readonly #log: () => WatchedApplication['log'] | undefined
  /** How many watch on the watchdog's port. */
  watched = 0

  constructor (log: () => WatchedApplication['log'] | undefined) {
    this.#log = log
  }

  get status (): WatchdogStatus { return { ...this.#status } }
  get hasFailed (): boolean { return this.#status.state === 'failed' }

  /** The thread that watches does, and hears signals or cannot. */
  ready (signals: boolean): void {
    if (this.#status.state === 'watching') return
    this.#status.state = 'watching'
    if (signals) return
    const limit = 'one that comes while the event loop hangs starts no countdown'
    this.#log()?.debug({ event }, `the watchdog cannot see signals on this Node: ${limit}`)
  }

  listening (port: number): void {
    this.#status.port = port
    this.#log()?.info({ event, port }, `the watchdog listens on port ${port}`)
  }

  /** Nobody answers on the port. */
  closed (): void {
    this.watched = 0
    this.#status.port = undefined
  }

  /** A thread has ended, and is started again after so many milliseconds. */
  died (role: Role, why: string, pause: number, err: unknown): void {
    const again = pause === 0 ? 'is started again' : `is started again in ${pause / 1000} s`
    if (role === 'watching') this.#status.state = 'starting'
    const what = role === 'watching' ? 'the watchdog has died' : "the thread of the watchdog's port has died"
    this.#log()?.error({ event, err }, `${what} (${why}), and ${again}`)
  }

  /** A thread cannot be started. */
  failed (role: Role, why: string): void {
    if (role === 'watching') this.#status.state = 'failed'
    const what = role === 'watching'
      ? 'the watchdog cannot be started, so nothing ends this process where its event loop hangs'
      : "the thread of the watchdog's port cannot be started, so nobody answers there"
    this.#log()?.error({ event }, `${what}: ${why}`)
  }

  unblocked (record: BlockedRecord): void {
    this.#status.blockedCount++
    this.#status.blockedTime += record.duration
    this.#status.lastBlocked = record
    const { duration, blockedIn } = record
    const held = blockedIn === undefined ? '' : `, held in ${blockedIn}`
    const details = { event: 'graceful.unblocked', duration, blockedIn }
    this.#log()?.warn(details, `the event loop turns again after ${duration} ms${held}`)
  }
}
