import { routeOf } from '../../status/sentences.ts'
import { decimal, duration } from '../../status/words.ts'
import { counted } from '../../util/text.ts'
import { bar, columns, textWidth } from '../cells.ts'
import type { Line, Tone } from '../status/sections.ts'
import type { Cause } from './advice.ts'
import type { Group } from './tally.ts'
import type { Pod, Summary } from './summary.ts'

/** How it is shown. */
export interface Look {
  /** Cells of a line. */
  width: number
  /** Items of a list; of more is told how many there are. */
  most: number
}

const bad: ReadonlySet<string> = new Set(['failed', 'cut'])

/** Text in lines that are no wider than the terminal. */
function sentence (text: string, { width }: Look, tone?: Tone, indent = '  '): Line[] {
  return wrap(text, width, indent).map((line) => tone === undefined ? { text: line } : { text: line, tone })
}

const stallHead = ['name', 'phase', '', 'longest', 'of']
const stallRow = (one: Summary['stalled'][number], thing: string): string[] =>
  [one.name, one.phase, counted(one.count, thing), ...longestOf(one)]

/** What a rollout told, for people. */
export function view (summary: Summary, look: Look): Line[] {
  const { phases, stalled, waited, failures, blocked, warnings } = summary
  return [
    ...headOf(summary, look),
    ...podsOf(summary, look),
    ...section('ends without a report', ['name', '', 'phase', 'because of', ''], summary.unreported.map((end) => [
      nameAndPid(end), howOf(end), end.phase, end.reason, detailOf(end)
    ]), look, 'bad'),
    ...section('phases', ['', 'median', '90 %', 'longest', 'of', 'at its cap'], phases.map((phase) => [
      phase.phase, duration(phase.median), duration(phase.most90), duration(phase.longest), phase.longestOf,
      phase.capped === 0 ? '' : decimal(phase.capped)
    ]), look),
    ...arrivalsOf(summary, look),
    ...lateOf(summary, look),
    ...cutOf(summary, look),
    ...section('no longer waited for', stallHead, stalled.map((one) => stallRow(one, 'report')), look),
    ...section('waited for', stallHead, waited.map((one) => stallRow(one, 'line')), look),
    ...section('failed', ['name', 'phase', '', 'message'], failures.map(({ name, phase, count, message }) =>
      [name, phase, `×${count}`, message]), look),
    ...section('event loop blocked in', ['', '', 'longest', 'of'], blocked.map((one) =>
      [one.blockedIn ?? 'an unknown place', `×${one.count}`, ...longestOf(one)]), look),
    ...section('warned of', [], warnings.map(({ event, count, message }) =>
      [event.replace('graceful.', ''), `×${count}`, message.replace('fastify-graceful: ', '')]), look),
    { text: '' },
    ...adviceOf(summary, look)
  ]
}

function headOf ({ reports, verdicts, pods, input }: Summary, look: Look): Line[] {
  const names = new Set(pods.map(({ name }) => name)).size
  const kinds = Object.entries(verdicts).map(([verdict, count]) => `${count} ${verdict}`)
  const [first, last] = [pods[0]?.startedAt, pods.at(-1)?.startedAt]
  const skipped = [
    input.others > 0 ? `${input.others} not from the plugin` : '',
    input.tooLong > 0 ? `${input.tooLong} too long` : '',
    input.broken > 0 ? `${input.broken} incomplete` : '',
    input.repeated > 0 ? `${input.repeated} repeated` : ''
  ].filter((text) => text !== '')
  const tone = pods.some(({ verdict }) => bad.has(verdict)) ? 'bad' : 'good'
  const period = first === undefined || last === undefined ? '' : `from ${dateOf(first)} to ${dateOf(last)}`
  const read = `${counted(input.lines, 'line')} read${skipped.length > 0 ? `, of these ${skipped.join(', ')}` : ''}`
  return [
    ...sentence(`${counted(reports, 'report')} of ${counted(names, 'pod')}: ${kinds.join(', ')}`, look, tone),
    ...period === '' ? [] : sentence(period, look, 'dim'),
    ...sentence(read, look, 'dim'),
    ...input.left > 0 ? sentence(`${counted(input.left, 'more report')} left out`, look, 'bad') : []
  ]
}

