import { phases } from '../../lifecycle/phase.ts'
import type { Phase } from '../../lifecycle/phase.ts'
import { counted } from '../../text.ts'
import type { Fields } from './fields.ts'
import { amount, bar, columns, duration } from './format.ts'

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

const line = (text: string, tone?: Tone): Line => tone === undefined ? { text } : { text, tone }
const indented = (lines: string[], by = 4): Line[] => lines.map((text) => line(' '.repeat(by) + text))
/** Names of sections stand in a column of their own. */
const labelled = (label: string, text: string, tone?: Tone): Line => line(`  ${label.padEnd(13)}${text}`, tone)

/** The state in one line. */
export function headline (name: string, status: Fields, { at }: Pick<Context, 'at'>): Line {
  const ready = status.flag('ready') === true
  const since = status.number('since')
  const left = timeLeft(status, at)
  const reason = status.text('shutdown', 'reason')
  const parts = [ready ? 'ready' : 'NOT READY', `phase ${status.number('number') ?? '?'} ${status.text('phase')}${since === undefined || since === 0 ? '' : ` for ${duration(at - since)}`}`]
  if (reason !== undefined) parts.push(`because of ${reason}`)
  if (left !== undefined) parts.push(left >= 0 ? `${duration(left)} left for all work` : `${duration(-left)} over its deadline`)
  const why = ready ? '' : whyNotReady(status)
  if (why !== '') parts.push(why)
  return line(`${name}  ${parts.join(', ')}`, ready ? 'good' : 'bad')
}

/** Until the deadline, where there is one; after the end it means nothing. */
function timeLeft (status: Fields, at: number): number | undefined {
  const deadline = status.number('deadline')
  return deadline === undefined || status.at('report').there || status.text('phase') === 'terminated' ? undefined : deadline - at
}

function whyNotReady (status: Fields): string {
  if (status.text('phase') !== 'running') return ''
  const failing = status.list('checks').filter((check) => check.text('state') === 'failing').map((check) => check.text('name'))
  const reasons = [
    status.flag('started') === false ? 'starting' : '',
    ...status.texts('holds').map((reason) => `held: ${reason}`),
    failing.length === 0 ? '' : `failing: ${failing.join(', ')}`,
    status.number('readyChildren') === undefined ? '' : `${status.number('readyChildren')} of ${status.number('workers')} children ready, ${status.number('minReady')} needed`,
    status.flag('eventLoop', 'stalled') === true ? 'the event loop does not turn' : ''
  ]
  return reasons.filter((reason) => reason !== '').join('; ')
}

/** What the phase waits for, in one line; empty where it waits for nobody. */
export function waiting (status: Fields): string {
  const stalls = [...status.list('participants'), ...status.list('stalls')].filter((participant) => participant.text('reason') !== undefined)
  return stalls.map((stall) => `${stall.text('name')} (${stall.text('reason')})`).join(', ')
}

/** Everything below the headline: of an application, of a supervisor, or what a guardian knows. */
export function details (status: Fields, context: Context): Line[] {
  if (status.at('children').there) return supervisor(status, context)
  if (status.at('eventLoop').there) return guardian(status, context)
  if (status.at('budget').there) return application(status, context)
  return [...timeline(status, context), line(`  ${context.authorised ? 'the token is not accepted: ' : ''}the rest is for those with a token (--token, GRACEFUL_TOKEN)`, 'dim')]
}

function application (status: Fields, context: Context): Line[] {
  return [
    ...timeline(status, context),
    ...requests(status, context),
    connections(status),
    ...participants(status),
    ...checks(status),
    ...pressure(status),
    ...traffic(status),
    ...work(status),
    ...thread(status, context),
    ...report(status.at('report'))
  ]
}

function timeline (status: Fields, context: Context): Line[] {
  const current = status.text('phase')
  const rows = phases.map((phase, number) => [`${phase === current ? '>' : ' '} ${number} ${phase}`, budgetOf(phase, status.at('budget')), ...progress(phase, status, context)])
  return columns(rows).map((text, number) => line(text, phases[number] === current ? 'strong' : undefined))
}

function budgetOf (phase: Phase, budget: Fields): string {
  const time = (...names: string[]): number => budget.number(...names) ?? 0
  if (!budget.there || phase === 'running') return ''
  switch (phase) {
    case 'announcing': return `${duration(time('announce', 'min'))} to ${duration(time('announce', 'max'))}`
    case 'closing': return `up to ${duration(time('closing'))}`
    case 'draining': return `rest of ${duration(time('gracePeriod') - time('reserve') - time('close'))}`
    case 'terminated': return `up to ${duration(time('close'))}`
  }
}

