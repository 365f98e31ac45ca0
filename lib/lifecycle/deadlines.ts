import type { Clock } from '../clock.ts'
import type { Budget } from './budget.ts'
import type { Phase } from './phase.ts'
import type { ShutdownRequest } from './driver.ts'
import type { ShutdownProgress } from './report.ts'
import { capEnd, closeDue, deadlineOf, floorEnd } from './phase-bounds.ts'
import type { Situation } from './phase-bounds.ts'

/** What was asked for and when, and the bounds of the phases that follow from it. */
export class Deadlines {
  readonly budget: Budget
  /** What was asked for; undefined while running and during a drain by hand. First one wins. */
  request: ShutdownRequest | undefined
  /** The phase in which every phase was capped at one second; undefined where none was. */
  hurried: Phase | undefined
  /** When that was. */
  hurriedAt: number | undefined
  /** Whether there is anybody to announce the end to. */
  serving = true
  /** When the kubelet's clock started; undefined while no shutdown was asked for. */
  #graceStart: number | undefined
  /** What phase 1's cap is counted from; it starts anew when a drain by hand turns into a shutdown. */
  #capSince = 0
  /** When what comes before phase 2 in a plain close was over; Infinity while it is under way. */
  #preparedAt = -Infinity
  /** A plain close has become part of the end of the process. */
  #isJoined = false

  constructor (budget: Budget) {
    this.budget = budget
  }

  /** When the kubelet's clock started; undefined while no end was asked for. */
  get graceStart (): number | undefined {
    return this.#graceStart
  }

  /**
   * When all work must be over: what requests and phases 1 to 3 hold is cut then, and in phase 4 what that holds.
   * Undefined while no end was asked for.
   */
  deadline (phase: Phase, since: number): number | undefined {
    return this.#graceStart === undefined ? undefined : deadlineOf(this.budget, this.#situation(phase, since))
  }

  /** The same in epoch milliseconds. */
  deadlineEpoch (phase: Phase, since: number, clock: Clock): number | undefined {
    const deadline = this.deadline(phase, since)
    return deadline === undefined ? undefined : Math.round(clock.epoch() + deadline - clock.now())
  }

  /** What was asked for and when, as the status shows it. */
  get asked (): Pick<ShutdownProgress, 'kind' | 'reason' | 'hurried'> {
    return { kind: this.request?.kind, reason: this.request?.reason, hurried: this.hurried }
  }

  /** The time at which a preStop call has to be answered. */
  get announceEnd (): number {
    return this.#capSince + this.budget.announce.max
  }

  /** An end is asked for. */
  ask (request: ShutdownRequest, now: number): void {
    this.request = request
    // A preStop call has started the clock already; a drain by hand has not. Once the grace period is
    // over, its clock counts no more.
    if (this.#graceStart !== undefined && now < this.#graceStart + this.budget.gracePeriod) return
    this.#graceStart = (request.at ?? now) - (request.kind === 'close' ? 0 : this.budget.preStop)
    this.#capSince = now
  }

  /**
   * An end is asked for while one is under way. Nobody's clock runs for a plain close: the grace period is that of
   * whoever asks for the end of the process.
   */
  join (request: ShutdownRequest, now: number): void {
    if (this.request?.kind !== 'close' || request.kind === 'close' || this.#isJoined) return
    this.#isJoined = true
    this.#graceStart = Math.max(this.#graceStart ?? -Infinity, (request.at ?? now) - this.budget.preStop)
  }

  /** What comes before phase 2 has begun (Infinity), or is over at this time. */
  prepare (at: number): void {
    this.#preparedAt = at
  }

  /** The kubelet's clock starts with its first preStop call; a second one joins. */
  startGrace (now: number): void {
    if (this.#graceStart === undefined) this.#capSince = this.#graceStart = now
  }

  /** A drain was undone. */
  stopGrace (): void {
    this.#graceStart = undefined
  }

  /** The time before which a phase does not end. */
  floor (phase: Phase, since: number): number {
    return floorEnd(this.budget, this.#situation(phase, since))
  }

  /** The time at which it ends, whatever anybody says. */
  cap (phase: Phase, since: number): number {
    return capEnd(this.budget, this.#situation(phase, since))
  }

  /** The time at which `app.close()` begins in phase 4, whoever is waited for first. */
  closeDue (phase: Phase, since: number): number {
    return closeDue(this.budget, this.#situation(phase, since))
  }

  #situation (phase: Phase, since: number): Situation {
    return {
      phase,
      since,
      capSince: this.#capSince,
      preparedAt: this.#preparedAt,
      graceStart: this.#graceStart,
      kind: this.request?.kind,
      fast: this.hurried !== undefined || this.request?.isFast === true,
      serving: this.serving
    }
  }
}