function dateOf (time: number): string {
  return time > 0 && time < 8.64e15 ? new Date(time).toISOString() : 'an unknown time'
}

/** The worst first. */
const rank = ({ verdict }: Pod): number => verdict === 'clean' ? 2 : verdict === 'cut' ? 1 : 0
const timeOf = ({ phases }: Pod, name: string): string => duration(phases.find(({ phase }) => phase === name)?.duration)

function podsOf ({ pods }: Summary, look: Look): Line[] {
  const sorted = pods.toSorted((one, other) => rank(one) - rank(other))
  const counts = new Map<string, number>()
  for (const { name } of pods) counts.set(name, (counts.get(name) ?? 0) + 1)
  const passed = ['announcing', 'closing', 'draining', 'terminated']
  return section('pods', ['name', 'verdict', 'took', ...passed, 'exit code'], sorted.map((pod) => [
    (counts.get(pod.name) ?? 0) > 1 ? nameAndPid(pod) : pod.name, pod.verdict, duration(pod.duration),
    ...passed.map((phase) => timeOf(pod, phase)), decimal(pod.exitCode)
  ]), look)
}

const nameAndPid = ({ name, pid }: { name: string, pid: number | undefined }): string =>
  pid === undefined ? name : `${name} (${pid})`

function howOf ({ how }: Summary['unreported'][number]): string {
  return how === 'watchdog' ? 'ended by the watchdog' : how === 'killed' ? 'killed' : 'no report here'
}

function detailOf ({ elapsed, planned, blockedIn, requests = 0 }: Summary['unreported'][number]): string {
  return [
    elapsed === undefined ? '' : `after ${duration(elapsed)} of ${duration(planned)}`,
    blockedIn === undefined ? '' : `in ${blockedIn}`,
    requests === 0 ? '' : `${counted(requests, 'request')} in flight`
  ].filter((text) => text !== '').join(', ')
}

/** A list below its title; nothing where there is none. */
function section (title: string, head: string[], rows: string[][], look: Look, tone?: Tone): Line[] {
  if (rows.length === 0) return []
  const shown = rows.slice(0, look.most)
  const more = rows.length - shown.length
  return [
    { text: '' },
    ...sentence(title, look, tone ?? 'strong'),
    ...table(head, shown, look.width).map((text) => ({ text })),
    ...more > 0 ? sentence(`  and ${more} more`, look, 'dim') : []
  ]
}

function arrivalsOf ({ lastArrivals, reports }: Summary, look: Look): Line[] {
  if (lastArrivals === undefined) return []
  const { median, most90, longest, longestOf: name, count, buckets } = lastArrivals
  const most = Math.max(...buckets.map((bucket) => bucket.count))
  const rows = buckets.map(({ from, to, count: inBucket }) => [
    to === undefined ? `from ${duration(from)}` : `to ${duration(to)}`, bar(inBucket, most, 10), decimal(inBucket)
  ])
  return [
    { text: '' },
    ...sentence('last new connection after the announcement', look, 'strong'),
    ...sentence(`  median ${duration(median)}, 90 % ${duration(most90)}, longest ${duration(longest)} (${name}); `
      + `none in ${counted(reports - count, 'report')}`, look),
    ...table([], rows, look.width).map((text) => ({ text }))
  ]
}

function lateOf ({ late }: Summary, look: Look): Line[] {
  if (late.connections === 0) return []
  const title = `late connections: ${late.connections} in ${counted(late.reports, 'report')}; others were refused`
  const rows = late.sources.map(({ address, count, reports }) => [address, decimal(count), counted(reports, 'report')])
  return rows.length === 0
    ? [{ text: '' }, ...sentence(title, look, 'bad')]
    : section(title, [], rows, look, 'bad')
}

function longestOf ({ longest, longestOf: name = '' }: Group<object>): [string, string] {
  return [duration(longest), name]
}

