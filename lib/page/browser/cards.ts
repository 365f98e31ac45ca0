import type { CheckStatus } from '../../status/model.ts'
import { blocksOf, frontEndOf, placeOf, pressureOf, probeOf, routeOf, sourcesOf } from '../../status/sentences.ts'
import type { Shown } from '../../status/shown.ts'
import { decimal, duration, firstOf, grouped, times } from '../../status/words.ts'
import { counted } from '../../util/text.ts'
import { untold } from './sums.ts'
import { bar, draw, element, signed, ticking, tickingBar, timeOf, timeOfDay } from './view.ts'
import type { Child, View } from './view.ts'

/** Rows of requests at most. */
export const mostRows = 20

/** A table row whose first cell names it. */
export function row (first: Child[], ...cells: Child[][]): HTMLElement {
  return element('tr', {},
    element('th', { scope: 'row' }, ...first),
    ...cells.map((cell) => element('td', {}, ...cell)))
}

/** A table with its caption and column heads. */
export function table (caption: string, heads: string[], rows: HTMLElement[]): HTMLElement {
  return element('table', {},
    element('caption', { class: 'sr' }, caption),
    element('thead', {}, element('tr', {}, ...heads.map((head) => element('th', { scope: 'col' }, head)))),
    element('tbody', {}, ...rows))
}

/** Pairs of a term and what it is. */
export function pairs (entries: Array<[string, Child[]]>): HTMLElement {
  return element('dl', { class: 'pairs' },
    ...entries.map(([term, value]) => element('div', {}, element('dt', {}, term), element('dd', {}, ...value))))
}

/** A point in time as it is compared with that of the event before: what was worked out anew may miss it. */
export function begun (time: number): number {
  return Math.round(time / 50) * 50
}

/** The requests in flight, the oldest first. */
export function drawRequests (view: View): void {
  const { at = 0, requests: all, inFlight = all?.length ?? 0, report } = view.state
  // After the end there are none.
  const requests = report === undefined ? all : undefined
  const shown = requests
    ?.slice(0, mostRows)
    .map(({ age, ...request }) => ({ ...request, from: begun(at - age) }))
  draw(view, 'requests', shown && { shown, inFlight }, () => {
    if (shown === undefined || shown.length === 0) return [element('p', { class: 'empty' }, 'No request is in flight.')]
    const oldest = timeOf(view) - Math.min(...shown.map(({ from }) => from))
    const span = [1000, 5000, 15_000, 60_000, 300_000, 3_600_000].find((length) => length >= oldest) ?? oldest
    const rows = shown.map(({ method, route, kind, from }) => element('tr', {},
      element('td', { class: 'method' }, method),
      element('th', { scope: 'row', class: 'route' },
        routeOf({ route }),
        kind !== 'request' && kind !== undefined && element('span', { class: 'tag' }, kind)),
      element('td', { class: 'age' },
        ticking({ from }),
        element('div', { class: 'bar', 'aria-hidden': 'true' }, tickingBar(from, span)))))
    const more = inFlight - shown.length
    return [
      table('Requests in flight, the oldest first', ['Method', 'Route', 'Age'], rows),
      more > 0 && element('p', { class: 'more' }, `and ${more} more`)
    ]
  })
  draw(view, 'requests-count', requests && inFlight, () => [String(inFlight)])
}

/** Open connections by what they do. */
export function drawConnections (view: View): void {
  const { connections: all, report, children } = view.state
  const connections = report === undefined ? all : undefined
  const missing = untold(children)
  draw(view, 'connections', connections && { connections, missing }, () => {
    const { open = 0, busy = 0, idle = 0, upgraded = 0, sessions = 0 } = connections ?? {}
    const kinds: Array<[string, number]> = [
      ['with a request', busy],
      ['idle', idle],
      ['upgraded', upgraded],
      ['HTTP/2 sessions', sessions]
    ]
    const rows = kinds.map(([name, count]) => row(
      [name],
      [element('span', { class: 'number' }, String(count))],
      [element('div', { class: 'bar', 'aria-hidden': 'true' }, bar(count, Math.max(1, open)))]))
    return [
      table('Open connections by kind', ['Kind', 'Number', 'Share'], rows),
      missing !== '' && element('p', { class: 'more' }, `without ${missing}`)
    ]
  })
  draw(view, 'connections-count', connections?.['open'], () => [String(connections?.['open'])])
}

/** Who may stall a phase, who holds readiness, and what works in the background. */
export function drawParticipants (view: View): void {
  const { participants: all, holds, work, report } = view.state
  const participants = report === undefined ? all : undefined
  // Who stalls comes first, so that it is not among those that are only counted.
  const [held, asked, busy] = [
    firstOf(grouped(holds ?? [])),
    firstOf(grouped(
      (participants ?? []).toSorted((a, b) => Number(a.reason === undefined) - Number(b.reason === undefined))
    )),
    firstOf(grouped(work ?? []))
  ]
  draw(view, 'participants', participants && { held, asked, busy }, () => {
    const rows = [
      ...held.shown.map(({ first: reason, count }) => row(
        [`${reason}${times(count)}`],
        [signed('‖', 'holds readiness', 'warn')])),
      ...asked.shown.map(({ first: { name, reason }, count }) => row(
        [`${name}${times(count)}`],
        [reason === undefined ? signed('–', 'does not stall', 'calm') : signed('…', reason, 'warn free')])),
      ...busy.shown.map(({ first: name, count }) =>
        row([`${name}${times(count)}`], [signed('↻', 'background work', 'calm')]))
    ]
    const more = held.more + asked.more + busy.more
    if (rows.length === 0) {
      return [element('p', { class: 'empty' }, 'Nobody is registered who could make a phase wait.')]
    }
    return [
      table('Who may make a phase wait', ['Name', 'What it says'], rows),
      more > 0 && element('p', { class: 'more' }, `and ${more} more`)
    ]
  })
}

