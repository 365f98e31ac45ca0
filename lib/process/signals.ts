import type { Host, Listener } from './host.ts'
import type { Release } from './release.ts'
import { markOwn } from './shared.ts'
import type { ReceivedSignal } from './shared.ts'
import type { CountedSignal, Member } from './types.ts'

/** The same signal again within this time is a duplicate (terminals, npm and pnpm deliver two), in milliseconds. */
const duplicateWindow = 1000
/** This window where the end is fast, and nearly over by then: nodemon delivers three over some 100 ms. */
const fastWindow = 500
/** How many of the signals that counted are told of. */
const mostTold = 3

/** The signal that began the end, and whether it came as the order of a supervisor that has a replacement. */
interface FirstSignal extends ReceivedSignal { replaced: boolean, cause: string | undefined }

/** What the signals ask the registry. */
interface Registry {
  /** All members, finished ones included. */
  members (): Member[]
  /** Ends the process at once. */
  exitNow (code: number): void
  /** A signal has begun the end of some member. */
  began (): void
  /** When others hear of it. */
  readonly release: Release
}

/** One listener per signal and process, and what the first, second and third signal do. */
export class SignalRouter {
  readonly #host: Host
  readonly #registry: Registry
  readonly #listeners = new Map<string, Listener>()
  /** When each signal was last counted. */
  readonly #counted = new Map<string, number>()
  #first: FirstSignal | undefined
  /** Signals counted so far: 1 shuts down, 2 makes it fast, 3 exits at once. */
  #count = 0
  /** Those that were no orders of a parent that counts: one that is sent to a whole process group comes both ways. */
  #own = 0
  /** Whether the end that is under way is a fast one. */
  #isFast = false
  #last: CountedSignal[] = []

  constructor (host: Host, registry: Registry) {
    this.#host = host
    this.#registry = registry
  }

