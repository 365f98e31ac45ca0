import { errors, messageOf } from '../errors.ts'
import type { Clock } from '../clock.ts'
import { Blockers, Ticker } from './blockers.ts'
import type { Deadlines } from './deadlines.ts'
import { deferred } from '../util/promises.ts'
import type { Deferred } from '../util/promises.ts'
import type { Driver } from './driver.ts'
import { Listeners, Moves } from './events.ts'
import type { LifecycleEvent, LifecycleEvents } from './events.ts'
import { History } from './history.ts'
import type { Failure } from './participants.ts'
import { isAtLeast, phaseNumber } from './phase.ts'
import type { HookPhase, Phase } from './phase.ts'
import type { PhaseEnd, PhaseRecord, Report } from './report.ts'

const next: Readonly<Partial<Record<Phase, Phase>>> =
  { announcing: 'closing', closing: 'draining', draining: 'terminated' }

/**
 * The phase, and what moves it: rounds of asking whom it waits for, and the change that follows. The only place that
 * writes the phase.
 */
export class PhaseMachine {
  readonly listeners: Listeners = new Listeners()
  readonly history: History = new History()
  readonly blockers: Blockers
  readonly #clock: Clock
  readonly #driver: Driver
  readonly #deadlines: Deadlines
  readonly #ticker: Ticker
  readonly #moves: Moves
  readonly #done = deferred<Report>()
  #phase: Phase = 'running'
  #since: number
  #sinceEpoch: number
  #isClear = false
  /** Settles when a preStop call is to be answered; undefined while none waits. */
  #announced: Deferred<void> | undefined
  #report: Report | undefined

