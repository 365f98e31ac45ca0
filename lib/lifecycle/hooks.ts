import { phases } from './phase.ts'
import type { HookPhase } from './phase.ts'
import type { Clock } from '../clock.ts'
import type { OnFailure, Stall } from './participants.ts'
import { invalidArgument, messageOf, takeOptions } from '../errors.ts'
import { longestTimer } from '../util/given.ts'
import { clip } from '../util/text.ts'

/** What a hook is told. */
export interface HookContext {
  /** The phase that has begun. */
  phase: HookPhase
  /** Why the service ends: a signal's name, or what the caller of `shutdown` said. */
  reason: string
  /**
   * Epoch milliseconds by which all work must be over, the same as `app.graceful.deadline` at any moment; undefined
   * during a drain by hand.
   */
  readonly deadline: number | undefined
  /**
   * Milliseconds until the hook is no longer waited for: at the end of its phase at the latest, or when its own
   * `timeout` is over. Never negative; Infinity during a drain by hand. A second signal shortens it.
   */
  remaining: () => number
  /**
   * A signal that aborts `ms` milliseconds before the hook is no longer waited for, so that it can leave its work in
   * order: at once where less is left. It stands until the phase is over, also where the hook has returned.
   *
   * @throws FST_GRACEFUL_INVALID_ARGUMENT
   */
  almostOver: (ms: number) => AbortSignal
  /** Aborts when the hook's time is up, or the phase ends without it. */
  signal: AbortSignal
}

/** Work to be done when a phase begins; the phase waits for it. */
export type PhaseHook = (context: HookContext) => unknown

/** Options of {@link PhaseHook}s. */
export interface HookOptions {
  /** Shown while the hook runs and in the report. Default: the function's name. */
  name?: string
  /** Milliseconds the phase waits for it. Default: as long as the phase may last. */
  timeout?: number
}

/** What the hooks of a phase go by. Times are of the machine's clock. */
export interface HookTimes {
  /** Epoch milliseconds by which all work must be over. */
  deadline: () => number | undefined
  /** When the phase ends, whoever holds it. */
  end: () => number
}

/** Those of a phase that nothing ends. */
const endless: HookTimes = { deadline: () => undefined, end: () => Infinity }

/** Somebody who is to be told some time before a hook is no longer waited for. */
interface Warning { at: () => number, tell: () => void }

interface Entry { phase: HookPhase, hook: PhaseHook, name: string, timeout: number }

interface Running {
  name: string
  phase: HookPhase
  /** Ends the waiting, and tells the hook. */
  abandon: (why: string) => void
}

/** The hooks of all phases, and those that run now. */
export class PhaseHooks {
  readonly #entries = new Set<Entry>()
  readonly #running = new Set<Running>()
  readonly #warnings = new Set<Warning>()
  readonly #clock: Clock
  readonly #onFailure: OnFailure
  readonly #onSettled: () => void

  constructor (clock: Clock, onFailure: OnFailure, onSettled: () => void) {
    this.#clock = clock
    this.#onFailure = onFailure
    this.#onSettled = onSettled
  }

  /** Adds a hook; the function that comes back removes it. */
  add (phase: HookPhase, hook: PhaseHook, options: HookOptions = {}): () => void {
    if (!phases.slice(1).includes(phase)) {
      throw invalidArgument("the phase of a hook ('addHook')", `one of ${phases.slice(1).join(', ')}`, phase)
    }
    if (typeof hook !== 'function') throw invalidArgument(`the handler of a hook for '${phase}'`, 'a function', hook)
    const taken = takeOptions(options, "'addHook'", ['name', 'timeout'])
    const { name = hook.name || 'anonymous hook', timeout = longestTimer } = taken
    if (typeof name !== 'string' || name === '') throw invalidArgument('the name of a hook', 'a non-empty string', name)
    if (typeof timeout !== 'number' || !(timeout > 0 && timeout <= longestTimer)) {
      throw invalidArgument(
        `the timeout of hook '${name}'`, `a number of milliseconds from 1 to ${longestTimer}`, timeout
      )
    }
    const entry: Entry = { phase, hook, name: clip(name), timeout }
    this.#entries.add(entry)
    return () => { this.#entries.delete(entry) }
  }

  /** Starts the hooks of a phase, all of them at once. */
  start (phase: HookPhase, reason: string, times: HookTimes = endless): void {
    for (const entry of this.#entries) {
      if (entry.phase === phase) this.#run(entry, reason, times)
    }
  }

  /** Tells those whose time has almost come, and answers when the next one is to be told. */
  warn (now: number): number {
    let next = Infinity
    for (const warning of this.#warnings) {
      const at = warning.at()
      if (at > now) {
        next = Math.min(next, at)
        continue
      }
      this.#warnings.delete(warning)
      warning.tell()
    }
    return next
  }

  /** The hooks that have not settled, as participants are listed. */
  stalls (): Stall[] {
    return [...this.#running].map(({ name, phase }) => ({ name, reason: `hook of phase '${phase}' is running` }))
  }

  /** Stops waiting for the hooks of the phase that ends now, and tells them. */
  abandon (): void {
    this.#warnings.clear()
    for (const running of this.#running) running.abandon(`is no longer waited for: phase '${running.phase}' is over`)
  }

  #contextOf (
    { name, phase, timeout }: Entry,
    reason: string,
    { deadline, end }: HookTimes,
    signal: AbortSignal
  ): HookContext {
    const cut = this.#clock.now() + (timeout === longestTimer ? Infinity : timeout)
    const cutAt = (): number => Math.min(cut, end())
    return {
      phase,
      reason,
      get deadline () { return deadline() },
      remaining: () => Math.max(0, cutAt() - this.#clock.now()),
      almostOver: (ms) => {
        if (typeof ms !== 'number' || !(ms >= 0 && ms <= longestTimer)) {
          throw invalidArgument(
            "the time given to 'almostOver'", `a number of milliseconds from 0 to ${longestTimer}`, ms
          )
        }
        const controller = new AbortController()
        this.#warnings.add({
          at: () => cutAt() - ms,
          tell: () => controller.abort(new Error(`hook '${name}' has ${ms} ms left`))
        })
        this.warn(this.#clock.now())
        // The machine learns when to look again.
        this.#onSettled()
        return controller.signal
      },
      signal
    }
  }

  #run (entry: Entry, reason: string, times: HookTimes): void {
    const { hook, name, phase, timeout } = entry
    const controller = new AbortController()
    const over = (): boolean => {
      cancel?.()
      return this.#running.delete(running)
    }
    const finish = (message?: string, error?: unknown): void => {
      if (!over()) return
      if (message !== undefined) this.#onFailure({ name, message }, error)
      this.#onSettled()
    }
    const abandon = (why: string): void => {
      over()
      controller.abort(new Error(`hook '${name}' ${why}`))
    }
    const running: Running = { name, phase, abandon }
    this.#running.add(running)
    const cancel = timeout === longestTimer
      ? undefined
      : this.#clock.after(timeout, () => {
        finish(`did not finish within ${timeout} ms`)
        abandon(`timed out after ${timeout} ms`)
      })
    try {
      Promise.resolve(hook(this.#contextOf(entry, reason, times, controller.signal))).then(
        () => finish(),
        (error: unknown) => finish(messageOf(error), error)
      )
    } catch (error) {
      finish(messageOf(error), error)
    }
  }
}
