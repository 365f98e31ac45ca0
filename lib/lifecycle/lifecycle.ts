import { isAtLeast, phaseNumber } from './phase.ts'
import type { HookPhase, Phase, StallPhase } from './phase.ts'
import type { Budget } from './budget.ts'
import type { Clock } from '../clock.ts'
import type { PhaseHooks } from './hooks.ts'
import { deferred } from './deferred.ts'
import type { Deferred } from './deferred.ts'
import type { Failure, Participants, Stall } from './participants.ts'
import { History } from './history.ts'
import { Moves } from './moves.ts'
import type { Driver, ShutdownRequest } from './driver.ts'
import type { PhaseEnd, PhaseRecord, Report, ShutdownProgress } from './report.ts'
import { Deadlines } from './deadlines.ts'
import { Ticker } from './ticker.ts'
import { Blockers } from './blockers.ts'
import type { BackgroundWork } from './background-work.ts'
import { errors, messageOf } from '../errors.ts'

type PhaseListener = (phase: Phase, previous: Phase, record: PhaseRecord) => void

/**
 * The state machine. Nothing outside it writes the phase; it knows neither Fastify nor the process nor sockets,
 * and time only through a {@link Clock}, so every rule can be tested without any of them.
 */
export class Lifecycle {
  readonly budget: Budget
  readonly #clock: Clock
  readonly #driver: Driver
  readonly #listeners = new Set<PhaseListener>()
  readonly #history = new History()
  readonly #blockers: Blockers
  readonly #deadlines: Deadlines
  readonly #ticker: Ticker
  readonly #done = deferred<Report>()
  readonly #moves: Moves

  #phase: Phase = 'running'
  #since: number
  #sinceEpoch: number
  /** Nobody of this application stalls the current phase, in the last round of asking. */
  #clear = false
  #announced: Deferred<void> | undefined
  #report: Report | undefined

  constructor (clock: Clock, budget: Budget, driver: Driver) {
    this.#clock = clock
    this.#driver = driver
    this.#moves = new Moves(driver.run)
    this.budget = budget
    this.#deadlines = new Deadlines(budget)
    this.#ticker = new Ticker(clock, () => this.#tick())
    this.#since = clock.now()
    this.#sinceEpoch = clock.epoch()
    this.#blockers = new Blockers(clock, {
      failed: (failure, error) => this.fail(failure, error),
      rejected: (failure, error) => driver.failed({ ...failure, phase: this.#phase }, error),
      wake: () => this.poke(),
      release: () => driver.release?.() ?? [],
      startHooks: () => this.#startHooks('terminated'),
      end: () => driver.end(),
      closing: (isLast) => driver.closing?.(isLast)
    })
  }

