import type { Clock } from '../clock.ts'
import { BackgroundWork, Participants } from './participants.ts'
import { CloseStep } from './close-step.ts'
import type { Released } from './driver.ts'
import { PhaseHooks } from './hooks.ts'
import type { OnFailure, Stall } from './participants.ts'
import type { Phase, StallPhase } from './phase.ts'

/** What {@link Blockers} tells the machine. */
export interface BlockersParts {
  /** Something went wrong; it counts in the report. */
  failed: OnFailure
  /** Background work was rejected; it is only logged. */
  rejected: OnFailure
  /** Somebody has ended: ask again. */
  wake (): void
  /** The first step of phase 4: what others were kept from doing at the signal. */
  release (): Released[]
  /** Its second step: the hooks of `terminated`. */
  startHooks (): void
  /** Its last step: `app.close()`. */
  end (): Promise<unknown>
  /** What that waits for, by name. */
  closing (isLast: boolean): string | undefined
}

/** Everybody whom a phase waits for, and one round of asking them. */
export class Blockers {
  /** Who was registered. */
  readonly participants: Participants
  /** The plugin's own. */
  readonly observers: Participants
  readonly hooks: PhaseHooks
  readonly work: BackgroundWork
  readonly #closeStep: CloseStep
  readonly #followed: Array<(phase: StallPhase) => Stall[]> = []
  #stalls: Stall[] = []
  /** Those of {@link #stalls} that somebody registered: the ones a report names when they are cut. */
  #named: Stall[] = []

  constructor (clock: Clock, { failed, rejected, wake, release, startHooks, end, closing }: BlockersParts) {
    this.participants = new Participants(clock, failed, wake)
    this.observers = new Participants(clock, failed, wake)
    this.hooks = new PhaseHooks(clock, failed, wake)
    this.work = new BackgroundWork(wake, rejected)
    this.#closeStep = new CloseStep({
      release,
      startHooks,
      hooks: () => this.hooks.stalls(),
      end,
      closing,
      onFailure: failed,
      onSettled: wake
    })
  }

  /** Somebody who is asked in phases 1 to 3 for what is under way, by name: the report names what was cut. */
  follow (ask: (phase: StallPhase) => Stall[]): void {
    this.#followed.push(ask)
  }

  /** Who stalled in the last round. */
  get stalls (): Stall[] { return this.#stalls }
  /** Those of them who are named where they are no longer waited for. */
  get named (): Stall[] { return this.#named }

  /** What phase 4 leaves undone where it ends now. */
  get unfinished (): Stall[] { return this.#closeStep.unfinished() }

  /**
   * Asks everybody whom a phase waits for; whether nobody stalls.
   *
   * @param isCloseDue in phase 4, whether the time has come that is kept for `app.close()`
   */
  ask (phase: Phase, elapsed: number, isCloseDue: boolean): boolean {
    this.#stalls = phase === 'terminated'
      ? this.#askLast(isCloseDue)
      : phase === 'running' ? [] : this.#askAll(phase, elapsed)
    return this.#stalls.length === 0
  }

  /** Somebody outside stalls, where nobody here does. */
  waitFor (stall: Stall): void {
    this.#stalls = [stall]
  }

  /** A phase begins. */
  reset (phase: Phase): void {
    this.hooks.abandon()
    // The watching thread is told now who holds the phase: the close may block the event loop before the next round.
    this.#stalls = phase === 'terminated' ? this.#closeStep.unfinished() : []
  }

  /** Phase 4 begins. */
  startLast (): void {
    this.#closeStep.begin()
  }

  /** Somebody asks for `app.close()` in phase 4 and waits for it; whether it has begun. */
  awaitClose (): boolean {
    return this.#closeStep.awaitClose()
  }

  /** Who is no longer waited for at the end of phase 4. */
  lookLast (): Stall[] {
    return this.#stalls = this.#closeStep.stalls(true)
  }

  /** Phase 4 is over: what has not begun begins, though nobody waits for it. */
  finish (): void {
    this.#closeStep.advance(true)
  }

  #askAll (phase: StallPhase, elapsed: number): Stall[] {
    const observed = this.observers.ask(phase, elapsed)
    const work = phase === 'draining' ? this.work.stalls() : []
    const followed = this.#followed.flatMap((ask) => ask(phase))
    this.#named = [...this.participants.ask(phase, elapsed), ...this.hooks.stalls(), ...followed, ...work]
    return [...observed, ...this.#named]
  }

  #askLast (isCloseDue: boolean): Stall[] {
    this.#closeStep.advance(isCloseDue)
    return this.#closeStep.stalls(false)
  }
}

/** Milliseconds between two rounds of asking; whoever ends a wait also wakes the machine at once. */
export const tickInterval = 25

/** When the machine asks again. */
export class Ticker {
  readonly #clock: Clock
  readonly #tick: () => void
  #cancel: (() => void) | undefined
  #woken = false

  constructor (clock: Clock, tick: () => void) {
    this.#clock = clock
    this.#tick = tick
  }

  /** As soon as possible, because something has ended. */
  wake (): void {
    if (this.#woken) return
    this.stop()
    this.#woken = true
    this.#arm(0)
  }

  /** After a tick, or at the first of these times, unless somebody has woken the machine already. */
  wait (now: number, ...times: number[]): void {
    if (this.#woken) return
    const next = Math.min(tickInterval, ...times.filter((time) => time > now).map((time) => time - now))
    this.#arm(Math.max(1, next))
  }

  /** Nobody is asked any more. */
  stop (): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#woken = false
  }

  #arm (delay: number): void {
    this.#cancel = this.#clock.after(delay, () => {
      this.#woken = false
      this.#cancel = undefined
      this.#tick()
    })
  }
}
