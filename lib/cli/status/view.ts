import { phases } from '../../lifecycle/phase.ts'
import type { Phase } from '../../lifecycle/phase.ts'
import type { Fields } from './fields.ts'
import { amount, bar, columns, duration, enumerate, grouped } from './format.ts'
import { labelled, line, requests, sections } from './sections.ts'
import type { Context, Line } from './sections.ts'

/** The state in one line. */
export function headline (name: string, status: Fields, { at }: Pick<Context, 'at'>): Line {
  const ready = status.flag('ready') === true
  const since = status.number('since')
  const left = timeLeft(status, at)
  const reason = status.text('shutdown', 'reason')
  const time = since === undefined || since === 0 ? '' : ` for ${duration(at - since)}`
  const parts = [
    ready ? 'ready' : 'NOT READY',
    `phase ${status.number('number') ?? '?'} ${status.text('phase')}${time}`
  ]
  if (reason !== undefined) parts.push(`because of ${reason}`)
  if (left !== undefined) {
    parts.push(left >= 0 ? `${duration(left)} left for all work` : `${duration(-left)} over its deadline`)
  }
  // Of a supervisor, whether it is ready or not.
  if (status.number('readyChildren') !== undefined) {
    parts.push(`${status.number('readyChildren')} of ${status.number('workers')} children ready, `
      + `${status.number('minReady')} needed`)
  }
  const why = ready ? '' : whyNotReady(status)
  if (why !== '') parts.push(why)
  return line(`${name}  ${parts.join(', ')}`, ready ? 'good' : 'bad')
}

/** Until the deadline, where there is one; after the end it means nothing. */
function timeLeft (status: Fields, at: number): number | undefined {
  const deadline = status.number('deadline')
  return deadline === undefined || status.at('report').there || status.text('phase') === 'terminated'
    ? undefined
    : deadline - at
}

function whyNotReady (status: Fields): string {
  const hang = status.flag('eventLoop', 'blocked') === true ? 'the event loop does not turn' : ''
  if (status.text('phase') !== 'running') return hang
  const failing = status.list('checks')
    .filter((check) => check.text('state') === 'failing')
    .map((check) => check.text('name') ?? '?')
  const reasons = [
    status.flag('started') === false ? 'starting' : '',
    enumerate(status.texts('holds').map((reason) => `held: ${reason}`), '; '),
    failing.length === 0 ? '' : `failing: ${enumerate(failing)}`,
    hang
  ]
  return reasons.filter((reason) => reason !== '').join('; ')
}

/** What the phase waits for, in one line; empty where it waits for nobody. */
export function waiting (status: Fields): string {
  const stalls = [...status.list('participants'), ...status.list('stalls')]
    .filter((participant) => participant.text('reason') !== undefined)
  return [named(stalls), enumerate(waitingChildren(status), '; ')].filter((text) => text !== '').join('; ')
}

/** What the children of a supervisor wait for, once it has left phase 0. */
function waitingChildren (status: Fields): string[] {
  if (status.text('phase') === 'running') return []
  return status.list('children').flatMap((child) => {
    const waits = child.flag('responding') === false
      ? 'it does not answer'
      : child.list('applications').map(waiting).filter((text) => text !== '').join('; ')
    return waits === '' ? [] : [`child ${child.number('child') ?? '?'}: ${waits}`]
  })
}

/** Each name once, with the reason of its first; how long each of a thousand has run is no help. */
function named (stalls: Fields[]): string {
  const groups = grouped(stalls, (stall) => stall.text('name') ?? '?')
  return enumerate(groups.map(({ label, items, first }) => ({ text: `${label} (${first.text('reason')})`, items })))
}

/** Everything below the headline: of an application, of a supervisor, or what a watchdog knows. */
export function details (status: Fields, context: Context): Line[] {
  if (status.at('children').there) return supervisor(status, context)
  if (status.at('budget').there) return application(status, context)
  if (status.at('applications').there) return watchdog(status, context)
  // Whoever began to look during a hang; strangers are not told of the event loop.
  if (status.at('eventLoop').there) return application(status, context)
  return [...timeline(status, context), line(`  ${withheld(status, context)}`, 'dim')]
}

/** Why there is no more. */
function withheld (status: Fields, { authorised }: Context): string {
  const access = status.text('access')
  if (access === 'public') return 'the rest is for those with a token, and no admin.token is set there'
  return `${authorised ? 'the token is not accepted: ' : ''}the rest is for those with a token `
    + '(what admin.token is there, as --token or GRACEFUL_TOKEN here)'
}

