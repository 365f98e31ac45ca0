import type { PhaseRecord, Report } from '../../lifecycle/report.ts'
import {
  boundsOf, cutConnectionOf, cutRequestOf, endOf, failureOf, partsOf, recordsOf, routeOf, stepsOf
} from '../../status/sentences.ts'
import type { Step } from '../../status/sentences.ts'
import { duration, firstOf, grouped, namesOf, times } from '../../status/words.ts'
import { counted } from '../../util/text.ts'
import { mostRows, pairs, row, table } from './cards.ts'
import { bar, draw, element, figure, signed, ticking, tickingBar, timeOf } from './view.ts'
import type { Child, View } from './view.ts'

/** The five phases: what is over and how it ended, where we are, what is to come. */
export function drawTimeline (view: View): void {
  const { state } = view
  const { phase = 'running', number = 0, ready, since = 0, budget, shutdown, report, deadline, participants } = state
  const records = recordsOf(state)
  const ended = report !== undefined || state.exitCode !== undefined
  const reasons = ended ? [] : (participants ?? []).filter(({ reason }) => reason !== undefined)
  if (reasons.length === 0 && shutdown !== undefined && !ended && timeOf(view) - since < shutdown.floor) {
    reasons.push({ name: 'its shortest time,', reason: duration(shutdown.floor) })
  }
  const { shown, more } = firstOf(grouped(reasons))
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
      limits(step, place, record, shutdown !== undefined && shutdown.kind === undefined),
      element('p', { class: 'purpose' }, step.purpose),
      place === 'now' && reasons.length > 0 && element('div', { class: 'waits' },
        element('h4', {}, 'Waits for'),
        element('ul', {},
          ...shown.map(({ first: { name, reason }, count }) =>
            element('li', {}, element('b', {}, name), ` ${reason}${times(count)}`)),
          more > 0 && element('li', {}, `and ${more} more`))))
  }))
}

/** What became of a phase, is becoming of it, or will. `known`: one that is over without a record was skipped. */
function stateOf (place: string, record: PhaseRecord | undefined, since: number, known: boolean): Child[] {
  if (place === 'now') return ['Now, for ', ticking({ from: since })]
  if (place === 'next') return ['To come']
  if (record === undefined) return [known ? 'Skipped' : 'Over']
  return [['Over', `took ${duration(record.duration)}`, endOf(record)].filter((part) => part !== '').join(', ')]
}

/** How much of what a phase may last is over, with a mark at its floor. */
function stepBar (
  { phase, floor, cap }: Step,
  place: string,
  record: PhaseRecord | undefined,
  since: number
): HTMLElement | false {
  if (phase === 'running' || cap === undefined || cap === 0) return false
  // A second signal, or what the phases before have left, made its cap another one than the budget has.
  const whole = record?.endedBy === 'cap' ? Math.max(1, record.duration) : cap
  const fill = record !== undefined ? bar(record.duration, whole) : place === 'now' ? tickingBar(since, whole) : bar(0)
  const hasMark = floor !== undefined && floor > 0 && floor < whole
  return element('div', { class: 'bar', 'aria-hidden': 'true' },
    fill,
    hasMark && element('span', { class: 'mark', 'data-left': (floor / whole).toFixed(4) }))
}

/**
 * The shortest and longest duration of a phase; of one that was cut off, those that still waited. `byHand`: nobody has
 * asked for an end.
 */
function limits (
  step: Step,
  place: string,
  record: PhaseRecord | undefined,
  byHand: boolean
): HTMLElement | false {
  if (step.phase === 'running') return false
  if (record !== undefined && record.stalledBy.length > 0) {
    return element('p', { class: 'bounds' }, `still waiting then: ${namesOf(record.stalledBy.map(({ name }) => name))}`)
  }
  if (place === 'over') return false
  const bounds = boundsOf(step) || (place === 'now' && byHand ? 'no limit: a drain by hand' : '')
  return bounds !== '' && element('p', { class: 'bounds' }, bounds)
}

