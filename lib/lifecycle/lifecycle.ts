import { errors } from '../errors.ts'
import type { Clock } from '../clock.ts'
import type { BackgroundWork, Failure, Participants, Stall } from './participants.ts'
import type { Budget } from './budget.ts'
import { Deadlines } from './deadlines.ts'
import type { Driver, ShutdownRequest } from './driver.ts'
import type { LifecycleEvent, LifecycleListener } from './events.ts'
import type { Draft } from './history.ts'
import type { PhaseHooks } from './hooks.ts'
import { PhaseMachine } from './machine.ts'
import { isAtLeast } from './phase.ts'
import type { Phase, StallPhase } from './phase.ts'
import type { Report, ShutdownProgress } from './report.ts'

/**
 * The five phases, as everybody else sees them: what may be asked of them, what they tell, and what can be read. It
 * knows neither Fastify nor the process nor sockets, and time only through a {@link Clock}, so every rule can be
 * tested without any of them. What moves the phase is {@link PhaseMachine}.
 */
export class Lifecycle {
  readonly budget: Budget
  readonly #clock: Clock
  readonly #deadlines: Deadlines
  readonly #machine: PhaseMachine

  constructor (clock: Clock, budget: Budget, driver: Driver) {
    this.#clock = clock
    this.budget = budget
    this.#deadlines = new Deadlines(budget)
    this.#machine = new PhaseMachine(clock, driver, this.#deadlines)
  }