function application (status: Fields, context: Context): Line[] {
  return [
    ...timeline(status, context),
    ...status.flag('eventLoop', 'blocked') === true ? [eventLoop(status)] : [],
    ...sections(status, context)
  ]
}

function timeline (status: Fields, context: Context): Line[] {
  const current = status.text('phase')
  const rows = phases.map((phase, number) => [
    `${phase === current ? '>' : ' '} ${number} ${phase}`,
    budgetOf(phase, status.at('budget')),
    ...progress(phase, status, context)
  ])
  return columns(rows).map((text, number) => line(text, phases[number] === current ? 'strong' : undefined))
}

function budgetOf (phase: Phase, budget: Fields): string {
  const time = (...names: string[]): number => budget.number(...names) ?? 0
  if (!budget.there || phase === 'running') return ''
  switch (phase) {
    case 'announcing': return `${duration(time('announce', 'min'))} to ${duration(time('announce', 'max'))}`
    case 'closing': return `up to ${duration(time('closing'))}`
    case 'draining':
      return `rest of ${duration(time('gracePeriod') - time('preStop') - time('reserve') - time('close'))}`
    case 'terminated': return `up to ${duration(time('close'))}`
  }
}

/** How long a phase has lasted, and what it waits for or what ended it. */
function progress (phase: Phase, status: Fields, { at }: Context): string[] {
  const over = status.at('report').there ? status.list('report', 'phases') : status.list('shutdown', 'phases')
  const record = over.find((one) => one.text('phase') === phase)
  if (record !== undefined) {
    return [
      duration(record.number('duration')),
      record.text('endedBy') === 'cap' ? `cap reached, still waiting for ${stalledBy(record)}` : ''
    ]
  }
  const since = status.number('since') ?? 0
  if (phase !== status.text('phase')) return ['', '']
  const elapsed = at - since
  const cap = capOf(phase, status)
  const waits = waiting(status)
  const remarks = [cap === undefined ? '' : bar(elapsed, cap, 10), waits === '' ? '' : `waits for ${waits}`]
  return [since === 0 ? '' : duration(elapsed), remarks.filter((part) => part !== '').join(' ')]
}

const stalledBy = (record: Fields): string => named(record.list('stalledBy')) || 'nobody'

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

function eventLoop (status: Fields): Line {
  const loop = status.at('eventLoop')
  // A silence that is too short to count as blocked is still the reason that no more is shown.
  if (loop.flag('blocked') !== true) return labelled('event loop', 'too busy to answer')
  const holder = loop.text('blockedIn') ?? 'what is not known, as native code'
  return labelled('event loop', `has not turned for ${duration(loop.number('silence'))}, held by ${holder}`, 'bad')
}

/** What the watchdog knows of all applications while they do not answer. */
function watchdog (status: Fields, context: Context): Line[] {
  return [
    ...timeline(status, context),
    ...status.at('eventLoop').there ? [eventLoop(status)] : [],
    ...status.list('applications').flatMap((one) => {
      const waits = waiting(one)
      const state = `${one.flag('ready') === true ? 'ready' : 'not ready'}${waits === '' ? '' : `, waits for ${waits}`}`
      return [
        line(`  ${one.text('name')}  phase ${one.text('phase')}, ${state}`, 'strong'),
        ...requests(one, context)
      ]
    })
  ]
}

function supervisor (status: Fields, context: Context): Line[] {
  const children = status.list('children')
  const rows = children.map((child) => [
    amount(child.number('child')),
    amount(child.number('pid')),
    child.text('phase') ?? 'starting',
    child.flag('responding') === false ? 'DOES NOT ANSWER' : child.flag('ready') === true ? 'ready' : 'not ready',
    amount(child.number('inFlight')),
    amount(child.number('connections')),
    amount(child.number('restarts')),
    duration(context.at - (child.number('startedAt') ?? context.at)),
    [
      child.flag('leaving') === true ? 'leaves' : '',
      child.list('applications').map(waiting).filter((text) => text !== '').join('; ')
    ].filter((text) => text !== '').join(', ')
  ])
  const [head = '', ...table] = columns([
    ['child', 'pid', 'phase', '', 'in flight', 'connections', 'restarts', 'up', 'waits for'],
    ...rows
  ])
  return [
    ...timeline(status, context),
    line(`  children${status.flag('reloading') === true ? ', reloading' : ''}`),
    line(`    ${head}`, 'dim'),
    ...table.map((text, index) =>
      line(`    ${text}`, children[index]?.flag('responding') === false ? 'bad' : undefined)),
    ...children.flatMap((child) => child.list('applications').flatMap((one) => [
      { ...headline(`  child ${child.number('child')}`, one, context), tone: 'strong' as const },
      ...application(one, context)
    ]))
  ]
}
