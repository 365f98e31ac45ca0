import { counted } from '../../util/text.ts'
import type { Fields } from './fields.ts'
import { amount, bar, columns, duration, enumerate, grouped } from './format.ts'

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
  return line(`  ${label.padEnd(13)}${text}`, tone)
}

const indented = (lines: string[]): Line[] => lines.map((text) => line(`    ${text}`))

const rest = (count: number): Line[] => count > 0 ? indented([`and ${count} more`]) : []

/** What an application tells besides its phases. */
export function sections (status: Fields, context: Context): Line[] {
  return [
    ...requests(status, context),
    ...connections(status),
    ...participants(status, context),
    ...checks(status, context),
    ...pressure(status),
    ...traffic(status),
    ...work(status),
    ...thread(status, context),
    ...report(status.at('report'), context)
  ]
}

/** What is in flight. */
export function requests (status: Fields, { most }: Context): Line[] {
  const all = status.list('requests')
  const oldest = all.reduce((age, request) => Math.max(age, request.number('age') ?? 0), 0)
  const rows = all.slice(0, most).map((request) => [
    duration(request.number('age')),
    bar(request.number('age') ?? 0, oldest, 10),
    request.text('method') ?? '?',
    request.text('route') ?? '(no route)',
    request.text('kind') ?? ''
  ])
  // Of very many not all are listed.
  const count = Math.max(all.length, status.number('inFlight') ?? 0)
  return [
    labelled('in flight', count === 0 ? 'nothing' : counted(count, 'request')),
    ...indented(columns(rows)),
    ...rest(count - rows.length)
  ]
}

function connections (status: Fields): Line[] {
  const names: Record<string, string> = { sessions: 'http2' }
  if (!status.at('connections').there) return []
  const counts = status.entries('connections')
    .map(([name, count]) => `${names[name] ?? name} ${amount(count.number())}`)
  return [labelled('connections', counts.join(', '))]
}

function participants (status: Fields, { most }: Context): Line[] {
  const all = status.list('participants')
  // Those of a name that stall, and those that do not.
  const groups = [true, false].flatMap((stalls) => {
    const some = all.filter((one) => stalls === (one.text('reason') !== undefined))
    return grouped(some, (one) => one.text('name') ?? '?')
  })
  const shown = groups.slice(0, most)
  const rows = shown.map(({ label, first }) => [label, first.text('reason') ?? 'does not stall'])
  return all.length === 0 ? [] : [
    line('  participants'),
    ...indented(columns(rows)),
    ...rest(all.length - shown.reduce((sum, { items }) => sum + items, 0))
  ]
}

function checks (status: Fields, { most }: Context): Line[] {
  const all = status.list('checks')
  const rows = columns(all.slice(0, most).map((check) => [
    check.text('name') ?? '?',
    check.text('state') ?? '?',
    check.number('age') === undefined
      ? 'never run'
      : `took ${duration(check.number('duration'))}, ${duration(check.number('age'))} ago`,
    `for ${check.texts('kinds').join(', ')}`,
    check.text('error') ?? ''
  ]))
  return all.length === 0 ? [] : [
    line('  checks'),
    ...rows.map((text, index) => line(`    ${text}`, toneOf(all[index]))),
    ...rest(all.length - rows.length)
  ]
}

function toneOf (check: Fields | undefined): Tone | undefined {
  const state = check?.text('state')
  return state === 'failing' ? 'bad' : state === 'degraded' ? 'strong' : undefined
}

function pressure (status: Fields): Line[] {
  const given = status.at('pressure')
  if (!given.there) return []
  const under = given.flag('underPressure') === true
  const mebibytes = (name: string): string => `${amount((given.number(name) ?? 0) / 2 ** 20)} MiB`
  const busy = amount((given.number('eventLoopUtilized') ?? 0) * 100)
  const text = `${under ? 'UNDER PRESSURE' : 'none'}, event loop ${duration(given.number('eventLoopDelay'))} late and `
    + `${busy} % busy, heap ${mebibytes('heapUsed')}, resident ${mebibytes('rssBytes')}`
  return [labelled('pressure', text, under ? 'bad' : undefined)]
}

function traffic (status: Fields): Line[] {
  const given = status.at('traffic')
  if (!given.there) return []
  const announced = status.text('phase') !== 'running'
  const parts = [`${amount(given.number('rate'))} new connections/s${announced ? ' before' : ''}`]
  if (announced) parts.push(`${given.number('arrivals') ?? 0} since the announcement`)
  if (given.at('lastArrival').there) parts.push(`the last after ${duration(given.number('lastArrival'))}`)
  if (given.text('evidence') !== undefined) {
    parts.push(given.text('evidence') === 'observed'
      ? 'the balancer has stopped sending'
      : 'no evidence that the balancer has stopped')
  }
  return [labelled('traffic', parts.join(', ')), ...late(status), ...probes(given), ...frontEnds(given)]
}

