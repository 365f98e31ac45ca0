import type { CheckStatus } from '../../status/model.ts'
import {
  blocksOf, cutConnectionOf, cutRequestOf, failureOf, frontEndOf, placeOf, pressureOf, probeOf, routeOf, sourcesOf
} from '../../status/sentences.ts'
import type { Shown } from '../../status/shown.ts'
import { decimal, duration, enumerate, firstOf, grouped, namesOf, times } from '../../status/words.ts'
import { counted } from '../../util/text.ts'
import { bar, columns } from '../cells.ts'

/** How a line is meant; a terminal has a colour for it. */
export type Tone = 'good' | 'bad' | 'strong' | 'dim'

/** A line to show. */
export interface Line { text: string, tone?: Tone }

/** What is known besides the status itself. */
export interface Context {
  /** Epoch milliseconds of the status, by the clock of whoever sent it. */
  at: number
  /** More items of a list than this are only counted. */
  most: number
  /** Whether a token was sent. */
  authorised: boolean
}

export function line (text: string, tone?: Tone): Line {
  return tone === undefined ? { text } : { text, tone }
}

/** A section in one line: its name stands in a column of its own. */
export function labelled (label: string, text: string, tone?: Tone): Line {
  return line(`  ${label.padEnd(12)} ${text}`, tone)
}

/** Parts in one line; empty ones are left out. */
export function joined (parts: string[], separator = ', '): string {
  return parts.filter((part) => part !== '').join(separator)
}

const indented = (lines: string[]): Line[] => lines.map((text) => line(`    ${text}`))

const rest = (count: number): Line[] => count > 0 ? indented([`and ${count} more`]) : []

/** What an application tells besides its phases. */
export function sections (status: Shown, context: Context): Line[] {
  return [
    ...requests(status, context),
    ...connections(status),
    ...participants(status, context),
    ...checks(status, context),
    ...pressure(status),
    ...traffic(status),
    ...work(status),
    ...thread(status, context),
    ...report(status, context)
  ]
}

/** What is in flight. */
export function requests ({ requests: all = [], inFlight = 0 }: Shown, { most }: Context): Line[] {
  const oldest = Math.max(0, ...all.map(({ age }) => age || 0))
  const rows = all.slice(0, most).map(({ method, route, age, kind }) =>
    [duration(age), bar(age || 0, oldest, 10), method, routeOf({ route }), kind])
  // Of very many not all are listed.
  const count = Math.max(all.length, inFlight)
  return [
    labelled('in flight', count === 0 ? 'nothing' : counted(count, 'request')),
    ...indented(columns(rows)),
    ...rest(count - rows.length)
  ]
}

function connections ({ connections: kinds }: Shown): Line[] {
  if (kinds === undefined) return []
  const counts = Object.entries(kinds)
    .map(([kind, count]) => `${kind === 'sessions' ? 'http2' : kind} ${decimal(count)}`)
  return [labelled('connections', counts.join(', '))]
}

function participants ({ participants: all = [] }: Shown, { most }: Context): Line[] {
  // Those of a name that stall, and those that do not.
  const groups = [true, false].flatMap((stalls) =>
    grouped(all.filter(({ reason }) => stalls === (reason !== undefined)), ({ name }) => name))
  const { shown, more } = firstOf(groups, most)
  const rows = shown.map(({ first: { name, reason }, count }) => [name + times(count), reason ?? 'does not stall'])
  return all.length === 0 ? [] : [line('  participants'), ...indented(columns(rows)), ...rest(more)]
}

function checks ({ checks: all = [] }: Shown, { most }: Context): Line[] {
  const rows = columns(all.slice(0, most).map(({ name, state, kinds, age, duration: took, error = '' }) => [
    name,
    state,
    age === undefined ? 'never run' : `took ${duration(took)}, ${duration(age)} ago`,
    `for ${kinds.join(', ')}`,
    error
  ]))
  const tones: Partial<Record<CheckStatus['state'], Tone>> = { failing: 'bad', degraded: 'strong' }
  return all.length === 0 ? [] : [
    line('  checks'),
    ...rows.map((text, index) => line(`    ${text}`, tones[all[index]!.state])),
    ...rest(all.length - rows.length)
  ]
}

