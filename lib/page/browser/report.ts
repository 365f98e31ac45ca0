import type { Report } from '../../lifecycle/report.ts'
import type { PageElement } from './dom.ts'
import { pairs, row, table } from './cards.ts'
import { amount, draw, duration, element, group, namesOf, signed, times } from './view.ts'
import type { Child, View } from './view.ts'

/** What a verdict looks like. */
export function verdictSign (verdict: Report['verdict']): PageElement {
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
      .slice(0, 20)
      .map(({ method, route, age }) => row([route ?? 'no route'], [method], [duration(age)]))
    const byOthers = cut.byOthers
      .map(({ method, route, age }) => `${method} ${route ?? 'no route'}, after ${duration(age)}`)
    const connections = cut.connections.map(({ method, route, address, age }) =>
      `${address ?? 'an unknown client'}, ${duration(age)} after ${method ?? 'a request'} ${route ?? 'no route'}`)
    return [
      element('div', { class: 'verdict', 'data-verdict': report.verdict },
        verdictSign(report.verdict),
        element('p', {}, report.summary)),
      figures(report),
      pairs([
        ['Asked for by', [`${report.reason} (${report.kind})`]],
        ['Late connections', [String(traffic.lateArrivals)]],
        ['No longer waited for', [cut.waiting.length === 0 ? 'nobody' : namesOf(cut.waiting)]],
        ['Told to reconnect', [amount(traffic.shed, 'connection')]]
      ]),
      rows.length > 0 && table('Requests that were cut', ['Route cut', 'Method', 'Age'], rows),
      cut.requests.length > 20 && element('p', { class: 'more' }, `and ${cut.requests.length - 20} more`),
      ...list('Requests that others ended', byOthers),
      ...list('Connections that were cut soon after a request', connections),
      ...list('What failed', failures.map(({ name, message, phase }) => `${name} (${phase}): ${message}`)),
      ...list('Advice', advice)
    ]
  })
}

/** The figures of a report: what was lost. */
export function figures ({
  exitCode, cut: { requests, streams, upgraded, connections, byOthers }
}: Report): PageElement {
  const all: Array<[string, string, boolean]> = [
    ['requests cut', String(requests.length), requests.length > 0],
    ['streams cut', String(streams), false],
    ['upgraded sockets cut', String(upgraded), false],
    ...(connections.length > 0
      ? [['connections cut', String(connections.length), true] as [string, string, boolean]]
      : []),
    ...(byOthers.length > 0 ? [['ended by others', String(byOthers.length), true] as [string, string, boolean]] : []),
    ['exit code', String(exitCode), exitCode !== 0]
  ]
  return element('dl', { class: 'figures' },
    ...all.map(([term, value, bad]) =>
      element('div', bad ? { class: 'bad' } : {}, element('dt', {}, term), element('dd', {}, value))))
}

/** A list under a title, where there is anything in it. */
export function list (title: string, lines: string[]): Child[] {
  const { shown, more } = group(lines)
  if (lines.length === 0) return []
  return [
    element('h3', {}, title),
    element('ul', { class: 'lines' },
      ...shown.map(([line, count]) => element('li', {}, `${line}${times(count)}`)),
      more > 0 && element('li', {}, `and ${more} more`))
  ]
}
