import type { Clock } from '../clock.ts'
import type { Budget } from './budget.ts'
import type { ShutdownRequest } from './driver.ts'
import type { Phase } from './phase.ts'
import type { ShutdownProgress, ShutdownKind } from './report.ts'

/** Cap of every phase of a fast shutdown, Zope's own figure, in milliseconds. */
export const fastCap = 1000
/** The least milliseconds for all that comes before `app.close()` in phase 4; half of `close` where that is less. */
const leastBeforeClose = 500
/** Cap of phase 1 after a crash, in milliseconds. */
const crashAnnounceCap = 1000
/** Cap of phase 3 after a crash, in milliseconds. */
export const crashDrainCap = 10_000

/** What the bounds of a phase follow from. Times are of the clock that never goes backwards. */
interface Situation {
  phase: Phase
  /** When the phase began. */
  since: number
  /** What phase 1's cap is counted from. */
  capSince: number
  /** When what comes before phase 2 was over; Infinity while it is under way. */
  preparedAt: number
  /** When the kubelet's clock started; undefined while no end was asked for. */
  graceStart: number | undefined
  /** What was asked for; undefined while running and during a drain by hand. */
  kind: ShutdownKind | undefined
  fast: boolean
  /** Whether there is anybody to announce the end to. */
  serving: boolean
}

/** The deadline of the process: phase 4 lasts until then. */
function processEnd ({ gracePeriod, reserve }: Budget, graceStart: number): number {
  return graceStart + gracePeriod - reserve
}

/** When phase 3 must be over, so that `close` is left for phase 4. */
function workEnd (budget: Budget, graceStart: number): number {
  return processEnd(budget, graceStart) - budget.close
}

/** When the phases that serve must be over, or the last phase, once it has begun. Second signals and crashes count. */
function deadlineOf (budget: Budget, situation: Situation): number {
  const end = capEnd(budget, situation)
  switch (situation.phase) {
    case 'announcing': return deadlineOf(budget, { ...situation, phase: 'closing', since: end })
    case 'closing': return deadlineOf(budget, { ...situation, phase: 'draining', since: end })
    case 'running':
    case 'draining':
    case 'terminated': return end
  }
}

/**
 * When `app.close()` begins at the latest, whoever is waited for first: what is kept for it is left then. Where phase
 * 3 has used all of its own time, the others get a little of it, so that a short hook still comes before the close.
 */
function closeDue (budget: Budget, situation: Situation): number {
  const least = Math.min(leastBeforeClose, budget.close / 2)
  return Math.max(capEnd(budget, situation) - budget.close, situation.since + least)
}

/** The time before which the phase does not end, whatever is observed. */
function floorEnd ({ announce: { min } }: Budget, { phase, since, kind, fast, serving }: Situation): number {
  if (phase !== 'announcing' || fast || !serving) return since
  return since + (kind === 'crash' ? Math.min(min, crashAnnounceCap) : min)
}

/** The time at which the phase ends, whatever anybody says. */
function capEnd (
  budget: Budget,
  { phase, since, capSince, preparedAt, graceStart, kind, fast }: Situation
): number {
  const most = fast ? fastCap : Infinity
  switch (phase) {
    case 'announcing':
      // A drain by hand has no end of its own.
      if (kind === undefined) return Infinity
      return capSince + Math.min(budget.announce.max, most, kind === 'crash' ? crashAnnounceCap : Infinity)
    case 'closing':
      if (preparedAt === Infinity) return Math.min(workEnd(budget, graceStart ?? since), since + most)
      return Math.max(since, preparedAt) + Math.min(budget.closing, most)
    case 'draining':
      return Math.min(
        workEnd(budget, graceStart ?? since),
        since + Math.min(most, kind === 'crash' ? crashDrainCap : Infinity)
      )
    case 'running':
    case 'terminated':
      return Math.min(processEnd(budget, graceStart ?? since), since + most)
  }
}

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

  /** The {@link deadline} in epoch milliseconds. */
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
