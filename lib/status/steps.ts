import type { Budget } from '../lifecycle/budget.ts'
import { phases } from '../lifecycle/phase.ts'
import type { Phase } from '../lifecycle/phase.ts'
import type { PhaseRecord } from '../lifecycle/report.ts'
import type { Shown } from './shown.ts'
import { capitalized, duration } from './words.ts'

/** A phase of the end, with the bounds that it has or will have. */
export interface Step {
  phase: Phase
  title: string
  /** What it is there for. */
  purpose: string
  floor: number | undefined
  /** What it lasts at most; undefined where nothing limits it. */
  cap: number | undefined
}

const purposes: Readonly<Record<Phase, string>> = {
  running: 'In service.',
  announcing: 'Not ready any more, so that the balancer stops sending. Everything is still served.',
  closing: 'The accept queue is emptied, then no connection is accepted any more.',
  draining: 'Every request is served to its last byte.',
  terminated: 'Resources are closed, logs are written out, the process ends.'
}

/** All five phases. */
export function stepsOf (state: Shown): Step[] {
  return phases.map((phase) => ({
    phase,
    title: capitalized(phase),
    purpose: phase === 'running' && state.ready === false
      ? 'The process runs, but asks for no traffic.'
      : purposes[phase],
    ...limitsOf(phase, state)
  }))
}

function limitsOf (one: Phase, { budget, shutdown, phase, deadline, since = 0 }: Shown): Pick<Step, 'floor' | 'cap'> {
  if (one === phase && shutdown !== undefined) return { floor: shutdown.floor || undefined, cap: shutdown.cap }
  if (one === 'announcing') return { floor: budget?.announce.min, cap: budget?.announce.max }
  if (one === 'running') return { floor: undefined, cap: undefined }
  if (one === 'closing') return { floor: undefined, cap: budget?.closing }
  // Phase 4 has what is kept for it on top.
  const kept = one === 'terminated' ? budget?.close ?? 0 : 0
  const cap = budget && workOf(budget) + kept
  if (deadline === undefined || phase === 'terminated') return { floor: undefined, cap }
  return { floor: undefined, cap: Math.max(0, Math.min(cap ?? Infinity, deadline - since + kept)) }
}

/** What of the grace period phases 1 to 3 have together. */
function workOf ({ gracePeriod, preStop, reserve, close }: Budget): number {
  return gracePeriod - preStop - reserve - close
}

/** The shortest and the longest duration of a phase; empty where nothing limits it, or it is not known. */
export function boundsOf ({ floor, cap }: Step): string {
  if (cap === undefined) return ''
  return floor !== undefined && floor > 0 ? `${duration(floor)} to ${duration(cap)}` : `up to ${duration(cap)}`
}

/** The phases that are over, as they were. */
export function recordsOf ({ report, shutdown }: Shown): PhaseRecord[] {
  return report?.phases ?? shutdown?.phases ?? []
}

/** What ended a phase, where it was not what it waited for. */
export function endOf ({ endedBy }: PhaseRecord): string {
  return endedBy === 'cap' ? 'cut off at its cap' : endedBy === 'undrain' ? 'undone' : ''
}

/** How the grace period is cut, in its order. */
export function partsOf (budget: Budget): Array<{ part: string, text: string, length: number }> {
  return [
    { part: 'preStop', text: 'preStop hook', length: budget.preStop },
    { part: 'work', text: 'announcing, closing, draining', length: workOf(budget) },
    { part: 'close', text: 'onClose hooks', length: budget.close },
    { part: 'reserve', text: 'reserve', length: budget.reserve }
  ].filter(({ length }) => length > 0)
}
