import { constants } from 'node:os'
import { isatty } from 'node:tty'
import type { Channel } from '../../fastify/process-internals.ts'
import { markOwn } from '../../process/shared.ts'
import type { Supervisor } from './supervisor.ts'
import { countListener, uncountListener } from '../../fastify/process-internals.ts'

/** The same signal again within this time is a duplicate (terminals, npm and pnpm deliver two), in milliseconds. */
const duplicateWindow = 1000

/** What administrators, process managers and a parent of the supervisor's own tell it. */
export class SupervisorSignals {
  readonly #supervisor: Supervisor
  readonly #exit: (code: number) => void
  readonly #listeners: ReadonlyArray<[event: string, listener: (message?: unknown) => void]>
  readonly #counted = new Map<string, number>()
  /** A terminal that hangs up sends SIGHUP as well, and is no terminal any more by then. */
  readonly #terminal = isatty(0)
  #count = 0
  /** How many orders came without a count by the parent. A signal to a whole process group comes as both. */
  #own = 0

  constructor (supervisor: Supervisor, exit: (code: number) => void) {
    this.#supervisor = supervisor
    this.#exit = exit
    this.#listeners = [
      ['SIGTERM', markOwn(() => this.#stop('SIGTERM'))],
      ['SIGINT', markOwn(() => this.#stop('SIGINT'))],
      ['SIGHUP', markOwn(() => this.#hangUp())],
      // A supervisor may have a supervisor.
      ['message', (message) => this.#onMessage(message)],
      ['disconnect', () => this.#stop('SIGTERM', 'the parent of the supervisor is gone')]
    ]
  }

  install (): void {
    for (const [event, listener] of this.#listeners) process.on(event, listener)
    // Node keeps a process for each of the last two; a supervisor without children has nothing to stay for.
    uncountListener(this.#channel)
    uncountListener(this.#channel)
  }

  uninstall (): void {
    // With each of the two that is removed Node gives back what it counted; it was given back before.
    countListener(this.#channel)
    countListener(this.#channel)
    for (const [event, listener] of this.#listeners) process.off(event, listener)
  }

  /** The channel to the parent: `null` once it is closed. */
  get #channel (): Channel | null | undefined {
    return process.channel as Channel | null | undefined
  }

  #onMessage (message: unknown): void {
    const { type, signal, elapsed, count } = (typeof message === 'object' ? message ?? {} : { type: message }) as {
      type?: unknown,
      signal?: unknown,
      elapsed?: unknown,
      count?: unknown
    }
    if (type !== 'shutdown') return
    this.#stop(
      signal === 'SIGINT' ? signal : 'SIGTERM',
      'the message shutdown',
      typeof elapsed === 'number' ? elapsed : 0,
      typeof count === 'number' ? count : undefined
    )
  }

  #hangUp (): void {
    if (this.#terminal && !isatty(0)) this.#stop('SIGTERM', 'the terminal hung up')
    else this.#supervisor.reload('SIGHUP')
  }

  #stop (signal: 'SIGTERM' | 'SIGINT', reason: string = signal, elapsed = 0, order?: number): void {
    if (order === undefined && this.#isDuplicate(signal)) return
    const count = order ?? ++this.#own
    if (count <= this.#count) return
    // Whoever was told to make haste before anything else ends, too.
    if (this.#count === 0 && count > 1) void this.#supervisor.shutdown({ signal, reason, elapsed })
    this.#count = count
    // An end that nobody sent a signal for is not hurried by the first one, either.
    if (this.#count === 1) return void this.#supervisor.shutdown({ signal, reason, elapsed })
    if (this.#count === 2) {
      this.#supervisor.log.warn(
        { signal },
        `${signal} while shutting down: every phase of every child is capped at 1 s, and one that has lasted `
          + 'that long ends now; a further signal kills'
      )
      return this.#supervisor.hurry(signal)
    }
    const code = 128 + constants.signals[signal]
    this.#supervisor.log.error(
      { signal, exitCode: code },
      `${signal} for the third time: all children are killed, exiting with code ${code}`
    )
    this.#supervisor.kill(code)
    this.#exit(code)
  }

  #isDuplicate (signal: string): boolean {
    const now = performance.now()
    const last = this.#counted.get(signal)
    if (last !== undefined && now - last < duplicateWindow) return true
    this.#counted.set(signal, now)
    return false
  }
}
