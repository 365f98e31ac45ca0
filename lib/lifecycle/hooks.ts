import { phases } from './phase.ts'
import type { HookPhase } from './phase.ts'
import type { Clock } from './clock.ts'
import type { OnFailure, Stall } from './participants.ts'
import { invalidArgument, messageOf, refuseUnknownKeys } from '../errors.ts'
import { longestTimer } from '../limits.ts'

/** What a hook is told. */
export interface HookContext {
  /** The phase that has begun. */
  phase: HookPhase
  /** Why the service ends: a signal's name, or what the caller of `shutdown` said. */
  reason: string
  /** Epoch milliseconds by which all work must be over; undefined during a drain by hand. */
  deadline: number | undefined
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
    if (!phases.slice(1).includes(phase)) throw invalidArgument("the phase of a hook ('addHook')", `one of ${phases.slice(1).join(', ')}`, phase)
    if (typeof hook !== 'function') throw invalidArgument(`the handler of a hook for '${phase}'`, 'a function', hook)
    refuseUnknownKeys(options, "'addHook'", ['name', 'timeout'])
    const { name = hook.name || 'anonymous hook', timeout = longestTimer } = options
    if (typeof name !== 'string' || name === '') throw invalidArgument('the name of a hook', 'a non-empty string', name)
    if (typeof timeout !== 'number' || !(timeout > 0 && timeout <= longestTimer)) throw invalidArgument(`the timeout of hook '${name}'`, `a number of milliseconds from 1 to ${longestTimer}`, timeout)
    const entry: Entry = { phase, hook, name, timeout }
    this.#entries.add(entry)
    return () => { this.#entries.delete(entry) }
  }

  /** Starts the hooks of a phase, all of them at once. */
  start (phase: HookPhase, reason: string, deadline: number | undefined): void {
    for (const entry of this.#entries) {
      if (entry.phase === phase) this.#run(entry, { phase, reason, deadline })
    }
  }

  /** The hooks that have not settled, as participants are listed. */
  stalls (): Stall[] {
    return [...this.#running].map(({ name, phase }) => ({ name, reason: `hook of phase '${phase}' is running` }))
  }

  /** Stops waiting for the hooks of the phase that ends now, and tells them. */
  abandon (): void {
    for (const running of this.#running) running.abandon(`is no longer waited for: phase '${running.phase}' is over`)
  }

  #run (entry: Entry, context: Omit<HookContext, 'signal'>): void {
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
      Promise.resolve(hook({ ...context, signal: controller.signal })).then(
        () => finish(),
        (error: unknown) => finish(messageOf(error), error)
      )
    } catch (error) {
      finish(messageOf(error), error)
    }
  }
}
