import type { PressureStatus, CheckStatus } from './checks.ts'
import type { CutConnection, CutRequest, FrontEnd, LateSource, ProbeSummary, Report } from '../lifecycle/report.ts'
import type { ChildStatus } from '../supervisor/parent/overview.ts'
import type { ParticipantStatus, Status, WatchdogState } from './model.ts'
import { counted } from '../util/text.ts'
import type { Shown } from './shown.ts'
import { decimal, duration, namesOf } from './words.ts'

/** What a child of any version tells of a check. */
type Told = Omit<CheckStatus, 'critical'> & Partial<Pick<CheckStatus, 'critical'>>

/** Why an application that runs is not ready, as far as it is known. */
export function unreadiness ({ holds = [], checks = [], started, pressure, eventLoop }: Shown): string[] {
  const kind = started === false ? 'startup' : 'readiness'
  // A child of another version may not tell which of its checks are critical; all of them were.
  const failing = checks
    .filter(({ kinds, critical = true, state }: Told) => critical && state !== 'passing' && kinds.includes(kind))
    .map(({ name, state }) => `${name} (${state})`)
  return [
    started === false ? 'not started yet' : '',
    holds.length > 0 ? `held by: ${namesOf(holds)}` : '',
    failing.length > 0 ? `health checks: ${namesOf(failing)}` : '',
    pressure?.underPressure === true ? 'under pressure' : '',
    eventLoop?.blocked === true ? 'the event loop does not turn' : ''
  ].filter((reason) => reason !== '')
}

/** How many children of a supervisor are ready; undefined for what is none. */
export function readyChildrenOf ({ readyChildren, workers, minReady }: Shown): string | undefined {
  return readyChildren === undefined ? undefined : `${readyChildren} of ${workers} children ready, ${minReady} needed`
}

/** What a child of a supervisor waits for now. */
export function waitsOf ({ responding, phase, applications }: ChildStatus): ParticipantStatus[] {
  if (!responding) {
    const heard = phase === undefined ? '' : `, last heard of in phase ${phase}`
    return [{ name: 'event loop', reason: `does not answer${heard}` }]
  }
  // What a child of another version tells may have none.
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

/** A prober that was told that the service is not ready. */
export function probeOf ({ prober, answers, first }: ProbeSummary): string {
  return `${prober} (${counted(answers, 'answer')}, the first after ${duration(first)})`
}

/** A prober that goes by what it is told. */
export function frontEndOf ({ prober, route, address, interval, answers, outcome }: FrontEnd): string {
  const remarks = [
    interval === undefined ? 'asked once' : `every ${duration(interval)}`,
    answers === 0 ? '' : counted(answers, 'failing answer'),
    outcome === 'pending' ? '' : outcome
  ].filter((remark) => remark !== '')
  return `${prober === 'other' ? '' : `${prober} `}${route} from ${address ?? 'no one address'} (${remarks.join(', ')})`
}

/** Where an event loop was held. */
export function placeOf (blockedIn: string | undefined): string {
  return blockedIn ?? 'a place that is not known, as inside native code'
}

/** How often an event loop was held. */
export function blocksOf ({ blockedCount, blockedTime }: WatchdogState): string {
  return blockedCount === 0 ? 'never' : `${counted(blockedCount, 'time')}, together ${duration(blockedTime)}`
}

/** What `@fastify/under-pressure` has measured. */
export function pressureOf (pressure: PressureStatus): { loop: string, memory: string } {
  const [heap, resident] = [pressure.heapUsed, pressure.rssBytes].map((bytes) => `${decimal(bytes / 2 ** 20)} MiB`)
  return {
    loop: `${duration(pressure.eventLoopDelay)} late, ${decimal(pressure.eventLoopUtilized * 100)} % busy`,
    memory: `heap ${heap}, resident ${resident}`
  }
}