  constructor (clock: Clock, driver: Driver, deadlines: Deadlines) {
    this.#clock = clock
    this.#driver = driver
    this.#deadlines = deadlines
    this.#moves = new Moves(driver.run)
    this.#ticker = new Ticker(clock, () => this.#tick())
    this.#since = clock.now()
    this.#sinceEpoch = clock.epoch()
    this.blockers = new Blockers(clock, {
      failed: (failure, error) => this.fail(failure, error),
      rejected: (failure, error) => { this.listeners.tell('failure', { ...failure, phase: this.#phase }, error) },
      wake: () => this.wake(),
      release: () => driver.release?.() ?? [],
      startHooks: () => this.#startHooks('terminated'),
      end: () => driver.end(),
      closing: (isLast) => driver.closing?.(isLast)
    })
  }

  get phase (): Phase { return this.#phase }
  /** When the phase began, on the machine's clock. */
  get since (): number { return this.#since }
  /** When the phase began, in epoch milliseconds. */
  get sinceEpoch (): number { return this.#sinceEpoch }
  /** Whether nobody of this application has stalled the phase in the last round of asking. */
  get isClear (): boolean { return this.#isClear }
  get report (): Report | undefined { return this.#report }
  /** Settles with the report when phase 4 is over, and all listeners have heard of it. */
  get done (): Promise<Report> { return this.#done.promise }

  /** Tells listeners of an event. What they throw is a failure of its own, which stops nothing. */
  tell<Event extends LifecycleEvent> (event: Event, place: string, ...told: LifecycleEvents[Event]): void {
    for (const error of this.listeners.tell(event, ...told)) {
      this.fail({ name: `listener of ${place}`, message: messageOf(error) }, error)
    }
  }

  /** Phase 1 begins for whoever asks for it, or phase 2 where nobody is to be told. */
  begin (phase: 'announcing' | 'closing'): void {
    this.#advance(phase, 'condition')
  }

  /** Back to phase 0, where `isWanted` still says so when its turn comes. */
  undo (isWanted: () => boolean): void {
    this.#moves.run(() => {
      if (!isWanted()) return
      this.#deadlines.stopGrace()
      this.#settleAnnounced()
      this.#ticker.stop()
      this.#enter('running', 'undrain')
    })
  }

  /** Settles when phase 1 could end, or has to. */
  announced (): Promise<void> {
    this.#announced ??= deferred<void>()
    return this.#announced.promise
  }

  /** Asks again as soon as possible, because something has ended. */
  wake (): void {
    if (this.#phase !== 'running' && this.#report === undefined) this.#ticker.wake()
  }

  /** Records a failure, which never stops anything; the error behind it goes to the log alone. */
  fail (failure: Failure, error?: unknown): void {
    const shown = this.history.fail({ ...failure, phase: this.#phase })
    // A log that fails must not stop the end, and cannot say so.
    if (shown !== undefined) this.listeners.tell('failure', shown, error)
  }

  /** Somebody else ends the process in the middle of phase 4: the report is made at once, of what happened so far. */
  conclude (): Report | undefined {
    if (this.#phase === 'terminated' && this.#report === undefined) {
      this.#makeReport(this.blockers.unfinished.length > 0 ? 'exit' : 'condition')
    }
    return this.#report
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
    const warning = this.blockers.hooks.warn(now)
    const waiting = !this.blockers.ask(phase, now - this.#since, now >= closeDue)
    this.#isClear = !waiting && now >= floor
    const others = this.#isClear ? this.#driver.others() : undefined
    if (others !== undefined) this.blockers.waitFor(others)
    if (this.#isClear && others === undefined) {
      if (phase !== 'announcing' || this.#deadlines.request !== undefined) return this.#leave('condition')
      this.#settleAnnounced()
    }
    if (now >= cap) return this.#leave('cap')
    // A preStop call must be answered in time, or the kubelet's clock runs out on it.
    if (this.#announced !== undefined && now >= this.#deadlines.announceEnd) this.#settleAnnounced()
    this.#ticker.wait(now, floor, cap, closeDue, warning)
  }

  #leave (endedBy: PhaseEnd): void {
    if (this.#phase === 'draining') this.#cut(endedBy)
    else if (endedBy === 'cap' && this.#phase !== 'terminated') this.history.leave(this.blockers.hooks.stalls())
    const to = next[this.#phase]
    if (to === undefined) return this.#finish(endedBy)
    this.#advance(to, endedBy)
    this.wake()
  }

  #cut (endedBy: PhaseEnd): void {
    if (endedBy === 'cap') this.history.leave(this.blockers.named)
    try {
      const cut = this.#driver.cut()
      this.history.cut(cut)
      this.tell('cut', "'cut'", cut)
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
      if (to === 'terminated') this.blockers.startLast()
      else this.#startHooks(to as HookPhase)
    })
  }

  #startHooks (phase: HookPhase): void {
    this.blockers.hooks.start(phase, this.#deadlines.request?.reason ?? 'drain', {
      deadline: () => this.#deadlines.deadlineEpoch(this.#phase, this.#since, this.#clock),
      end: () => this.#phase === phase ? this.#deadlines.cap(phase, this.#since) : -Infinity
    })
  }

  #enter (to: Phase, endedBy: PhaseEnd): void {
    const previous = this.#phase
    const record = this.#record(endedBy)
    if (previous === 'running') this.#deadlines.serving = this.#driver.serving?.() ?? true
    else this.history.add(record)
    this.blockers.reset(to)
    this.#phase = to
    this.#since = this.#clock.now()
    this.#sinceEpoch = this.#clock.epoch()
    this.#isClear = false
    this.tell('phase', `phase '${to}'`, to, previous, record)
  }

  #record (endedBy: PhaseEnd): PhaseRecord {
    return {
      phase: this.#phase,
      duration: Math.round(this.#clock.now() - this.#since),
      endedBy,
      stalledBy: endedBy === 'exit' ? this.blockers.unfinished : endedBy === 'cap' ? this.blockers.stalls : []
    }
  }

  #finish (endedBy: PhaseEnd): void {
    if (endedBy === 'cap') this.history.leave(this.blockers.lookLast())
    // A fast end may leave no time for it; it is begun all the same.
    this.blockers.finish()
    this.#makeReport(endedBy)
  }

  #makeReport (endedBy: PhaseEnd): void {
    this.history.add(this.#record(endedBy))
    this.#ticker.stop()
    const { request, hurried, budget: { gracePeriod } } = this.#deadlines
    const { kind, reason, exitCode = 0 } = request ?? { kind: 'shutdown', reason: 'unknown' }
    const ending = { kind, reason, exitCode, gracePeriod, hurried, traffic: this.#driver.traffic() }
    const report = this.history.report({ ...ending, now: this.#clock.now() }, (draft) => this.#driver.advice(draft))
    this.#report = report
    // What these throw comes too late for the report.
    this.listeners.tell('report', report)
    this.#done.resolve(report)
  }

  #settleAnnounced (): void {
    this.#announced?.resolve()
    this.#announced = undefined
  }
}
