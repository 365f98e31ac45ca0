import type { EndedChild } from '../../supervisor/parent/overview.ts'
import type { ParticipantStatus } from '../../status/model.ts'
import type { Report } from '../../lifecycle/report.ts'
import type { PageElement } from './dom.ts'
import { mostRows, row, table } from './cards.ts'
import { list, verdictSign } from './report.ts'
import { sumConnections, sumWatchdogs, sumTraffic } from './sums.ts'
import { stepsOf } from './timeline.ts'
import { amount, draw, element, signed, ticking } from './view.ts'
import type { Child, Shown, ShownApplication, ShownChild, View } from './view.ts'

/** Requests that are named of each child, at most. */
export function mostOfChild (): number { return 5 }

/** What a child of the supervisor waits for now. */
export function waitsOf ({ responding, phase, applications }: ShownChild): ParticipantStatus[] {
  if (!responding) {
    const heard = phase === undefined ? '' : `, last heard of in phase ${phase}`
    return [{ name: 'event loop', reason: `does not answer${heard}` }]
  }
  return (applications ?? []).flatMap(({ participants }) => participants).filter(({ reason }) => reason !== undefined)
}

/**
 * A supervisor's state as if it were an application's: with what its children wait for, how far the slowest of them
 * has come, and their figures added up. Any other state as it is.
 */
export function aggregateOf (state: Shown): Shown {
  const { children, ended, number = 0, shutdown, exitCode } = state
  if (children === undefined) return state
  const applications = children.flatMap((child) => child.applications ?? [])
  const slowest = applications.reduce<ShownApplication | undefined>(
    (a, b) => a === undefined || b.number < a.number ? b : a,
    undefined
  )
  const told = slowest?.shutdown
  // Before there is an end, children may be waiting for nothing but their next request.
  const waits = (number === 0 ? [] : children)
    .flatMap((child) => waitsOf(child).map(({ name, reason }) => ({ name: `child ${child.child}: ${name}`, reason })))
    // Those who wait for other children last: the others are what a reader looks for.
    .toSorted((a, b) => Number(a.name.endsWith(': supervisor')) - Number(b.name.endsWith(': supervisor')))
  const more = waits.length - mostRows()
  const records = told?.phases ?? ended?.find(({ report }) => report !== undefined)?.report?.phases
  // A child may be ahead of the whole.
  const phases = (records ?? []).filter((record) =>
    exitCode !== undefined || stepsOf(state).findIndex((step) => step.phase === record.phase) < number)
  const { budget } = slowest ?? {}
  const [connections, traffic] = [sumConnections(children), sumTraffic(state)]
  return {
    ...state,
    // What nobody tells is not 0.
    ...applications.length > 0 && { inFlight: children.reduce((sum, { inFlight = 0 }) => sum + inFlight, 0) },
    ...connections !== undefined && { connections },
    ...traffic !== undefined && { traffic },
    ...budget !== undefined && { budget },
    watchdog: sumWatchdogs(children),
    participants: more > 0
      ? [...waits.slice(0, mostRows()), { name: `${more} more`, reason: 'in the list of children' }]
      : waits,
    // Where no child tells of its phases, none of them is known to have been skipped.
    shutdown: records === undefined ? undefined : {
      kind: undefined,
      reason: undefined,
      startedAt: 0,
      hurried: undefined,
      floor: 0,
      cap: undefined,
      ...told,
      ...shutdown,
      phases
    }
  }
}

/** How the whole has ended: as the worst of its children; undefined until it has. */
export function verdictOf ({ exitCode, ended = [] }: Shown): Report['verdict'] | undefined {
  if (exitCode === undefined) return undefined
  const verdicts = ended.map(({ verdict }) => verdict)
  if (verdicts.includes('failed') || verdicts.includes('unfinished')) return 'failed'
  return verdicts.includes('cut') ? 'cut' : exitCode === 0 ? 'clean' : 'failed'
}