/** How long a phase has lasted, and what it waits for or what ended it. */
function progress (phase: Phase, status: Fields, { at }: Context): string[] {
  const over = status.at('report').there ? status.list('report', 'phases') : status.list('shutdown', 'phases')
  const record = over.find((one) => one.text('phase') === phase)
  if (record !== undefined) return [duration(record.number('duration')), record.text('endedBy') === 'cap' ? `cap reached, still waiting for ${stalledBy(record)}` : '']
  const since = status.number('since') ?? 0
  if (phase !== status.text('phase')) return ['', '']
  const elapsed = at - since
  const cap = capOf(phase, status)
  const waits = waiting(status)
  return [since === 0 ? '' : duration(elapsed), [cap === undefined ? '' : bar(elapsed, cap, 10), waits === '' ? '' : `waits for ${waits}`].filter((part) => part !== '').join(' ')]
}

const stalledBy = (record: Fields): string => record.list('stalledBy').map((stall) => `${stall.text('name')} (${stall.text('reason')})`).join(', ') || 'nobody'

/** The longest that the phase may last; undefined where it has no end of its own. */
function capOf (phase: Phase, status: Fields): number | undefined {
  const deadline = status.number('deadline')
  // A second signal, or a crash, makes it shorter than the budget has it.
  if (status.at('shutdown').there) return status.number('shutdown', 'cap')
  switch (phase) {
    case 'running': return undefined
    // A drain by hand has no deadline, and no cap.
    case 'announcing': return deadline === undefined ? undefined : status.number('budget', 'announce', 'max')
    case 'closing': return status.number('budget', 'closing')
    case 'draining': return deadline === undefined ? undefined : deadline - (status.number('since') ?? deadline)
    case 'terminated': return status.number('budget', 'close')
  }
}

function requests (status: Fields, { most }: Context): Line[] {
  const all = status.list('requests')
  const oldest = Math.max(0, ...all.map((request) => request.number('age') ?? 0))
  const rows = all.slice(0, most).map((request) => [duration(request.number('age')), bar(request.number('age') ?? 0, oldest, 10), request.text('method') ?? '?', request.text('route') ?? '(no route)', request.text('kind') ?? ''])
  // Of very many not all are listed.
  const count = Math.max(all.length, status.number('inFlight') ?? 0)
  return [labelled('in flight', count === 0 ? 'nothing' : counted(count, 'request')), ...indented(columns(rows)), ...count > rows.length ? indented([`and ${count - rows.length} more`]) : []]
}

function connections (status: Fields): Line {
  const names: Record<string, string> = { sessions: 'http2' }
  return labelled('connections', status.entries('connections').map(([name, count]) => `${names[name] ?? name} ${amount(count.number())}`).join(', '))
}

function participants (status: Fields): Line[] {
  const all = status.list('participants')
  const rows = all.map((participant) => [participant.text('name') ?? '?', participant.text('reason') ?? 'does not stall'])
  return all.length === 0 ? [] : [line('  participants'), ...indented(columns(rows))]
}

function checks (status: Fields): Line[] {
  const all = status.list('checks')
  const rows = columns(all.map((check) => [
    check.text('name') ?? '?',
    check.text('state') ?? '?',
    check.number('age') === undefined ? 'never run' : `took ${duration(check.number('duration'))}, ${duration(check.number('age'))} ago`,
    `for ${check.texts('kinds').join(', ')}`,
    check.text('error') ?? ''
  ]))
  return all.length === 0 ? [] : [line('  checks'), ...rows.map((text, index) => line(`    ${text}`, all[index]?.text('state') === 'failing' ? 'bad' : undefined))]
}

function pressure (status: Fields): Line[] {
  const given = status.at('pressure')
  if (!given.there) return []
  const under = given.flag('underPressure') === true
  const mebibytes = (name: string): string => `${amount((given.number(name) ?? 0) / 2 ** 20)} MiB`
  return [labelled('pressure', `${under ? 'UNDER PRESSURE' : 'none'}, event loop ${duration(given.number('eventLoopDelay'))} late and ${amount((given.number('eventLoopUtilized') ?? 0) * 100)} % busy, heap ${mebibytes('heapUsed')}, resident ${mebibytes('rssBytes')}`, under ? 'bad' : undefined)]
}

function traffic (status: Fields): Line[] {
  const given = status.at('traffic')
  if (!given.there) return []
  const announced = status.text('phase') !== 'running'
  const parts = [`${amount(given.number('rate'))} new connections/s${announced ? ' before' : ''}`]
  if (announced) parts.push(`${given.number('arrivals') ?? 0} since the announcement`)
  if (given.at('lastArrival').there) parts.push(`the last after ${duration(given.number('lastArrival'))}`)
  if (given.text('evidence') !== undefined) parts.push(given.text('evidence') === 'observed' ? 'the balancer has stopped sending' : 'no evidence yet that the balancer has stopped')
  return [labelled('traffic', parts.join(', ')), ...late(status), ...probes(given)]
}