  get participants (): Participants { return this.#blockers.participants }
  get observers (): Participants { return this.#blockers.observers }
  get hooks (): PhaseHooks { return this.#blockers.hooks }
  get work (): BackgroundWork { return this.#blockers.work }
  get phase (): Phase { return this.#phase }
  /** Epoch milliseconds at which the current phase began. */
  get since (): number { return this.#sinceEpoch }
  /** Milliseconds spent in the current phase. */
  get elapsed (): number { return this.#clock.now() - this.#since }
  /** Whether an end was asked for, which a drain by hand is not. */
  get ending (): boolean { return this.request !== undefined }
  /** Whether nobody here stalls the current phase any more. */
  get clear (): boolean { return this.#clear }
  get report (): Report | undefined { return this.#report }
  /** Settles with the report when phase 4 is over. */
  get done (): Promise<Report> { return this.#done.promise }
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
    const deadline = this.#deadlines.deadline(this.#phase, this.#since)
    return deadline === undefined ? undefined : Math.round(this.#clock.epoch() + deadline - this.#clock.now())
  }

  /** How far the end has come; undefined while running. */
  get progress (): ShutdownProgress | undefined {
    if (this.#phase === 'running') return undefined
    const ends = [this.#deadlines.floor(this.#phase, this.#since), this.#deadlines.cap(this.#phase, this.#since)]
    const [floor, cap] = ends.map((end) => Math.max(0, Math.round(end - this.#since)))
    return {
      ...this.#deadlines.asked,
      ...this.#history.progress,
      floor: floor ?? 0,
      cap: cap === Infinity ? undefined : cap
    }
  }

  /** Calls `listener` after each change of phase. */
  onPhase (listener: PhaseListener): void {
    this.#listeners.add(listener)
  }

  /** Begins the end, or joins it: everybody gets the same report. The first reason and the first exit code win. */
  shutdown (request: ShutdownRequest): Promise<Report> {
    if (this.ending) {
      this.#deadlines.join(request, this.#clock.now())
      this.poke()
      return this.done
    }
    const now = this.#clock.now()
    this.#deadlines.ask(request, now)
    if (this.#phase === 'running') this.#history.start(now, this.#clock.epoch())
    this.#ask(request, this.#history.ask(now))
    if (request.announce === false) this.#advance('closing', 'condition')
    else if (this.#phase === 'running') this.#advance('announcing', 'condition')
    this.poke()
    return this.done
  }

  /** A drain by hand: phase 1 without a cap and without a deadline. */
  drain (): void {
    this.#drain('a drain needs phase running')
  }

  /** Phase 1 for a preStop hook: the grace period runs from `at`, and the promise settles when phase 1 could end. */
  prestop (at: number = this.#clock.now()): Promise<void> {
    if (this.#phase === 'running') this.#drain('')
    if (this.#phase !== 'announcing') return Promise.resolve()
    this.#deadlines.startGrace(at)
    this.#announced ??= deferred<void>()
    this.poke()
    return this.#announced.promise
  }

  /** Back to phase 0, while no signal came. */
  undrain (): void {
    const { request } = this
    if (this.#phase !== 'announcing' || request !== undefined) {
      const why = request === undefined
        ? 'only phase announcing can be undone'
        : `a shutdown is under way (${request.reason})`
      throw new errors.FST_GRACEFUL_ILLEGAL_MOVE(this.#phase, 'running', why)
    }
    this.#moves.run(() => {
      // A listener of the same change may have asked for the end since.
      if (this.ending) return
      this.#deadlines.stopGrace()
      this.#settleAnnounced()
      this.#ticker.stop()
      this.#enter('running', 'undrain')
    })
  }

  /** Every phase is capped at one second, the present one too: where it has lasted as long, it ends. */
  hurry (): void {
    this.#deadlines.hurried ??= this.#phase
    this.#deadlines.hurriedAt ??= this.#clock.now()
    this.poke()
  }

  /** Others' work that phases 1 to 3 wait for: asked on each tick for what is under way, by name. */
  follow (ask: (phase: StallPhase) => Stall[]): void {
    this.#blockers.follow(ask)
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
    return this.#blockers.awaitClose()
  }

  /** Records a failure, which never stops anything; the error behind it goes to the log alone. */
  fail (failure: Failure, error?: unknown): void {
    const entry = this.#history.fail({ ...failure, phase: this.#phase })
    if (entry === undefined) return
    try {
      this.#driver.failed(entry, error)
    } catch {
      // A log that fails must not stop the end.
    }
  }

  /** Somebody else ends the process in the middle of phase 4: the report is made at once, of what happened so far. */
  conclude (): Report | undefined {
    if (this.#phase === 'terminated' && this.#report === undefined) {
      this.#makeReport(this.#blockers.unfinished.length > 0 ? 'exit' : 'condition')
    }
    return this.#report
  }

  /** Asks again as soon as possible, because something has ended. */
  poke (): void {
    if (this.#phase !== 'running' && this.#report === undefined) this.#ticker.wake()
  }

  /** Who stalls now, for those who want to look. Asks nobody. */
  stalls (): Stall[] {
    return this.#blockers.stalls
  }

  #ask (request: ShutdownRequest, announcedBefore: number): void {
    if (this.#phase === 'running') return
    try {
      this.#driver.asked?.(request, announcedBefore)
    } catch {
      // A log that fails must not stop the end.
    }
  }

  #drain (why: string): void {
    if (this.#phase !== 'running') throw new errors.FST_GRACEFUL_ILLEGAL_MOVE(this.#phase, 'announcing', why)
    this.#history.start(this.#clock.now(), this.#clock.epoch())
    this.#advance('announcing', 'condition')
    this.poke()
  }

  #tick (): void {
    if (this.#report !== undefined || this.#phase === 'running') return
    const phase = this.#phase
    const now = this.#clock.now()
    // Somebody may have closed the listener: there is nobody left to announce anything to.
    if (phase === 'announcing' && this.#driver.serving?.() === false) this.#deadlines.serving = false
    const floor = this.#deadlines.floor(phase, this.#since)
    const cap = this.#deadlines.cap(phase, this.#since)
    const closeDue = this.#deadlines.closeDue(phase, this.#since)
    const warning = this.hooks.warn(now)
    const waiting = !this.#blockers.ask(phase, now - this.#since, now >= closeDue)
    this.#clear = !waiting && now >= floor
    const others = this.#clear ? this.#driver.others() : undefined
    if (others !== undefined) this.#blockers.waitFor(others)
    if (this.#clear && others === undefined) {
      if (phase !== 'announcing' || this.ending) return this.#leave('condition')
      this.#settleAnnounced()
    }
    if (now >= cap) return this.#leave('cap')
    // A preStop call must be answered in time, or the kubelet's clock runs out on it.
    if (this.#announced !== undefined && now >= this.#deadlines.announceEnd) this.#settleAnnounced()
    this.#ticker.wait(now, floor, cap, closeDue, warning)
  }

  #leave (endedBy: PhaseEnd): void {
    const next: Partial<Record<Phase, Phase>> = { announcing: 'closing', closing: 'draining', draining: 'terminated' }
    if (this.#phase === 'draining') this.#cut(endedBy)
    else if (endedBy === 'cap' && this.#phase !== 'terminated') this.#history.leave(this.hooks.stalls())
    const to = next[this.#phase]
    if (to === undefined) return this.#finish(endedBy)
    this.#advance(to, endedBy)
    this.poke()
  }

  #cut (endedBy: PhaseEnd): void {
    if (endedBy === 'cap') this.#history.leave(this.#blockers.named)
    try {
      this.#history.cut(this.#driver.cut())
    } catch (error) {
      this.fail({ name: 'cut', message: messageOf(error) }, error)
    }
  }

  /** The one place where the phase goes up. */
  #advance (to: Phase, endedBy: PhaseEnd): void {
    this.#moves.run(() => {
      if (phaseNumber(to) <= phaseNumber(this.#phase)) {
        throw new errors.FST_GRACEFUL_ILLEGAL_MOVE(this.#phase, to, 'phases only go up')
      }
      if (isAtLeast(to, 'closing')) this.#settleAnnounced()
      this.#enter(to, endedBy)
      if (to === 'terminated') this.#blockers.startLast()
      else this.#startHooks(to as HookPhase)
    })
  }

  #startHooks (phase: HookPhase): void {
    this.hooks.start(phase, this.request?.reason ?? 'drain', {
      deadline: () => this.deadline,
      end: () => this.#phase === phase ? this.#deadlines.cap(phase, this.#since) : -Infinity
    })
  }

  #record (endedBy: PhaseEnd): PhaseRecord {
    return {
      phase: this.#phase,
      duration: Math.round(this.elapsed),
      endedBy,
      stalledBy: endedBy === 'exit' ? this.#blockers.unfinished : endedBy === 'cap' ? this.stalls() : []
    }
  }

  #enter (to: Phase, endedBy: PhaseEnd): void {
    const previous = this.#phase
    const record = this.#record(endedBy)
    if (previous === 'running') this.#deadlines.serving = this.#driver.serving?.() ?? true
    else this.#history.add(record)
    this.#blockers.reset(to)
    this.#phase = to
    this.#since = this.#clock.now()
    this.#sinceEpoch = this.#clock.epoch()
    this.#clear = false
    for (const listener of this.#listeners) {
      try {
        listener(to, previous, record)
      } catch (error) {
        this.fail({ name: `listener of phase '${to}'`, message: messageOf(error) }, error)
      }
    }
  }

  #finish (endedBy: PhaseEnd): void {
    if (endedBy === 'cap') this.#history.leave(this.#blockers.lookLast())
    // A fast end may leave no time for it; it is begun all the same.
    this.#blockers.finish()
    this.#makeReport(endedBy)
  }

  #makeReport (endedBy: PhaseEnd): void {
    this.#history.add(this.#record(endedBy))
    this.#ticker.stop()
    const { kind, reason, exitCode = 0 } = this.request ?? { kind: 'shutdown', reason: 'unknown' }
    const ending = {
      kind,
      reason,
      exitCode,
      gracePeriod: this.budget.gracePeriod,
      hurried: this.#deadlines.hurried,
      traffic: this.#driver.traffic(),
      now: this.#clock.now()
    }
    this.#report = this.#history.report(ending, (draft) => this.#driver.advice(draft))
    this.#done.resolve(this.#report)
  }

  #settleAnnounced (): void {
    this.#announced?.resolve()
    this.#announced = undefined
  }
}