function pressure ({ pressure: given }: Shown): Line[] {
  if (given === undefined) return []
  const { loop, memory } = pressureOf(given)
  const text = `${given.underPressure ? 'UNDER PRESSURE' : 'none'}, event loop ${loop}, ${memory}`
  return [labelled('pressure', text, given.underPressure ? 'bad' : undefined)]
}

function traffic ({ traffic: given, phase, report: end }: Shown): Line[] {
  if (given === undefined) return []
  const { rate, arrivals, lastArrival, evidence, lateArrivals, probes, frontEnds } = given
  const announced = phase !== 'running'
  const late = lateArrivals === 0 ? '' : joined([
    counted(lateArrivals, 'connection'),
    lastArrival === undefined ? '' : `the last ${duration(lastArrival)} after the announcement`,
    ...[sourcesOf(given.lateSources) || sourcesOf(end?.traffic.lateSources ?? [])]
      .map((sources) => sources === '' ? '' : `from ${sources}`),
    end?.traffic.suggestedMin === undefined
      ? ''
      : `announce.min of ${duration(end.traffic.suggestedMin)} would have been enough`
  ])
  const rows: Array<[label: string, text: string, tone?: Tone]> = [
    ['traffic', joined([
      `${decimal(rate)} new connections/s${announced ? ' before' : ''}`,
      announced ? `${arrivals} since the announcement` : '',
      lastArrival === undefined ? '' : `the last after ${duration(lastArrival)}`,
      evidence === undefined
        ? ''
        : evidence === 'observed'
          ? 'the balancer has stopped sending'
          : 'no evidence that the balancer has stopped'
    ])],
    // Where there are any, others were refused.
    ['late', late, 'bad'],
    ['told not ready', namesOf(probes.map(probeOf))],
    ['in front', namesOf(frontEnds.map(frontEndOf))]
  ]
  return rows.filter(([, text]) => text !== '').map((row) => labelled(...row))
}

function work ({ work: names = [] }: Shown): Line[] {
  return names.length === 0 ? [] : [labelled('background', namesOf(names))]
}

function thread ({ watchdog: given }: Shown, { at }: Context): Line[] {
  if (given === undefined) return []
  const { state, port, lastBlocked: last } = given
  const text = joined([
    state,
    port === undefined ? '' : `on port ${port}`,
    `blocked ${blocksOf(given)}`,
    last === undefined
      ? ''
      : `the last of ${duration(last.duration)} ${duration(at - last.at)} ago in ${placeOf(last.blockedIn)}`
  ])
  return [labelled('watchdog', text, state === 'failed' ? 'bad' : undefined)]
}

function report ({ report: given }: Shown, { most }: Context): Line[] {
  if (given === undefined) return []
  const { verdict, exitCode, summary, cut, failures, advice } = given
  const lost = [
    ...cut.requests.map((request) => `cut: ${cutRequestOf(request)}`),
    ...cut.byOthers.map((request) => `ended by others: ${cutRequestOf(request)}`),
    ...cut.connections.map((connection) => `cut: a connection of ${cutConnectionOf(connection)}`)
  ]
  return [
    labelled('report', `${verdict}, exit code ${decimal(exitCode)}: ${summary}`, verdict === 'clean' ? 'good' : 'bad'),
    ...indented(lost.slice(0, most)),
    ...rest(lost.length - most),
    ...indented(failures.slice(0, most).map(failureOf)),
    ...rest(failures.length - most),
    ...indented(advice)
  ]
}

/** Names in one line, each once with the reason of its first; how long each of a thousand has run is no help. */
export function stallsOf (stalls: Array<{ name: string, reason?: string | undefined }>): string {
  const groups = grouped(stalls.filter(({ reason }) => reason !== undefined), ({ name }) => name)
  return enumerate(groups, ({ first: { name, reason }, count }) => `${name}${times(count)} (${reason})`)
}
