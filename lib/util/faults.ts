import { messageOf } from '../errors.ts'
import { monotonicNow } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { counted } from './text.ts'

/** Milliseconds between two lines about the same place. */
const interval = 60_000

interface FaultLog { error (fields: object, message: string): void }

/** When a place was last logged, and how often it has failed since. */
interface Known { saidAt: number, unsaid: number }

/** A function that others call with `this`, and whose answer nobody reads. */
type Listener<This, Parameters extends unknown[]> = (this: This, ...parameters: Parameters) => void

/**
 * Failures of the plugin's own code where the service, or Node on its way to the service, calls it: hooks, listeners,
 * timers, and replacements of Node's methods. None of them may become the service's answer, or end its process. Each
 * is logged and goes no further: the first at each place, then one line a minute with their number.
 */
export class Faults {
  readonly #log: FaultLog
  readonly #now: () => number
  /** By place: a fixed text of the code, so the map is bounded. */
  readonly #known = new Map<string, Known>()

  constructor (log: FaultLog, now: () => number = monotonicNow) {
    this.#log = log
    this.#now = now
  }

  /** Logs a failure of the plugin. Never throws. */
  note (place: string, error: unknown): void {
    try {
      this.#say(place, error)
    } catch {
      // A logger that throws, or an error that cannot be read, must not become the service's answer either.
    }
  }

  /** A function whose failure is noted, and not thrown to its caller. */
  guard<This, Given extends unknown[]> (place: string, listener: Listener<This, Given>): Listener<This, Given> {
    const note = (error: unknown): void => this.note(place, error)
    return function guarded (this: This, ...parameters: Given) {
      try {
        listener.apply(this, parameters)
      } catch (error) {
        note(error)
      }
    }
  }

  /** Calls `work` and answers what it answers; `otherwise` where it fails. */
  attempt<T> (place: string, work: () => T): T | undefined
  attempt<T> (place: string, work: () => T, otherwise: T): T
  attempt<T> (place: string, work: () => T, otherwise?: T): T | undefined {
    try {
      return work()
    } catch (error) {
      this.note(place, error)
      return otherwise
    }
  }

  /** A clock whose timers fail nobody: what a timer throws ends the process. */
  clock (clock: Clock): Clock {
    return {
      now: () => clock.now(),
      epoch: () => clock.epoch(),
      after: (delay, callback) => clock.after(delay, this.guard('a timer', callback))
    }
  }

  #say (place: string, error: unknown): void {
    const now = this.#now()
    const known = this.#known.get(place)
    if (known !== undefined && now - known.saidAt < interval) {
      known.unsaid++
      return
    }
    this.#known.set(place, { saidAt: now, unsaid: 0 })
    const { unsaid } = known ?? { unsaid: 0 }
    const before = unsaid === 0 ? '' : ` (and ${counted(unsaid, 'time')} since this was last said)`
    const message = `${place} of the plugin has failed${before}, the service goes on without it: ${messageOf(error)}`
    this.#log.error({ event: 'graceful.fault', place, err: error, unsaid }, message)
  }
}

/** Takes failures and logs none: for parts that are used without an application. */
export const quietFaults: Faults = new Faults({ error () {} })
