import type { Budget } from '../lifecycle/budget.ts'
import type { Phase } from '../lifecycle/phase.ts'
import type { PhaseRecord } from '../lifecycle/report.ts'
import type { Shown } from './shown.ts'
import { duration } from './words.ts'

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

/** All five phases. */
export function stepsOf ({ budget, shutdown, phase, ready, deadline, since = 0 }: Shown): Step[] {
  const rest = budget && budget.gracePeriod - budget.preStop - budget.reserve - budget.close
  const steps: Step[] = [
    {
      phase: 'running',
      title: 'Running',
      purpose: ready === false ? 'The process runs, but asks for no traffic.' : 'In service.',
      floor: undefined,
      cap: undefined
    },
    {
      phase: 'announcing',
      title: 'Announcing',
      purpose: 'Not ready any more, so that the balancer stops sending. Everything is still served.',
      floor: budget?.announce.min,
      cap: budget?.announce.max
    },
    {
      phase: 'closing',
      title: 'Closing',
      purpose: 'The accept queue is emptied, then no connection is accepted any more.',
      floor: undefined,
      cap: budget?.closing
    },
    {
      phase: 'draining',
      title: 'Draining',
      purpose: 'Every request is served to its last byte.',
      floor: undefined,
      cap: rest
    },
    {
      phase: 'terminated',
      title: 'Terminated',
      purpose: 'Resources are closed, logs are written out, the process ends.',
      floor: undefined,
      cap: budget && rest !== undefined ? rest + budget.close : undefined
    }
  ]
  return steps.map((step) => {
    if (step.phase === phase && shutdown !== undefined) {
      return { ...step, floor: shutdown.floor || undefined, cap: shutdown.cap }
    }
    const endsWithDeadline = step.phase === 'draining' || step.phase === 'terminated'
    if (deadline === undefined || phase === 'terminated' || !endsWithDeadline) return step
    // What is left then; phase 4 has what is kept for it on top.
    const left = deadline - since + (step.phase === 'terminated' ? budget?.close ?? 0 : 0)
    return { ...step, cap: Math.max(0, Math.min(step.cap ?? Infinity, left)) }
  })
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
export function partsOf ({ gracePeriod, preStop, reserve, close }: Budget): Array<{
  part: 'preStop' | 'work' | 'close' | 'reserve'
  text: string
  length: number
}> {
  return [
    { part: 'preStop' as const, text: 'preStop hook', length: preStop },
    { part: 'work' as const, text: 'announcing, closing, draining', length: gracePeriod - preStop - reserve - close },
    { part: 'close' as const, text: 'onClose hooks', length: close },
    { part: 'reserve' as const, text: 'reserve', length: reserve }
  ].filter(({ length }) => length > 0)
}