  /** Our listeners by signal. */
  get listeners (): ReadonlyMap<string, unknown> { return this.#listeners }

  /** Listens for what some member acts on, and for nothing else. */
  update (): void {
    const members = this.#registry.members()
    const wanted = new Set(members.flatMap((member) =>
      Object.keys(member.signals).filter((signal) => actionOf(member, signal) !== false)
    ))
    if (this.#listeners.size === 0 && wanted.size > 0) {
      this.#host.events.prependListener('removeListener', this.#onRemove)
    }
    for (const signal of wanted) this.#listen(signal)
    const isHeld = (signal: string): boolean =>
      wanted.has(signal) && members.some((member) => member.otherListeners === 'after' && endsWith(member, signal))
    // While our own listener is there: without any Node would stop listening for the signal.
    this.#registry.release.others.update(new Set([...this.#listeners.keys()].filter(isHeld)))
    for (const [signal, listener] of this.#listeners) {
      if (wanted.has(signal)) continue
      this.#listeners.delete(signal)
      this.#host.events.off(signal, listener)
    }
    if (this.#listeners.size === 0) this.#host.events.off('removeListener', this.#onRemove)
  }

  /** The last signals that counted, the oldest first. */
  get counted (): readonly CountedSignal[] { return this.#last }

  /**
   * A signal has come. `at` is when, `replaced` that another process serves in this one's place, and `why`, `elapsed`
   * how much of the grace period is over, `count` which order of a parent it is, `heard` who else got it at once.
   */
  receive (
    signal: string,
    { at = this.#host.clock.now(), replaced = false, why: cause, elapsed = 0, count, heard }: {
      at?: number,
      replaced?: boolean,
      why?: string | undefined,
      elapsed?: number,
      count?: number | undefined,
      heard?: readonly unknown[] | undefined
    } = {}
  ): void {
    const members = this.#registry.members()
    const acting = members.filter((member) => actionOf(member, signal) !== false)
    const [first] = acting
    if (first === undefined) return
    if (count === undefined && this.#isDuplicate(signal, at)) {
      return first.log.debug({ signal }, `${signal} again within ${this.#window} ms: a duplicate, ignored`)
    }
    const isAgain = this.#isFast && this.#host.isTrial === true && signal === 'SIGINT'
      && this.#last.some(({ name }) => name === signal)
    const ending = acting.filter((member) => endsWith(member, signal))
    const isOver = members.every(({ finished }) => finished)
    for (const member of acting) if (!isOver && actionOf(member, signal) === 'ignore') warnIgnored(member, signal)
    if (ending.length === 0) return
    this.#registry.release.others.note(signal, heard)
    const counted = count ?? ++this.#own
    if (counted <= this.#count) return first.log.debug({ signal }, `${signal} has come another way already`)
    this.#count = counted
    this.#last = [...this.#last, { name: signal, at, count: counted }].slice(-mostTold)
    if (this.#first === undefined) this.#begin({ signal, at: at - elapsed, replaced, cause })
    if (counted > 1) this.#escalate(signal, members, { isAgain, isOver })
  }

  /** A member that joins after a signal has come is shut down as well. */
  admit (member: Member): void {
    if (this.#first === undefined || member.finished) return
    this.#shutDown(member, this.#first)
    if (this.#count > 1) member.lifecycle.hurry()
    this.#registry.began()
  }

  /** Nobody ends any more and nobody will exit: the next signal is a first one. */
  reset (): void {
    this.#first = undefined
    this.#isFast = false
    this.#count = this.#own = 0
    this.#last = []
    this.#counted.clear()
  }

  /**
   * Somebody has removed all listeners of a signal, ours with them: it would kill the process. Behind the others, for
   * Node goes through them from the last to the first; and before Node hears of it, so that it never stops listening.
   */
  readonly #onRemove = (signal: string, listener: unknown): void => {
    if (this.#listeners.get(signal) === listener) this.#host.events.on(signal, listener as Listener)
  }

  get #window (): number { return this.#isFast ? fastWindow : duplicateWindow }

  #isDuplicate (signal: string, at: number): boolean {
    const last = this.#counted.get(signal)
    if (last !== undefined && at - last < this.#window) return true
    this.#counted.set(signal, at)
    return false
  }

  #listen (signal: string): void {
    if (this.#listeners.has(signal)) return
    const [member] = this.#registry.members()
    if (this.#host.signalNumber(signal) === undefined) {
      member?.log.debug({ signal }, `${signal} does not exist on this platform, not listened for`)
      return
    }
    const listener = markOwn((): void => { if (!this.#registry.release.raised.has(signal)) this.receive(signal) })
    try {
      // In front: whoever answers the same signal with app.close() is to join the shutdown, not to begin a plain close.
      this.#host.events.prependListener(signal, listener)
      this.#listeners.set(signal, listener)
    } catch (error) {
      this.#listeners.delete(signal)
      this.#host.events.off(signal, listener)
      member?.log.warn({ err: error, signal }, `${signal} cannot be listened for`)
    }
  }

  #begin (first: FirstSignal): void {
    this.#first = first
    for (const member of this.#registry.members()) this.#shutDown(member, first)
    this.#registry.began()
  }

  #shutDown (member: Member, { signal, at, replaced, cause }: FirstSignal): void {
    const action = actionOf(member, signal)
    if (action === false || action === 'ignore') return
    // Ctrl-C should feel instant; pm2 and some platforms, whose stop signal is SIGINT, get the whole sequence.
    // The primary of somebody else's cluster hands out connections until this worker closes; others serve on.
    const isReplaced = replaced || member.othersServe === true
    const isTyped = signal === 'SIGINT' && this.#host.terminal()
    const why = this.#host.developer ?? (isTyped && this.#host.isTrial === true ? 'Ctrl-C' : undefined)
    const isFast = why !== undefined
    const announce = !isReplaced && !isTyped && !isFast
    member.exitAsked = true
    if (isFast) {
      this.#isFast = true
      member.log.info({ signal }, `${signal} (${why}): every phase is capped at 1 s, and streams end at once`)
    }
    void member.lifecycle.shutdown({
      kind: action,
      reason: replaced ? cause ?? 'replaced' : signal,
      ...isReplaced && { replaced: true },
      ...isFast && { isFast },
      exitCode: action === 'restart' ? member.restartExitCode : 0,
      announce,
      at
    })
  }

  /**
   * `isAgain`: a person has typed Ctrl-C a second time, where everything was fast from the first on; `isOver`: every
   * application has ended, and the report is its last line.
   */
  #escalate (signal: string, members: Member[], { isAgain, isOver }: { isAgain: boolean, isOver: boolean }): void {
    const log = members[0]?.log
    if (this.#count === 2 && !isAgain) {
      log?.[isOver ? 'debug' : 'warn'](
        { signal },
        `${signal} while shutting down: every phase is capped at 1 s, one that has lasted as long ends now; `
          + 'one more signal exits at once'
      )
      for (const member of members) if (member.lifecycle.ending) member.lifecycle.hurry()
      return
    }
    if (!members.some((member) => member.exit)) return
    const code = 128 + (this.#host.signalNumber(signal) ?? 0)
    try {
      const time = this.#count === 2 ? 'second' : 'third'
      log?.error({ signal, exitCode: code }, `${signal} for the ${time} time: exiting at once with code ${code}`)
    } finally {
      this.#registry.exitNow(code)
    }
  }
}

/** What a signal does to a member. */
export function actionOf (member: Member, signal: string): Member['signals'][string] {
  return Object.hasOwn(member.signals, signal) ? member.signals[signal] ?? false : false
}

/** Whether a signal is the end of a member. */
function endsWith (member: Member, signal: string): boolean {
  const action = actionOf(member, signal)
  return action !== false && action !== 'ignore'
}

function warnIgnored (member: Member, signal: string): void {
  member.log.warn(
    { signal },
    `${signal} ignored: sent to all replicas at once, it would take the whole service down. `
      + 'Use a rolling restart by the orchestrator instead (kubectl rollout restart), or set option '
      + `'signals.${signal}' to 'restart' or 'shutdown'`
  )
}
