import type { Budget } from '../lifecycle/budget.ts'
import { phases } from '../lifecycle/phase.ts'
import type { Phase } from '../lifecycle/phase.ts'
import type {
  CutConnection, CutRequest, FrontEnd, LateSource, PhaseRecord, ProbeSummary, Report
} from '../lifecycle/report.ts'
import type { ChildStatus } from '../supervisor/parent/status.ts'
import { counted } from '../util/text.ts'
import type { CheckStatus, ParticipantStatus, PressureStatus, Status, WatchdogState } from './model.ts'
import type { Shown } from './shown.ts'
import { capitalized, decimal, duration, namesOf } from './words.ts'

/** What a child of any version reports about a check. */
type Told = Omit<CheckStatus, 'critical'> & Partial<Pick<CheckStatus, 'critical'>>

/** Why an application that runs is not ready, as far as it is known. */
export function unreadiness ({ holds = [], checks = [], started, pressure, eventLoop }: Shown): string[] {
  const kind = started === false ? 'startup' : 'readiness'
  // A child of an older version does not report whether a check is critical; there all of them are.
  const failing = checks
    .filter(({ kinds, critical = true, state }: Told) => critical && state !== 'passing' && kinds.includes(kind))
    .map(({ name, state }) => `${name} (${state})`)
  return [
    started === false ? 'not started yet' : '',
    holds.length > 0 ? `held by: ${namesOf(holds)}` : '',
    failing.length > 0 ? `health checks: ${namesOf(failing)}` : '',
    pressure?.underPressure === true ? 'under pressure' : '',
    eventLoop?.blocked === true ? 'the event loop is blocked' : ''
  ].filter((reason) => reason !== '')
}

/** How many children of a supervisor are ready; undefined for an application. */
export function readyChildrenOf ({ readyChildren, workers, minReady }: Shown): string | undefined {
  return readyChildren === undefined ? undefined : `${readyChildren} of ${workers} children ready, ${minReady} needed`
}

/** What a child of a supervisor waits for now. */
export function waitsOf ({ responding, phase, applications }: ChildStatus): ParticipantStatus[] {
  if (!responding) {
    const heard = phase === undefined ? '' : `, last known phase ${phase}`
    return [{ name: 'event loop', reason: `does not respond${heard}` }]
  }
  // The status of a child of another version may have no participants.
  const all = (applications ?? []).flatMap(({ participants }: Partial<Status>) => participants ?? [])
  return all.filter(({ reason }) => reason !== undefined)
}

/** The route of a request. */
export function routeOf ({ route }: { route?: string | undefined }): string {
  return route ?? 'no route'
}

/** A request by its method and its route. */
export function requestOf ({ method, route }: Pick<CutConnection, 'method' | 'route'>): string {
  return `${method ?? 'a request'} ${routeOf({ route })}`
}

/** A request that was cut, or ended by others. */
export function cutRequestOf (request: CutRequest): string {
  return `${requestOf(request)} after ${duration(request.age)}`
}

/** A connection that was cut soon after a request. */
export function cutConnectionOf (connection: CutConnection): string {
  return `${connection.address ?? 'an unknown client'}, ${duration(connection.age)} after ${requestOf(connection)}`
}

/** What failed during the end. */
export function failureOf ({ name, phase, message }: Report['failures'][number]): string {
  return `${name} failed in phase ${phase}: ${message}`
}

/** Who sent late connections. */
export function sourcesOf (sources: readonly LateSource[]): string {
  return namesOf(sources.map(({ address, count }) => `${address} (${count})`))
}

/** A prober that got a failing answer. */
export function probeOf ({ prober, answers, first }: ProbeSummary): string {
  return `${prober} (${counted(answers, 'answer')}, the first after ${duration(first)})`
}

/** A front end: a prober that acts on the answers. */
export function frontEndOf ({ prober, route, address, interval, answers, outcome }: FrontEnd): string {
  const remarks = [
    interval === undefined ? 'asked once' : `every ${duration(interval)}`,
    answers === 0 ? '' : counted(answers, 'failing answer'),
    outcome === 'pending' ? '' : outcome
  ].filter((remark) => remark !== '')
  const name = prober === 'other' ? '' : `${prober} `
  return `${name}${route} from ${address ?? 'no fixed address'} (${remarks.join(', ')})`
}

/** Where an event loop was blocked. */
export function placeOf (blockedIn: string | undefined): string {
  return blockedIn ?? 'an unknown place, such as native code'
}

/** How often, and for how long, an event loop was blocked. */
export function blocksOf ({ blockedCount, blockedTime }: WatchdogState): string {
  return blockedCount === 0 ? 'never' : `${counted(blockedCount, 'time')}, ${duration(blockedTime)} in total`
}

/** What `@fastify/under-pressure` has measured. */
export function pressureOf (pressure: PressureStatus): { loop: string, memory: string } {
  const [heap, resident] = [pressure.heapUsed, pressure.rssBytes].map((bytes) => `${decimal(bytes / 2 ** 20)} MiB`)
  return {
    loop: `${duration(pressure.eventLoopDelay)} late, ${decimal(pressure.eventLoopUtilized * 100)} % busy`,
    memory: `heap ${heap}, resident ${resident}`
  }
}

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
