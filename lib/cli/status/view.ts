import { phases } from '../../lifecycle/phase.ts'
import {
  boundsOf, endOf, partsOf, placeOf, readyChildrenOf, recordsOf, stepsOf, unreadiness, waitsOf
} from '../../status/sentences.ts'
import type { Shown } from '../../status/shown.ts'
import type { Step } from '../../status/sentences.ts'
import { decimal, duration, enumerate, grouped } from '../../status/words.ts'
import { bar, columns } from '../cells.ts'
import { joined, labelled, line, requests, sections, stallsOf } from './sections.ts'
import type { Context, Line } from './sections.ts'

/** The state in one line. */
export function headline (name: string, status: Shown, { at }: Pick<Context, 'at'>): Line {
  const { phase, number, ready = false, since = 0, shutdown, eventLoop } = status
  const left = timeLeft(status, at)
  const time = since === 0 ? '' : ` for ${duration(at - since)}`
  const unready = phase === 'running' ? unreadiness(status) : unreadiness({ ...eventLoop && { eventLoop } })
  const text = joined([
    ready ? 'ready' : 'NOT READY',
    `phase ${decimal(number)} ${phase}${time}`,
    shutdown?.reason === undefined ? '' : `because of ${shutdown.reason}`,
    left === undefined
      ? ''
      : left >= 0 ? `${duration(left)} left for all work` : `${duration(-left)} over its deadline`,
    // Of a supervisor, whether it is ready or not.
    readyChildrenOf(status) ?? '',
    ready ? '' : unready.join('; ')
  ])
  return line(`${name}  ${text}`, ready ? 'good' : 'bad')
}

/** Until the deadline, where there is one; after the end it means nothing. */
function timeLeft ({ deadline, report, phase }: Shown, at: number): number | undefined {
  return deadline === undefined || report !== undefined || phase === 'terminated' ? undefined : deadline - at
}

/** What the phase waits for, in one line; empty where it waits for nobody. */
export function waiting (status: Shown): string {
  const { participants = [], stalls = [] } = status
  const children = grouped(waitingChildren(status))
  return joined([stallsOf([...participants, ...stalls]), enumerate(children, ({ first }) => first, '; ')], '; ')
}

/** What the children of a supervisor wait for, once it has left phase 0. */
function waitingChildren ({ phase, children = [] }: Shown): string[] {
  if (phase === 'running') return []
  return children.flatMap((one) => {
    const waits = stallsOf(waitsOf(one))
    return waits === '' ? [] : [`child ${decimal(one.child)}: ${waits}`]
  })
}

/** Everything below the headline: of an application, of a supervisor, or what a watchdog knows. */
export function details (status: Shown, context: Context): Line[] {
  const { children, budget, applications, eventLoop } = status
  if (children !== undefined) return supervisor(status, context)
  if (budget !== undefined) return application(status, context)
  if (applications !== undefined) return watchdog(status, context)
  // Whoever began to look during a hang; strangers are not told of the event loop.
  if (eventLoop !== undefined) return application(status, context)
  return [...timeline(status, context), line(`  ${withheld(status, context)}`, 'dim')]
}

/** Why there is no more. */
function withheld ({ access }: Shown, { authorised }: Context): string {
  if (access === 'public') return 'the rest is for those with a token, and no admin.token is set there'
  return `${authorised ? 'the token is not accepted: ' : ''}the rest is for those with a token `
    + '(what admin.token is there, as --token or GRACEFUL_TOKEN here)'
}

function application (status: Shown, context: Context): Line[] {
  return [
    ...timeline(status, context),
    ...status.eventLoop?.blocked === true ? [turns(status.eventLoop)] : [],
    ...sections(status, context)
  ]
}

function timeline (status: Shown, context: Context): Line[] {
  const { phase: current, budget, platform } = status
  const rows = stepsOf(status).map((step, number) => [
    `${step.phase === current ? '>' : ' '} ${number} ${step.phase}`,
    budget === undefined ? '' : boundsOf(step),
    ...progress(step, status, context)
  ])
  const lines = columns(rows).map((text, number) => line(text, phases[number] === current ? 'strong' : undefined))
  if (budget === undefined || budget.gracePeriod === 0) return lines
  const parts = partsOf(budget).map(({ text, length }) => `${duration(length)} ${text}`)
  const where = platform === undefined ? '' : ` (${platform})`
  return [...lines, labelled('grace', `${duration(budget.gracePeriod)}${where}: ${parts.join(', ')}`)]
}

/** How long a phase has lasted, and what it waits for or what ended it. */
function progress ({ phase, cap }: Step, status: Shown, { at }: Context): string[] {
  const record = recordsOf(status).find((one) => one.phase === phase)
  if (record !== undefined) {
    const still = record.endedBy === 'cap' ? `still waiting for ${stallsOf(record.stalledBy) || 'nobody'}` : ''
    return [duration(record.duration), joined([endOf(record), still])]
  }
  if (phase !== status.phase) return ['', '']
  const { since = 0 } = status
  const waits = waiting(status)
  return [
    since === 0 ? '' : duration(at - since),
    joined([cap === undefined ? '' : bar(at - since, cap, 10), waits === '' ? '' : `waits for ${waits}`], ' ')
  ]
}

function turns ({ blocked, silence, blockedIn }: NonNullable<Shown['eventLoop']>): Line {
  // A silence that is too short to count as blocked is still the reason that no more is shown.
  if (!blocked) return labelled('event loop', 'too busy to answer')
  return labelled('event loop', `has not turned for ${duration(silence)}, held by ${placeOf(blockedIn)}`, 'bad')
}

/** What the watchdog knows of all applications while they do not answer. */
function watchdog (status: Shown, context: Context): Line[] {
  return [
    ...timeline(status, context),
    ...status.eventLoop === undefined ? [] : [turns(status.eventLoop)],
    ...(status.applications ?? []).flatMap((one) => {
      const waits = waiting(one)
      const state = joined([one.ready === true ? 'ready' : 'not ready', waits === '' ? '' : `waits for ${waits}`])
      return [line(`  ${one.name}  phase ${one.phase}, ${state}`, 'strong'), ...requests(one, context)]
    })
  ]
}

function supervisor (status: Shown, context: Context): Line[] {
  const { children = [], reloading } = status
  const rows = children.map((child) => [
    decimal(child.child),
    decimal(child.pid),
    child.phase ?? 'starting',
    child.responding ? child.ready ? 'ready' : 'not ready' : 'DOES NOT ANSWER',
    decimal(child.inFlight),
    decimal(child.connections),
    decimal(child.restarts),
    duration(context.at - child.startedAt),
    joined([child.leaving ? 'leaves' : '', stallsOf(waitsOf(child))])
  ])
  const [head = '', ...table] = columns([
    ['child', 'pid', 'phase', '', 'in flight', 'connections', 'restarts', 'up', 'waits for'],
    ...rows
  ])
  return [
    ...timeline(status, context),
    line(`  children${reloading === true ? ', reloading' : ''}`),
    line(`    ${head}`, 'dim'),
    ...table.map((text, index) => line(`    ${text}`, children[index]?.responding === false ? 'bad' : undefined)),
    ...children.flatMap(({ child, applications = [] }) => applications.flatMap((one) => [
      { ...headline(`  child ${decimal(child)}`, one, context), tone: 'strong' as const },
      ...application(one, context)
    ]))
  ]
}
