import { messageOf } from '../errors.ts'
import type { Host } from './host.ts'
import { markOwn } from './shared.ts'
import type { Member } from './types.ts'

/** What sets off a crash. */
export type CrashOrigin = 'uncaughtException' | 'unhandledRejection'

/** The process-wide crash listeners. Other listeners of the same events stay and run. */
export class CrashHandlers {
  readonly #host: Host
  readonly #onException: (error: unknown) => void
  readonly #onRejection: (reason: unknown) => void
  #installed = false

  constructor (host: Host, onCrash: (origin: CrashOrigin, error: unknown) => void) {
    this.#host = host
    this.#onException = markOwn((error: unknown) => onCrash('uncaughtException', error))
    this.#onRejection = markOwn((reason: unknown) => onCrash('unhandledRejection', reason))
  }

  /** Installs the listeners or takes them away. */
  update (wanted: boolean): void {
    if (wanted) this.#install()
    else this.#uninstall()
  }

  #install (): void {
    if (this.#installed) return
    this.#installed = true
    // In front: whoever answers a crash with app.close() is to join the shutdown.
    this.#host.events.prependListener('uncaughtException', this.#onException)
    if (this.#host.rejectionsAreFatal()) this.#host.events.prependListener('unhandledRejection', this.#onRejection)
  }

  #uninstall (): void {
    if (!this.#installed) return
    this.#installed = false
    this.#host.events.off('uncaughtException', this.#onException)
    this.#host.events.off('unhandledRejection', this.#onRejection)
  }
}

/** Takes every member through the end after a crash; who is ending already goes on, and its exit code becomes 1. */
export function crashMembers (members: Member[], origin: CrashOrigin, error: unknown): void {
  const message = messageOf(error)
  for (const member of members) {
    const { lifecycle } = member
    const request = { kind: 'crash', reason: `${origin}: ${message}`, exitCode: 1 } as const
    if (lifecycle.ending) lifecycle.fail({ name: origin, message }, error)
    // A plain close becomes part of the end of the process, and has its time.
    if (!lifecycle.ending || lifecycle.request?.kind === 'close') void lifecycle.shutdown(request)
    if (origin === 'unhandledRejection') continue
    for (const listener of member.uncaught) listener(error)
  }
}

/** What ends the process is logged, once for all of its applications. */
export function logCrash (member: Member | undefined, message: string, error: unknown): void {
  try {
    member?.log.fatal({ err: error }, message)
  } catch {
    // A logger that throws is no reason to stay.
  }
}