function cutOf ({ cut }: Summary, look: Look): Line[] {
  const places = (title: string, groups: Summary['cut']['requests']): Line[] =>
    section(title, ['', '', '', 'longest', 'of'], groups.map((group) => [
      `${group.method ?? 'after a request'} ${routeOf(group)}`, `×${group.count}`, counted(group.reports, 'report'),
      ...longestOf(group)
    ]), look, 'bad')
  const longLived = [
    cut.streams > 0 ? counted(cut.streams, 'stream') : '',
    cut.upgraded > 0 ? counted(cut.upgraded, 'upgraded socket') : ''
  ].filter((text) => text !== '')
  return [
    ...places('requests cut', cut.requests),
    ...places('connections cut soon after a request', cut.connections),
    ...places('requests ended by other code of the process', cut.byOthers),
    ...longLived.length === 0
      ? []
      : [{ text: '' }, ...sentence(`${longLived.join(' and ')} cut, which reconnect`, look)]
  ]
}

/** What to change, and why. */
function adviceOf ({ reports, advice: { values, others } }: Summary, look: Look): Line[] {
  const title = values.length === 0
    ? 'advice: no time has to be changed'
    : values.every(({ isEnough }) => isEnough)
      ? `advice: values that would have been enough for ${reports === 1 ? 'the report' : `all ${reports} reports`}`
      : 'advice: values to start with, because how long the cut requests would have taken is unknown'
  const why = ({ text, reports: count }: Cause): Line[] =>
    sentence(`    ${counted(count, 'end')}: ${text}`, look, undefined, '      ')
  return [
    ...sentence(title, look, 'strong'),
    ...values.flatMap(({ option, value, variable, chart, isEnough, causes }) => {
      const [seconds, least] = [value / 1000, isEnough ? '' : 'at least ']
      const text = `  ${option} ${least}${duration(value)}: ${variable}=${seconds}, chart ${chart}: ${seconds}`
      return [...sentence(text, look, undefined, '    '), ...causes.flatMap(why)]
    }),
    ...others.length === 0 ? [] : sentence('  no time helps with', look),
    ...others.flatMap(why)
  ]
}

/** Words in lines of so many cells; a word that is longer is broken. Lines after the first are indented. */
export function wrap (text: string, width: number, indent = ''): string[] {
  const lines: string[] = []
  // Of a deep indentation in a narrow terminal would be left nothing.
  const before = textWidth(indent) <= width / 2 ? indent : ''
  let line = ''
  let cells = 0
  let isEmpty = true
  const next = (): void => {
    lines.push(line.trimEnd())
    line = before
    cells = textWidth(before)
    isEmpty = true
  }
  for (const part of text.match(/ +|[^ ]+/g) ?? []) {
    const length = textWidth(part)
    if (part.startsWith(' ')) {
      if (!isEmpty || lines.length === 0) [line, cells] = [line + part, cells + length]
      continue
    }
    if (!isEmpty && cells + length > width) next()
    for (const character of cells + length > width ? part : [part]) {
      const size = textWidth(character)
      if (!isEmpty && cells + size > width) next()
      line += character
      cells += size
      isEmpty = false
    }
  }
  lines.push(line.trimEnd())
  return lines
}

/**
 * Rows below a head, where there is one, in columns, or where these are wider than that, each row as its first cell,
 * and below it each other one with its head.
 */
export function table (head: string[], rows: string[][], width: number, indent = '  '): string[] {
  const isNamed = head.some((name) => name !== '')
  const lines = columns([...isNamed ? [head] : [], ...rows]).map((line) => indent + line)
  if (lines.every((line) => textWidth(line) <= width)) return lines
  return rows.flatMap(([first = '', ...cells]) => [
    ...wrap(indent + first, width, `${indent}  `),
    ...wrap(`${indent}  ${cells.flatMap((cell, index) => cell === '' ? [] : [`${head[index + 1] ?? ''} ${cell}`.trim()])
      .join(', ')}`, width, `${indent}  `)
  ])
}
