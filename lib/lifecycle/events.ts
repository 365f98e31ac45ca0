import type { ShutdownRequest } from './driver.ts'
import type { Failure } from './participants.ts'
import type { Phase } from './phase.ts'
import type { Cut, PhaseRecord, Report } from './report.ts'

/** What the lifecycle tells, and with which parameters. */
export interface LifecycleEvents {
  /**
   * An end was asked for, the first time. `announcedBefore`: the milliseconds of phase 1 so far, where a drain by hand
   * or a preStop call had begun it; undefined where the phases begin with this request.
   */
  requested: [request: Readonly<ShutdownRequest>, announcedBefore: number | undefined]
  /** A phase has begun; the record is that of the one before. */
  phase: [phase: Phase, previous: Phase, record: PhaseRecord]
  /** Something has failed, and stops nothing; the error behind it, where there is one. */
  failure: [failure: Failure & { phase: Phase }, error: unknown]
  /** Phase 3 is over, and this was cut. */
  cut: [cut: Omit<Cut, 'waiting'>]
  /** The end is over. Whoever awaits it hears of it when all listeners have. */
  report: [report: Report]
}

/** The name of an event. */
export type LifecycleEvent = keyof LifecycleEvents

/** Hears of an event. */
export type LifecycleListener<Event extends LifecycleEvent> = (...told: LifecycleEvents[Event]) => void

/** Who listens to which event. All are called, in the order of their registration, whichever of them throws. */
export class Listeners {
  readonly #listeners: { readonly [Event in LifecycleEvent]: Array<LifecycleListener<Event>> } =
    { requested: [], phase: [], failure: [], cut: [], report: [] }

  /** Calls `listener` whenever the event is told. */
  add<Event extends LifecycleEvent> (event: Event, listener: LifecycleListener<Event>): void {
    this.#listeners[event].push(listener)
  }

  /** Tells an event; answers what its listeners have thrown. */
  tell<Event extends LifecycleEvent> (event: Event, ...told: LifecycleEvents[Event]): unknown[] {
    const thrown: unknown[] = []
    for (const listener of this.#listeners[event]) {
      try {
        listener(...told)
      } catch (error) {
        thrown.push(error)
      }
    }
    return thrown
  }
}

/** Runs changes of phase one after the other: what a listener asks for begins when all have been told of the first. */
export class Moves {
  readonly #waiting: Array<() => void> = []
  readonly #run: <T>(work: () => T) => T
  #isMoving = false

  /** @param run calls a change in an async context of its own, instead of that of the caller. Default: the caller's. */
  constructor (run: <T>(work: () => T) => T = (work) => work()) {
    this.#run = run
  }

  /** Makes a change now, or after the one that is under way. */
  run (move: () => void): void {
    this.#waiting.push(move)
    if (this.#isMoving) return
    this.#isMoving = true
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) this.#run(next)
    } finally {
      this.#isMoving = false
      this.#waiting.length = 0
    }
  }
}
