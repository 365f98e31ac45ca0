import { setImmediate } from '../util/timers.ts'
import type { Host } from './host.ts'
import type { SharedState } from './shared.ts'
import type { Member } from './types.ts'

/**
 * The last step: names what is still open, flushes every log, and exits. Never by re-raising the
 * signal (a death by signal loses every line of a pino transport), never by waiting for an empty loop
 * (a pending top-level await makes that exit 13). Nothing that fails on the way keeps the process.
 *
 * @param members all whose end this is, in the order in which they finished
 * @param code asked for last, because a crash may still come while the logs are flushed
 */
export async function endProcess (
  host: Host,
  shared: SharedState,
  members: Member[],
  code: () => number
): Promise<void> {
  try {
    // The applications are done by now. Whoever awaits their end has its last word first: what follows somebody's
    // `await app.close()`, or the report that a supervisor is sent.
    await new Promise<void>((resolve) => { setImmediate(resolve) })
    logHandles(host, members[0])
    await Promise.all(members.map((member) => flushWithin(host, member)))
  } finally {
    exitProcess(host, shared, code())
  }
}

/** Exits at once; the exit is marked as ours. */
export function exitProcess (host: Host, shared: SharedState, code: number): void {
  shared.exiting = true
  host.exit(code)
}

function logHandles (host: Host, member: Member | undefined): void {
  if (member === undefined) return
  try {
    const handles = host.handles()
    if (handles.length > 0) {
      member.log.debug(
        { handles },
        `exiting with ${handles.length} kinds of handles open, which would have kept the process`
      )
    }
  } catch {
    // It is only a hint.
  }
}

async function flushWithin (host: Host, member: Member): Promise<void> {
  await new Promise<void>((resolve) => {
    const { flushTimeout } = member
    const cancel = host.clock.after(typeof flushTimeout === 'number' ? flushTimeout : flushTimeout(), resolve)
    const settle = (): void => {
      cancel()
      resolve()
    }
    new Promise<void>((answer) => { answer(member.flush()) }).then(settle, settle)
  })
}

/** Whether a member is on its way to an end that is more than a plain close. */
export function isShuttingDown ({ lifecycle, finished, exitAsked }: Member): boolean {
  return !finished && lifecycle.ending && (exitAsked || lifecycle.request?.kind !== 'close')
}

function tell (member: Member, code: number): void {
  try {
    member.exited?.(code)
  } catch {
    // Nothing may stand in the way of the exit.
  }
}

/**
 * Says so when the process exits in the midst of a shutdown and it was none of us who ended it. The
 * exit code stays as it was set.
 */
export class ExitWitness {
  readonly #host: Host
  readonly #listener: (code: number) => void
  #installed = false

  /** @param registry its `conclude` answers the code of an end that is ours all the same */
  constructor (
    host: Host,
    shared: SharedState,
    { members, conclude }: { members: () => Member[], conclude: (code: number) => number | undefined }
  ) {
    this.#host = host
    this.#listener = (code) => {
      const own = shared.exiting ? undefined : conclude(code)
      if (own !== undefined) {
        host.events.exitCode = own
        return
      }
      const ending = members().filter((member) => isShuttingDown(member) && member.lifecycle.report === undefined)
      for (const member of ending) tell(member, code)
      const [first] = ending
      if (shared.exiting || first === undefined) return
      const where = ending.map(({ name, lifecycle }) => `'${lifecycle.phase}' of ${name}`).join(', ')
      try {
        first.log.error(
          { exitCode: code, phase: first.lifecycle.phase },
          `the process exits with code ${code} in the midst of its shutdown (phase ${where}), and `
            + 'fastify-graceful did not end it: look for a process.exit, for example in another listener of the '
            + 'same signal, or for an error that nobody caught'
        )
      } catch {
        // The destination may be gone already.
      }
    }
  }

  install (): void {
    if (this.#installed) return
    this.#installed = true
    // In front: a transport's own exit listener ends the stream that the line goes to.
    this.#host.events.prependListener('exit', this.#listener)
  }

  uninstall (): void {
    if (!this.#installed) return
    this.#installed = false
    this.#host.events.off('exit', this.#listener)
  }
}