  get participants (): Participants { return this.#machine.blockers.participants }
  get observers (): Participants { return this.#machine.blockers.observers }
  get hooks (): PhaseHooks { return this.#machine.blockers.hooks }
  get work (): BackgroundWork { return this.#machine.blockers.work }
  get phase (): Phase { return this.#machine.phase }
  /** Epoch milliseconds at which the current phase began. */
  get since (): number { return this.#machine.sinceEpoch }
  /** Milliseconds spent in the current phase. */
  get elapsed (): number { return this.#clock.now() - this.#machine.since }
  /** Whether an end was asked for, which a drain by hand is not. */
  get ending (): boolean { return this.request !== undefined }
  /** Whether nobody here stalls the current phase any more. */
  get clear (): boolean { return this.#machine.isClear }
  /** What has happened so far: the report as it is being written. */
  get draft (): Draft { return this.#machine.history.draft }
  get report (): Report | undefined { return this.#machine.report }
  /** Settles with the report when phase 4 is over, and all listeners have heard of it. */
  get done (): Promise<Report> { return this.#machine.done }
  get request (): Readonly<ShutdownRequest> | undefined { return this.#deadlines.request }
  /** When the phases were capped at a second each, on the machine's clock; undefined where they were not. */
  get hurriedAt (): number | undefined { return this.#deadlines.hurriedAt }
  /** When the grace period began, on the machine's clock; undefined while no end was asked for. */
  get graceStart (): number | undefined { return this.#deadlines.graceStart }

  /**
   * Epoch milliseconds by which all work must be over: until phase 4 the moment at which requests are cut, in phase 4
   * the deadline of the process. Undefined while no end was asked for.
   */
  get deadline (): number | undefined {
    return this.#deadlines.deadlineEpoch(this.phase, this.#machine.since, this.#clock)
  }

  /** How far the end has come; undefined while running. */
  get progress (): ShutdownProgress | undefined {
    if (this.phase === 'running') return undefined
    const { since, history: { draft: { startedAt, phases } } } = this.#machine
    const floor = this.#deadlines.floor(this.phase, since)
    const cap = this.#deadlines.cap(this.phase, since)
    return {
      ...this.#deadlines.asked,
      startedAt,
      phases: [...phases],
      floor: Math.max(0, Math.round(floor - since)),
      cap: cap === Infinity ? undefined : Math.max(0, Math.round(cap - since))
    }
  }

  /** Milliseconds that the present phase may still last; 0 while running, and where nothing but a shutdown ends it. */
  get left (): number { return Math.max(0, (this.progress?.cap ?? 0) - this.elapsed) }

  /**
   * Whether phase 1 has lasted so many milliseconds. Where another process has taken over, the service as such stays
   * ready, and the answer is no.
   */
  isAnnounced (delay: number): boolean {
    if (this.request?.replaced === true) return false
    return isAtLeast(this.phase, 'closing') || (this.phase === 'announcing' && this.elapsed >= delay)
  }

  /**
   * Calls `listener` whenever `event` is told. All who listen to one event are called, in the order of their
   * registration, whichever of them throws. A change of phase that one of them asks for begins when all have heard of
   * the present one.
   */
  on<Event extends LifecycleEvent> (event: Event, listener: LifecycleListener<Event>): void {
    this.#machine.listeners.add(event, listener)
  }

  /** Begins the end, or joins it: everybody gets the same report. The first reason and the first exit code win. */
  shutdown (request: ShutdownRequest): Promise<Report> {
    const now = this.#clock.now()
    if (this.ending) {
      this.#deadlines.join(request, now)
      this.poke()
      return this.done
    }
    const { history } = this.#machine
    const isRunning = this.phase === 'running'
    this.#deadlines.ask(request, now)
    if (isRunning) history.start(now, this.#clock.epoch())
    const announcedBefore = history.ask(now)
    this.#machine.tell('requested', "'requested'", request, isRunning ? undefined : announcedBefore)
    if (request.announce === false) this.#machine.begin('closing')
    else if (isRunning) this.#machine.begin('announcing')
    this.poke()
    return this.done
  }

  /** A drain by hand: phase 1 without a cap and without a deadline. */
  drain (): void {
    if (this.phase !== 'running') {
      throw new errors.FST_GRACEFUL_ILLEGAL_MOVE(this.phase, 'announcing', 'a drain needs phase running')
    }
    this.#machine.history.start(this.#clock.now(), this.#clock.epoch())
    this.#machine.begin('announcing')
    this.poke()
  }

  /** Phase 1 for a preStop hook: the grace period runs from `at`, and the promise settles when phase 1 could end. */
  prestop (at: number = this.#clock.now()): Promise<void> {
    if (this.phase === 'running') this.drain()
    if (this.phase !== 'announcing') return Promise.resolve()
    this.#deadlines.startGrace(at)
    const announced = this.#machine.announced()
    this.poke()
    return announced
  }

  /** Back to phase 0, while no signal came. */
  undrain (): void {
    const { request } = this
    if (this.phase !== 'announcing' || request !== undefined) {
      const why = request === undefined
        ? 'only phase announcing can be undone'
        : `a shutdown is under way (${request.reason})`
      throw new errors.FST_GRACEFUL_ILLEGAL_MOVE(this.phase, 'running', why)
    }
    // A listener of the same change may have asked for the end since.
    this.#machine.undo(() => !this.ending)
  }

  /** Every phase is capped at one second, the present one too: where it has lasted as long, it ends. */
  hurry (): void {
    this.#deadlines.hurried ??= this.phase
    this.#deadlines.hurriedAt ??= this.#clock.now()
    this.poke()
  }

  /** Others' work that phases 1 to 3 wait for: asked on each tick for what is under way, by name. */
  follow (ask: (phase: StallPhase) => Stall[]): void {
    this.#machine.blockers.follow(ask)
  }

  /** In phase 2: its cap counts from when `work`, which comes before it, is over. */
  prepare (work: Promise<unknown>): void {
    this.#deadlines.prepare(Infinity)
    void work.then(() => {
      this.#deadlines.prepare(this.#clock.now())
      this.poke()
    })
  }

  /** Somebody calls `app.close()` in phase 4 and is to get the close of this shutdown. Returns whether it has begun. */
  awaitClose (): boolean {
    return this.#machine.blockers.awaitClose()
  }

  /** Records a failure, which never stops anything; the error behind it goes to the log alone. */
  fail (failure: Failure, error?: unknown): void {
    this.#machine.fail(failure, error)
  }

  /** Somebody else ends the process in the middle of phase 4: the report is made at once, of what happened so far. */
  conclude (): Report | undefined {
    return this.#machine.conclude()
  }

  /** Asks again as soon as possible, because something has ended. */
  poke (): void {
    this.#machine.wake()
  }

  /** Who stalls now, for those who want to look. Asks nobody. */
  stalls (): Stall[] {
    return this.#machine.blockers.stalls
  }
}