/** Where there are any, others were refused. */
function late (status: Fields): Line[] {
  const count = status.number('traffic', 'lateArrivals') ?? 0
  if (count === 0) return []
  const after = status.number('traffic', 'lastArrival')
  const [own, reported] = [status.list('traffic', 'lateSources'), status.list('report', 'traffic', 'lateSources')]
  const sources = (own.length > 0 ? own : reported).map((source) =>
    `${source.text('address')} (${source.number('count')})`)
  const advice = status.number('report', 'traffic', 'suggestedMin')
  return [labelled('late', [
    counted(count, 'connection'),
    after === undefined ? '' : `the last ${duration(after)} after the announcement`,
    sources.length === 0 ? '' : `from ${enumerate(sources)}`,
    advice === undefined ? '' : `announce.min of ${duration(advice)} would have been enough`
  ].filter((part) => part !== '').join(', '), 'bad')]
}

function probes (given: Fields): Line[] {
  const told = given.list('probes').map((probe) => {
    const answers = counted(probe.number('answers') ?? 0, 'answer')
    return `${probe.text('prober')} (${answers}, the first after ${duration(probe.number('first'))})`
  })
  return told.length === 0 ? [] : [labelled('told not ready', ` ${enumerate(told)}`)]
}

function frontEnds (given: Fields): Line[] {
  const all = given.list('frontEnds').map((one) => {
    const prober = one.text('prober') ?? 'other'
    const every = one.at('interval').there ? `every ${duration(one.number('interval'))}` : 'asked once'
    const answers = one.number('answers') ?? 0
    const outcome = one.text('outcome') ?? 'pending'
    return [
      prober === 'other' ? '' : `${prober} `,
      `${one.text('route') ?? '?'} from ${one.text('address') ?? 'no one address'} (${every}`,
      answers === 0 ? '' : `, ${counted(answers, 'failing answer')}`,
      outcome === 'pending' ? ')' : `, ${outcome})`
    ].join('')
  })
  return all.length === 0 ? [] : [labelled('in front', enumerate(all))]
}

function work (status: Fields): Line[] {
  const names = status.texts('work')
  const groups = grouped(names, (name) => name).map(({ label, items }) => ({ text: label, items }))
  return names.length === 0 ? [] : [labelled('background', enumerate(groups))]
}

function thread (status: Fields, { at }: Context): Line[] {
  const given = status.at('watchdog')
  if (!given.there) return []
  const blocked = given.number('blockedCount') ?? 0
  const last = given.at('lastBlocked')
  const parts = [
    given.text('state') ?? '?',
    given.at('port').there ? `on port ${given.number('port')}` : '',
    blocked === 0 ? 'never blocked' : `blocked ${counted(blocked, 'time')} for ${duration(given.number('blockedTime'))}`
  ]
  if (last.there) {
    const place = last.text('blockedIn') ?? 'a place that is not known, as inside native code'
    const age = duration(at - (last.number('at') ?? at))
    parts.push(`the last of ${duration(last.number('duration'))} ${age} ago in ${place}`)
  }
  const text = parts.filter((part) => part !== '').join(', ')
  return [labelled('watchdog', text, given.text('state') === 'failed' ? 'bad' : undefined)]
}

/** A request by its method and its route. */
function nameOf (request: Fields): string {
  return `${request.text('method') ?? 'a request'} ${request.text('route') ?? '(no route)'}`
}

function report (given: Fields, { most }: Context): Line[] {
  if (!given.there) return []
  const cut = [
    ...given.list('cut', 'requests')
      .map((request) => `cut: ${nameOf(request)} after ${duration(request.number('age'))}`),
    ...given.list('cut', 'byOthers')
      .map((request) => `ended by others: ${nameOf(request)} after ${duration(request.number('age'))}`),
    ...given.list('cut', 'connections').map((connection) => {
      const client = connection.text('address') ?? 'an unknown client'
      return `cut: a connection of ${client}, ${duration(connection.number('age'))} after ${nameOf(connection)}`
    })
  ]
  const failures = given.list('failures')
    .map((failure) => `${failure.text('name')} failed in phase ${failure.text('phase')}: ${failure.text('message')}`)
  return [
    labelled(
      'report',
      `${given.text('verdict')}, exit code ${amount(given.number('exitCode'))}: ${given.text('summary')}`,
      given.text('verdict') === 'clean' ? 'good' : 'bad'
    ),
    ...indented(cut.slice(0, most)),
    ...rest(cut.length - most),
    ...indented(failures.slice(0, most)),
    ...rest(failures.length - most),
    ...indented(given.texts('advice'))
  ]
}