/** The grace period as a whole, and where in it we are. */
export function drawGrace (view: View): void {
  const { budget, deadline, report, phase } = view.state
  const tenths = deadline === undefined ? undefined : Math.round(deadline / 100)
  draw(view, 'grace', budget && { budget, deadline: tenths, report: report !== undefined, phase }, () => {
    if (budget === undefined) return []
    const { gracePeriod, preStop, reserve, close } = budget
    const parts = partsOf(budget)
    const start = deadline === undefined ? undefined : deadline - (gracePeriod - reserve - close)
    return [
      element('div', { class: 'ribbon', 'aria-hidden': 'true' },
        ...parts.map(({ part, length }) =>
          element('span', { class: `part ${part}`, 'data-part': (length / gracePeriod).toFixed(4) })),
        element('span', { class: 'gone' },
          report !== undefined
            ? bar(preStop + report.duration - report.announcedBefore, gracePeriod)
            : start !== undefined && tickingBar(start, gracePeriod))),
      element('ul', { class: 'legend' },
        ...parts.map(({ part, text, length }) => element('li', { class: part },
          element('span', { class: 'swatch', 'aria-hidden': 'true' }),
          element('b', {}, duration(length)),
          ` ${text}`)))
    ]
  })
}

/** What a verdict looks like. */
export function verdictSign (verdict: Report['verdict']): HTMLElement {
  return verdict === 'clean'
    ? signed('✓', 'Clean', 'good')
    : verdict === 'cut' ? signed('!', 'Cut', 'warn') : signed('✕', 'Failed', 'bad')
}

/** The report, when the shutdown is over. */
export function drawReport (view: View): void {
  const { report } = view.state
  draw(view, 'report', report, () => {
    if (report === undefined) return []
    const { cut, traffic, failures, advice } = report
    const rows = cut.requests
      .slice(0, mostRows)
      .map(({ method, route, age }) => row([routeOf({ route })], [method], [duration(age)]))
    return [
      element('div', { class: 'verdict', 'data-verdict': report.verdict },
        verdictSign(report.verdict),
        element('p', {}, report.summary)),
      figuresOf(report),
      pairs([
        ['Asked for by', [`${report.reason} (${report.kind})`]],
        ['Late connections', [String(traffic.lateArrivals)]],
        ['No longer waited for', [cut.waiting.length === 0 ? 'nobody' : namesOf(cut.waiting)]],
        ['Told to reconnect', [counted(traffic.shed, 'connection')]]
      ]),
      rows.length > 0 && table('Requests that were cut', ['Route cut', 'Method', 'Age'], rows),
      cut.requests.length > mostRows && element('p', { class: 'more' }, `and ${cut.requests.length - mostRows} more`),
      ...list('Requests that others ended', cut.byOthers.map(cutRequestOf)),
      ...list('Connections that were cut soon after a request', cut.connections.map(cutConnectionOf)),
      ...list('What failed', failures.map(failureOf)),
      ...list('Advice', advice)
    ]
  })
}

/** The figures of a report: what was lost. */
function figuresOf ({
  exitCode, cut: { requests, streams, upgraded, connections, byOthers }
}: Report): HTMLElement {
  const all: Array<[term: string, count: number, isBad: boolean]> = [
    ['requests cut', requests.length, requests.length > 0],
    ['streams cut', streams, false],
    ['upgraded sockets cut', upgraded, false],
    ['connections cut', connections.length, true],
    ['ended by others', byOthers.length, true],
    ['exit code', exitCode, exitCode !== 0]
  ]
  // Of what is bad where there is any, none is not worth a figure.
  const shown = all.filter(([, count, isBad]) => !isBad || count > 0)
  return element('dl', { class: 'figures' },
    ...shown.map(([term, count, isBad]) => figure(term, String(count), isBad ? 'bad' : undefined)))
}

/** A list under a title, where there is anything in it. */
export function list (title: string, lines: string[]): Child[] {
  const { shown, more } = firstOf(grouped(lines))
  if (lines.length === 0) return []
  return [
    element('h3', {}, title),
    element('ul', { class: 'lines' },
      ...shown.map(({ first: line, count }) => element('li', {}, `${line}${times(count)}`)),
      more > 0 && element('li', {}, `and ${more} more`))
  ]
}
