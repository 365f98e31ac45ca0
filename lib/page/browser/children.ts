import type { ChildStatus, EndedChild } from '../../supervisor/parent/status.ts'
import type { ParticipantStatus, Status } from '../../status/model.ts'
import type { Report } from '../../lifecycle/report.ts'
import { phaseNumber } from '../../lifecycle/phase.ts'
import { requestOf, routeOf, waitsOf } from '../../status/sentences.ts'
import type { Shown } from '../../status/shown.ts'
import { counted } from '../../util/text.ts'
import { begun, mostRows, row, table } from './cards.ts'
import { list, verdictSign } from './shutdown.ts'
import { sumConnections, sumWatchdogs, sumTraffic } from './sums.ts'
import { draw, element, signed, ticking } from './view.ts'
import type { Child, View } from './view.ts'

/** Requests that are named of each child, at most. */
const mostOfChild = 5

/**
 * A supervisor's state as if it were an application's: with what its children wait for, how far the slowest of them
 * has come, and their figures added up. Any other state as it is.
 */
export function aggregateOf (state: Shown): Shown {
  const { children, ended, number = 0, shutdown, exitCode } = state
  if (children === undefined) return state
  const applications = children.flatMap((child) => child.applications ?? [])
  const slowest = applications.reduce<Status | undefined>(
    (a, b) => a === undefined || b.number < a.number ? b : a,
    undefined
  )
  const told = slowest?.shutdown
  // Before there is an end, children may be waiting for nothing but their next request.
  const waits = (number === 0 ? [] : children)
    .flatMap((child) => waitsOf(child).map(({ name, reason }) => ({ name: `child ${child.child}: ${name}`, reason })))
    // Those who wait for other children last: the others are what a reader looks for.
    .toSorted((a, b) => Number(a.name.endsWith(': supervisor')) - Number(b.name.endsWith(': supervisor')))
  const more = waits.length - mostRows
  const records = told?.phases ?? ended?.find(({ report }) => report !== undefined)?.report?.phases
  // A child may be ahead of the whole.
  const phases = (records ?? []).filter((record) =>
    exitCode !== undefined || phaseNumber(record.phase) < number)
  const { budget } = slowest ?? {}
  const [connections, traffic] = [sumConnections(children), sumTraffic(state)]
  return {
    ...state,
    // A figure that no child tells is unknown, and not 0.
    ...applications.length > 0 && { inFlight: children.reduce((sum, { inFlight = 0 }) => sum + inFlight, 0) },
    ...connections !== undefined && { connections },
    ...traffic !== undefined && { traffic },
    ...budget !== undefined && { budget },
    watchdog: sumWatchdogs(children),
    participants: more > 0
      ? [...waits.slice(0, mostRows), { name: `${more} more`, reason: 'in the list of children' }]
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
  const { at = 0, children, ended = [], reloading } = view.state
  const shown = children?.map(({ applications, ...child }) =>
    ({ ...child, details: detailsOf({ ...child, applications }, at) }))
  draw(view, 'children', shown && { shown, ended, reloading }, () => [
    reloading === true && element('p', { class: 'lead' }, 'A reload is under way.'),
    shown !== undefined && shown.length > 0
      && table('Children of the supervisor', ['Child', 'Phase', 'Load'], shown.map(childRow)),
    ...(shown ?? []).flatMap(({ child, details }) => drawDetails(child, details)),
    ended.length > 0 && table('How children have ended', ['Child', 'How it ended', 'Exit code'], ended.map(endedRow))
  ])
}

/** The row of a child. */
function childRow (child: Omit<ChildStatus, 'applications'>): HTMLElement {
  const { pid, phase, ready, responding, leaving, inFlight, connections, restarts, startedAt } = child
  const sign = !responding
    ? signed('✕', 'does not respond', 'bad')
    : ready ? signed('✓', 'ready', 'good') : signed('○', 'not ready', 'warn')
  return row(
    [
      `Child ${child.child}`,
      element('span', { class: 'note' },
        `pid ${pid}, up for `, ticking({ from: startedAt }), `, ${counted(restarts, 'restart')}`)
    ],
    [
      phase ?? 'unknown',
      leaving && element('span', { class: 'tag' }, 'leaving'),
      element('span', { class: 'note' }, sign)
    ],
    [
      element('span', { class: 'number' }, inFlight === undefined ? '–' : `${inFlight} in flight`),
      connections !== undefined && element('span', { class: 'note number' }, counted(connections, 'connection'))
    ])
}

/** What is shown of a child besides its row. */
interface ChildDetails {
  waits: ParticipantStatus[]
  failing: Array<{ name: string, critical: boolean, error: string | undefined }>
  requests: Array<{ method: string, route: string | undefined, from: number }>
  more: number
}

/** Takes it out of what its applications tell. */
function detailsOf (child: ChildStatus, at: number): ChildDetails {
  const { applications = [], inFlight = 0 } = child
  const requests = applications
    .flatMap((one) => one.requests)
    .map(({ method, route, age }) => ({ method, route, from: begun(at - age) }))
    .toSorted((a, b) => a.from - b.from)
    .slice(0, mostOfChild)
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
function drawDetails (child: number, { waits, failing, requests, more }: ChildDetails): Child[] {
  const lines: HTMLElement[] = [
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
      element('span', { class: 'route' }, routeOf({ route })),
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
function endedRow ({
  child, pid, exitCode, signal, verdict, summary, cutRequests, report
}: EndedChild): HTMLElement {
  const cut = (report?.cut.requests ?? []).slice(0, mostOfChild)
  return row(
    [`Child ${child}`, element('span', { class: 'note' }, `pid ${pid}`)],
    [
      verdictSign(verdict === 'unfinished' ? 'failed' : verdict),
      element('span', { class: 'note' }, summary),
      ...list('Requests that were cut', cut.map(requestOf)),
      cutRequests > cut.length && element('p', { class: 'more' }, `and ${cutRequests - cut.length} more`)
    ],
    [element('span', { class: 'number' }, signal ?? String(exitCode))])
}
