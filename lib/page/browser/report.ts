import type { Report } from '../../lifecycle/report.ts'
import { cutConnectionOf, cutRequestOf, failureOf, routeOf } from '../../status/sentences.ts'
import { duration, firstOf, grouped, namesOf, times } from '../../status/words.ts'
import { counted } from '../../util/text.ts'
import { mostRows, pairs, row, table } from './cards.ts'
import { draw, element, figure, signed } from './view.ts'
import type { Child, View } from './view.ts'

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