/** Health checks. */
export function drawChecks (view: View): void {
  const { at = 0, checks } = view.state
  const shown = checks?.map(({ age, ...check }) =>
    ({ ...check, from: age === undefined ? undefined : begun(at - age) }))
  draw(view, 'checks', shown, () => {
    if (shown === undefined || shown.length === 0) {
      return [element('p', { class: 'empty' }, 'There is no health check.')]
    }
    const rows = shown.map(({ name, kinds, state, from, duration: took, error }) => row(
      [
        name,
        element('span', { class: 'note' }, kinds.join(', ')),
        error !== undefined && element('span', { class: 'error' }, error)
      ],
      [checkSign(state)],
      from === undefined ? ['–'] : [ticking({ from })],
      [element('span', { class: 'number' }, took === undefined ? '–' : duration(took))]))
    return [table('Health checks', ['Check', 'State', 'Age', 'Took'], rows)]
  })
}

/** The state of a check. */
function checkSign (state: CheckStatus['state']): HTMLElement {
  switch (state) {
    case 'passing': return signed('✓', 'passing', 'good')
    case 'failing': return signed('✕', 'failing', 'bad')
    case 'degraded': return signed('!', 'degraded', 'warn')
    case 'unknown': return signed('?', 'unknown', 'calm')
  }
}

/** What is known of the traffic. */
export function drawTraffic (view: View): void {
  const { traffic, phase } = view.state
  draw(view, 'traffic', traffic && { traffic, phase }, () => {
    if (traffic === undefined) return []
    const { rate, arrivals, evidence, lastArrival, lateArrivals, lateSources, probes, frontEnds } = traffic
    const announced = phase !== 'running'
    const entries: Array<[string, Child[]]> = [
      [announced ? 'New connections before' : 'New connections', [`${decimal(rate)} a second`]]
    ]
    if (announced) {
      const last = lastArrival === undefined ? 'none came' : `${duration(lastArrival)} after the announcement`
      const sign = evidence === 'observed' ? signed('✓', 'observed', 'good') : signed('?', 'not observed', 'calm')
      entries.push(
        ['Since the announcement', [counted(arrivals, 'new connection')]],
        ['Last of them', [last]],
        ['The balancer has stopped', [sign]]
      )
    }
    entries.push(['Late connections', [
      lateArrivals === 0 ? 'none' : signed('!', `${lateArrivals}, from ${sourcesOf(lateSources)}`, 'bad')
    ]])
    if (probes.length > 0) entries.push(['Told that it is not ready', [probes.map(probeOf).join('; ')]])
    if (frontEnds.length > 0) entries.push(['In front', [frontEnds.map(frontEndOf).join('; ')]])
    return [pairs(entries)]
  })
}

/**
 * The event loop, as the watchdog and `@fastify/under-pressure` see it; those of a supervisor's children, as the
 * supervisor and their watchdogs see them.
 */
export function drawLoop (view: View): void {
  const { watchdog, pressure, eventLoop, children = [] } = view.state
  const silent = children.filter(({ responding }) => !responding).map(({ child }) => `child ${child}`).join(', ')
  const late = untold(children)
  const isKnown = (watchdog ?? pressure ?? eventLoop ?? children[0]) !== undefined
  const shown = { watchdog, pressure, eventLoop: eventLoop?.blocked, children: children.length, silent, late }
  draw(view, 'loop', isKnown ? shown : undefined, () => {
    const entries: Array<[string, Child[]]> = []
    if (children.length > 0) {
      const sign = silent !== ''
        ? signed('✕', `no answer from ${silent}`, 'bad')
        : late !== '' ? signed('…', `nothing yet from ${late}`, 'warn') : signed('✓', 'all answer', 'good')
      entries.push(['Event loops', [sign]])
    }
    if (eventLoop !== undefined) {
      const turns = eventLoop.blocked ? signed('✕', 'blocked', 'bad') : signed('✓', 'turns', 'good')
      entries.push(['Event loop', [turns]])
    }
    if (watchdog !== undefined) {
      const { state, lastBlocked } = watchdog
      const sign = state === 'watching' ? signed('✓', 'watching', 'good') : signed('!', state, 'warn')
      entries.push(
        [children.length > 0 ? 'Watchdogs' : 'Watchdog', [sign]],
        ['Blocked', [blocksOf(watchdog)]]
      )
      if (lastBlocked !== undefined) {
        const length = duration(lastBlocked.duration)
        const place = placeOf(lastBlocked.blockedIn)
        entries.push(['Last blocked', [`${length} at ${timeOfDay(lastBlocked.at)}, in ${place}`]])
      }
    }
    if (pressure !== undefined) {
      const { loop, memory } = pressureOf(pressure)
      entries.push(
        ['Pressure', [pressure.underPressure ? signed('!', 'too high', 'bad') : signed('✓', 'fine', 'good')]],
        ['Delay and use of the loop', [loop]],
        ['Memory', [memory]]
      )
    }
    return [pairs(entries)]
  })
}

/** How the grace period is spoken of. */
export function graceText ({ budget, platform }: Shown): string {
  const where = platform === undefined ? '' : ` (${platform})`
  return budget === undefined ? '' : `Grace period: ${duration(budget.gracePeriod)}${where}`
}