/** The children of a supervisor, and how those have ended who are gone. */
export function drawChildren (view: View): void {
  const { children, ended = [], reloading } = view.state
  const shown = children?.map(({ applications, ...child }) =>
    ({ ...child, details: detailsOf({ ...child, applications }) }))
  draw(view, 'children', shown && { shown, ended, reloading }, () => [
    reloading === true && element('p', { class: 'lead' }, 'A reload is under way.'),
    shown !== undefined && shown.length > 0
      && table('Children of the supervisor', ['Child', 'Phase', 'Load'], shown.map(childRow)),
    ...(shown ?? []).flatMap(({ child, details }) => drawDetails(child, details)),
    ended.length > 0 && table('How children have ended', ['Child', 'How it ended', 'Exit code'], ended.map(endedRow))
  ])
}

/** The row of a child. */
export function childRow (child: Omit<ShownChild, 'applications'>): PageElement {
  const { pid, phase, ready, responding, leaving, inFlight, connections, restarts, startedAt } = child
  const sign = !responding
    ? signed('✕', 'does not answer', 'bad')
    : ready ? signed('✓', 'ready', 'good') : signed('○', 'not ready', 'warn')
  return row(
    [
      `Child ${child.child}`,
      element('span', { class: 'note' },
        `pid ${pid}, up for `, ticking({ from: startedAt }), `, ${amount(restarts, 'restart')}`)
    ],
    [
      phase ?? 'unknown',
      leaving && element('span', { class: 'tag' }, 'leaving'),
      element('span', { class: 'note' }, sign)
    ],
    [
      element('span', { class: 'number' }, inFlight === undefined ? '–' : `${inFlight} in flight`),
      connections !== undefined && element('span', { class: 'note number' }, amount(connections, 'connection'))
    ])
}

/** What is shown of a child besides its row. */
export interface ChildDetails {
  waits: ParticipantStatus[]
  failing: Array<{ name: string, critical: boolean, error: string | undefined }>
  requests: Array<{ method: string, route: string | undefined, from: number }>
  more: number
}

/** Takes it out of what its applications tell. */
export function detailsOf (child: ShownChild): ChildDetails {
  const { applications = [], inFlight = 0 } = child
  const requests = applications
    .flatMap((one) => one.requests)
    .map(({ method, route, from = 0 }) => ({ method, route, from: Math.round(from / 50) * 50 }))
    .toSorted((a, b) => a.from - b.from)
    .slice(0, mostOfChild())
  return {
    waits: waitsOf(child),
    failing: applications
      .flatMap(({ checks }) => checks)
      .filter(({ state }) => state === 'failing' || state === 'degraded')
      .map(({ name, critical, error }) => ({ name, critical, error })),
    requests,
    more: inFlight - requests.length
  }
}

/** What one child waits for, which of its checks fail, and its oldest requests. */
export function drawDetails (child: number, { waits, failing, requests, more }: ChildDetails): Child[] {
  const lines: PageElement[] = [
    ...waits.map(({ name, reason }) => element('li', {},
      signed('…', 'waits for ', 'warn'),
      element('b', {}, name),
      ` ${reason}`)),
    ...failing.map(({ name, critical, error }) => element('li', {},
      critical ? signed('✕', 'check ', 'bad') : signed('!', 'degraded: check ', 'warn'),
      element('b', {}, name),
      ` ${error ?? 'fails'}`)),
    ...requests.map(({ method, route, from }) => element('li', {},
      element('span', { class: 'method' }, method),
      ' ',
      element('span', { class: 'route' }, route ?? 'no route'),
      ', for ',
      ticking({ from })))
  ]
  if (lines.length === 0) return []
  return [
    element('h3', {}, `Child ${child}`),
    element('ul', { class: 'lines' }, ...lines),
    more > 0 && requests.length > 0 && element('p', { class: 'more' }, `and ${more} more`)
  ]
}

/** How one child has ended. */
export function endedRow ({
  child, pid, exitCode, signal, verdict, summary, cutRequests, report
}: EndedChild): PageElement {
  const cut = (report?.cut.requests ?? []).slice(0, mostOfChild())
  return row(
    [`Child ${child}`, element('span', { class: 'note' }, `pid ${pid}`)],
    [
      verdictSign(verdict === 'unfinished' ? 'failed' : verdict),
      element('span', { class: 'note' }, summary),
      ...list('Requests that were cut', cut.map(({ method, route }) => `${method} ${route ?? 'no route'}`)),
      cutRequests > cut.length && element('p', { class: 'more' }, `and ${cutRequests - cut.length} more`)
    ],
    [element('span', { class: 'number' }, signal ?? String(exitCode))])
}
