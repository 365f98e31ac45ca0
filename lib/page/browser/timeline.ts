import type { Phase } from '../../lifecycle/phase.ts'
import type { PhaseRecord } from '../../lifecycle/report.ts'
import type { PageElement } from './dom.ts'
import { bar, draw, duration, element, given, group, namesOf, ticking, tickingBar, timeOf, times } from './view.ts'
import type { Child, Shown, View } from './view.ts'

/** A phase on the time line. */
interface Step {
  phase: Phase
  title: string
  /** What it is there for. */
  purpose: string
  floor: number | undefined
  /** What it lasts at most; undefined where nothing limits it. */
  cap: number | undefined
}

/** The phases with the bounds that they have, or will have. */
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

/** The five phases: what is over and how it ended, where we are, what is to come. */
export function drawTimeline (view: View): void {
  const { state } = view
  const { phase = 'running', number = 0, ready, since = 0, budget, shutdown, report, deadline, participants } = state
  const records = report?.phases ?? shutdown?.phases ?? []
  const ended = report !== undefined || state.exitCode !== undefined
  const reasons = ended ? [] : (participants ?? []).filter(({ reason }) => reason !== undefined)
  if (reasons.length === 0 && shutdown !== undefined && !ended && timeOf(view) - since < shutdown.floor) {
    reasons.push({ name: 'its shortest time,', reason: given(shutdown.floor) })
  }
  const { shown, more } = group(reasons)
  const tenths = deadline === undefined ? undefined : Math.round(deadline / 100)
  const data = { phase, number, ready, since, budget, shutdown, records, ended, deadline: tenths, shown, more }
  draw(view, 'timeline', data, () => stepsOf(state).map((step, index) => {
    const record = records.find((one) => one.phase === step.phase)
    const place = record !== undefined || index < number || ended ? 'over' : index === number ? 'now' : 'next'
    const current = place === 'now' ? 'step' : undefined
    return element('li', { class: `step ${place}`, 'data-phase': step.phase, 'aria-current': current },
      element('span', { class: 'node', 'aria-hidden': 'true' }, place === 'over' ? '✓' : String(index)),
      element('h3', {}, step.title),
      element('p', { class: 'step-state' },
        ...stateOf(place, record, since, index > 0 && (shutdown ?? report) !== undefined)),
      stepBar(step, place, record, since),
      boundsOf(step, place, record, shutdown !== undefined && shutdown.kind === undefined),
      element('p', { class: 'purpose' }, step.purpose),
      place === 'now' && reasons.length > 0 && element('div', { class: 'waits' },
        element('h4', {}, 'Waits for'),
        element('ul', {},
          ...shown.map(([{ name, reason }, count]) =>
            element('li', {}, element('b', {}, name), ` ${reason}${times(count)}`)),
          more > 0 && element('li', {}, `and ${more} more`))))
  }))
}

/** What became of a phase, is becoming of it, or will. `known`: one that is over without a record was skipped. */
export function stateOf (place: string, record: PhaseRecord | undefined, since: number, known: boolean): Child[] {
  if (place === 'now') return ['Now, for ', ticking({ from: since })]
  if (place === 'next') return ['To come']
  if (record === undefined) return [known ? 'Skipped' : 'Over']
  const why = record.endedBy === 'cap' ? ', cut off at its cap' : record.endedBy === 'undrain' ? ', undone' : ''
  return [`Over, took ${duration(record.duration)}${why}`]
}

/** How much of what a phase may last is over, with a mark at its floor. */
export function stepBar (
  { phase, floor, cap }: Step,
  place: string,
  record: PhaseRecord | undefined,
  since: number
): PageElement | false {
  if (phase === 'running' || cap === undefined || cap === 0) return false
  // A second signal, or what the phases before have left, made its cap another one than the budget has.
  const whole = record?.endedBy === 'cap' ? Math.max(1, record.duration) : cap
  const fill = record !== undefined ? bar(record.duration / whole) : place === 'now' ? tickingBar(since, whole) : bar(0)
  const hasMark = floor !== undefined && floor > 0 && floor < whole
  return element('div', { class: 'bar', 'aria-hidden': 'true' },
    fill,
    hasMark && element('span', { class: 'mark', 'data-left': (floor / whole).toFixed(4) }))
}

/**
 * The shortest and longest duration of a phase; of one that was cut off, those that still waited. `byHand`: nobody has
 * asked for an end.
 */
export function boundsOf (
  { phase, floor, cap }: Step,
  place: string,
  record: PhaseRecord | undefined,
  byHand: boolean
): PageElement | false {
  if (phase === 'running') return false
  if (record !== undefined && record.stalledBy.length > 0) {
    return element('p', { class: 'bounds' }, `still waiting then: ${namesOf(record.stalledBy.map(({ name }) => name))}`)
  }
  if (place === 'over') return false
  if (cap === undefined) {
    return place === 'now' && byHand && element('p', { class: 'bounds' }, 'no limit: a drain by hand')
  }
  return element('p', { class: 'bounds' },
    floor !== undefined && floor > 0 ? `${given(floor)} to ${given(cap)}` : `at most ${given(cap)}`)
}

/** The grace period as a whole, and where in it we are. */
export function drawGrace (view: View): void {
  const { budget, deadline, report, phase } = view.state
  const tenths = deadline === undefined ? undefined : Math.round(deadline / 100)
  draw(view, 'grace', budget && { budget, deadline: tenths, report: report !== undefined, phase }, () => {
    if (budget === undefined) return []
    const { gracePeriod, preStop, reserve, close } = budget
    const work = gracePeriod - preStop - reserve - close
    const all: Array<[string, string, number]> = [
      ['preStop', 'preStop hook', preStop],
      ['work', 'announcing, closing, draining', work],
      ['close', 'onClose hooks', close],
      ['reserve', 'reserve', reserve]
    ]
    const parts = all.filter(([, , length]) => length > 0)
    const start = deadline === undefined ? undefined : deadline - (gracePeriod - reserve - close)
    return [
      element('div', { class: 'ribbon', 'aria-hidden': 'true' },
        ...parts.map(([name, , length]) =>
          element('span', { class: `part ${name}`, 'data-part': (length / gracePeriod).toFixed(4) })),
        element('span', { class: 'gone' },
          report !== undefined
            ? bar((preStop + report.duration - report.announcedBefore) / gracePeriod)
            : start !== undefined && tickingBar(start, gracePeriod))),
      element('ul', { class: 'legend' },
        ...parts.map(([name, words, length]) => element('li', { class: name },
          element('span', { class: 'swatch', 'aria-hidden': 'true' }),
          element('b', {}, given(length)),
          ` ${words}`)))
    ]
  })
}