/** Where there are any, others were refused. */
function late (status: Fields): Line[] {
  const count = status.number('traffic', 'lateArrivals') ?? 0
  if (count === 0) return []
  const after = status.number('traffic', 'lastArrival')
  const [own, reported] = [status.list('traffic', 'lateSources'), status.list('report', 'traffic', 'lateSources')]
  const sources = (own.length > 0 ? own : reported).map((source) => `${source.text('address')} (${source.number('count')})`)
  const advice = status.number('report', 'traffic', 'suggestedMin')
  return [labelled('late', [
    counted(count, 'connection'),
    after === undefined ? '' : `the last ${duration(after)} after the announcement`,
    sources.length === 0 ? '' : `from ${sources.join(', ')}`,
    advice === undefined ? '' : `announce.min of ${duration(advice)} would have been enough`
  ].filter((part) => part !== '').join(', '), 'bad')]
}

function probes (given: Fields): Line[] {
  const told = given.list('probes').map((probe) => `${probe.text('prober')} (${counted(probe.number('answers') ?? 0, 'answer')}, the first after ${duration(probe.number('first'))})`)
  return told.length === 0 ? [] : [labelled('told not ready', ` ${told.join(', ')}`)]
}

function work (status: Fields): Line[] {
  const names = status.texts('work')
  return names.length === 0 ? [] : [labelled('background', names.join(', '))]
}

function thread (status: Fields, { at }: Context): Line[] {
  const given = status.at('guardian')
  if (!given.there) return []
  const stalls = given.number('stalls') ?? 0
  const last = given.at('lastStall')
  const parts = [given.text('state') ?? '?', given.at('port').there ? `on port ${given.number('port')}` : '', stalls === 0 ? 'no stall' : `${counted(stalls, 'stall')} of ${duration(given.number('stalledTime'))}`]
  if (last.there) parts.push(`the last of ${duration(last.number('duration'))} ${duration(at - (last.number('at') ?? at))} ago in ${last.text('blockedIn') ?? 'native code'}`)
  return [labelled('guardian', parts.filter((part) => part !== '').join(', '), given.text('state') === 'failed' ? 'bad' : undefined)]
}

function report (given: Fields): Line[] {
  if (!given.there) return []
  const cut = given.list('cut', 'requests').map((request) => `${request.text('method')} ${request.text('route') ?? '(no route)'} after ${duration(request.number('age'))}`)
  const failures = given.list('failures').map((failure) => `${failure.text('name')} failed in phase ${failure.text('phase')}: ${failure.text('message')}`)
  return [
    labelled('report', `${given.text('verdict')}, exit code ${amount(given.number('exitCode'))}: ${given.text('summary')}`, given.text('verdict') === 'clean' ? 'good' : 'bad'),
    ...indented([...cut.map((text) => `cut: ${text}`), ...failures, ...given.texts('advice')])
  ]
}

/** What the guardian knows while the event loop hangs. */
function guardian (status: Fields, context: Context): Line[] {
  const loop = status.at('eventLoop')
  const stalled = loop.flag('stalled') === true
  const state = `has not turned for ${duration(loop.number('silence'))}${stalled ? `, held by ${loop.text('blockedIn') ?? 'native code'}` : ''}`
  return [...timeline(status, context), labelled('event loop', state, 'bad'), ...status.list('applications').flatMap((one) => {
    const waits = waiting(one)
    return [
      line(`  ${one.text('name')}  phase ${one.text('phase')}, ${one.flag('ready') === true ? 'ready' : 'not ready'}${waits === '' ? '' : `, waits for ${waits}`}`, 'strong'),
      ...requests(one, context)
    ]
  })]
}

function supervisor (status: Fields, context: Context): Line[] {
  const children = status.list('children')
  const rows = children.map((child) => [
    amount(child.number('child')),
    amount(child.number('pid')),
    child.text('phase') ?? 'starting',
    child.flag('responding') === false ? 'DOES NOT ANSWER' : child.flag('ready') === true ? 'ready' : 'not ready',
    amount(child.number('inFlight')),
    amount(child.number('restarts')),
    duration(context.at - (child.number('startedAt') ?? context.at)),
    [child.flag('leaving') === true ? 'leaves' : '', child.list('applications').map(waiting).filter((text) => text !== '').join('; ')].filter((text) => text !== '').join(', ')
  ])
  const [head = '', ...table] = columns([['child', 'pid', 'phase', '', 'in flight', 'restarts', 'up', 'waits for'], ...rows])
  const summary = `${status.number('readyChildren')} of ${status.number('workers')} ready, ${status.number('minReady')} needed${status.flag('reloading') === true ? ', reloading' : ''}`
  return [
    ...timeline(status, context),
    labelled('children', summary),
    line(`    ${head}`, 'dim'),
    ...table.map((text, index) => line(`    ${text}`, children[index]?.flag('responding') === false ? 'bad' : undefined)),
    ...children.flatMap((child) => child.list('applications').flatMap((one) => [
      { ...headline(`  child ${child.number('child')}`, one, context), tone: 'strong' as const },
      ...application(one, context)
    ]))
  ]
}
