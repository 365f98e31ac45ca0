import type { Budget } from './budget.ts'
import type { Phase } from './phase.ts'
import type { ShutdownKind } from './report.ts'

/** Cap of every phase of a fast shutdown, Zope's own figure, in milliseconds. */
export const fastCap = 1000
/** The least milliseconds for all that comes before `app.close()` in phase 4; half of `close` where that is less. */
const leastBeforeClose = 500
/** Cap of phase 1 after a crash, in milliseconds. */
const crashAnnounceCap = 1000
/** Cap of phase 3 after a crash, in milliseconds. */
export const crashDrainCap = 10_000

/** What the bounds of a phase follow from. Times are of the clock that never goes backwards. */
export interface Situation {
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
export function deadlineOf (budget: Budget, situation: Situation): number {
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
export function closeDue (budget: Budget, situation: Situation): number {
  const least = Math.min(leastBeforeClose, budget.close / 2)
  return Math.max(capEnd(budget, situation) - budget.close, situation.since + least)
}

/** The time before which the phase does not end, whatever is observed. */
export function floorEnd ({ announce: { min } }: Budget, { phase, since, kind, fast, serving }: Situation): number {
  if (phase !== 'announcing' || fast || !serving) return since
  return since + (kind === 'crash' ? Math.min(min, crashAnnounceCap) : min)
}

/** The time at which the phase ends, whatever anybody says. */
export function capEnd (
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
