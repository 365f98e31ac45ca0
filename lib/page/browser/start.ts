import { readyChildrenOf, stepsOf, unreadiness } from '../../status/sentences.ts'
import { merge } from '../../status/shown.ts'
import type { Shown } from '../../status/shown.ts'
import { capitalized, duration } from '../../status/words.ts'
import {
  drawChecks, drawConnections, drawLoop, drawParticipants, drawRequests, drawTraffic, graceText
} from './cards.ts'
import { drawChildren, verdictOf, aggregateOf } from './children.ts'
import { drawGrace, drawReport, drawTimeline, verdictSign } from './shutdown.ts'
import { readStream } from './stream.ts'
import { draw, element, figure, find, signed, tick, ticking, timeOf, timeOfDay } from './view.ts'
import type { View } from './view.ts'

start()

/** Starts the page: draws the state that came with it, and follows the stream. */
function start (): void {
  const state = JSON.parse(find('state').textContent ?? '{}') as Shown
  const view: View = { state, ahead: (state.at ?? Date.now()) - Date.now(), frozen: undefined, drawn: new Map() }
  drawAll(view)
  setInterval(() => tick(view), 250)
  const stream = follow(view)
  find('unlock').addEventListener('submit', (event) => {
    event.preventDefault()
    const field = find('token') as HTMLInputElement
    // What no header can carry is no token.
    const isToken = /^[!-~]+$/.test(field.value)
    view.drawn.set('tried', isToken ? 'refused' : 'odd')
    if (isToken) stream.restart(field.value)
    else drawUnlock(view)
    field.value = ''
  })
}

/** Follows the stream, and says how it stands. */
function follow (view: View): ReturnType<typeof readStream> {
  let last: Shown | undefined
  let over = false
  // A whole URL: a path that begins with two slashes would be another host's.
  return readStream(`${location.origin}${location.pathname.replace(/\/+$/, '')}/events`, {
    open () {
      draw(view, 'link', 'open', () => [signed('●', 'Live', 'good')])
    },
    event (name, data) {
      const { state: before } = view
      const isOther = before.instance !== undefined && data.instance !== before.instance
      if (name === 'status' && isOther) tellOther(view, last ?? before)
      else if (name === 'status') draw(view, 'notice', undefined, () => [])
      last = undefined
      over = name === 'report'
      view.state = name === 'status' ? data : merge(before, data)
      view.ahead = (data.at ?? Date.now()) - Date.now()
      view.frozen = undefined
      drawAll(view)
      tellPhase(before, view.state)
    },
    lost (delay, why) {
      last ??= view.state
      view.frozen ??= timeOf(view)
      tellLost(view, delay, over, why)
      tick(view)
    }
  })
}

/** Draws everything. Only what has changed is drawn anew. */
function drawAll (view: View): void {
  const whole = { ...view, state: aggregateOf(view.state) }
  drawHead({ ...whole, state: { ...whole.state, shutdown: whole.state.shutdown ?? view.state.shutdown } })
  drawTimeline(whole)
  drawGrace(whole)
  drawReport(view)
  // Requests, participants and checks of a supervisor stand at each child.
  for (const drawCard of [drawChildren, drawRequests, drawParticipants, drawChecks]) drawCard(view)
  for (const drawCard of [drawConnections, drawTraffic, drawLoop]) drawCard(whole)
  drawUnlock(view)
  drawAlarm(view)
  const { process, versions } = view.state
  draw(view, 'versions', process && { process, versions }, () => [
    replicaOf(process),
    versions && ` · fastify-graceful ${versions.package}, Fastify ${versions.fastify}, Node ${versions.node}`
  ])
  tick(view)
}

/** Which of the service's processes this is. */
function replicaOf (process: Shown['process']): string {
  return process === undefined ? '' : `${process.hostname}, pid ${process.pid}`
}

/** The reason of the state: who asked for the end, or what prevents readiness; for a supervisor, its ready children. */
function whyOf (state: Shown): string | undefined {
  const { phase, ready, shutdown } = state
  const children = readyChildrenOf(state) ?? ''
  if (shutdown === undefined) {
    return sentencesOf([children, ...phase === 'running' && ready === false ? unreadiness(state) : []]) || undefined
  }
  const { kind, reason, startedAt, hurried } = shutdown
  if (kind === undefined) return sentencesOf(['A drain by hand', children])
  return sentencesOf([
    `${kind === 'crash' ? 'Crash' : 'Asked for'} by ${reason} at ${timeOfDay(startedAt)}`,
    hurried === undefined ? '' : 'A second signal made it fast'
  ])
}

function sentencesOf (parts: string[]): string {
  return parts.filter((part) => part !== '').map((part) => `${capitalized(part)}.`).join(' ')
}

/** The phase, in the title, the head and the figures. */
function drawHead (view: View): void {
  const { state } = view
  const { phase = 'running', number = 0, ready, since = 0, at = 0, shutdown, report, deadline, process } = state
  const { inFlight, connections } = state
  const verdict = report?.verdict ?? verdictOf(state)
  const over = verdict !== undefined
  const took = report?.duration ?? at - (shutdown?.startedAt ?? at)
  const step = stepsOf(state)[number]
  const title = step?.title ?? phase
  const alarm = state.eventLoop?.blocked === true ? 'Blocked · ' : ''
  const load = inFlight !== undefined && !over ? ` · ${inFlight} in flight` : ''
  const replica = process === undefined ? '' : ` · ${replicaOf(process)}`
  document.title = `${alarm}${over ? `Ended, ${verdict}` : title}${load}${replica} · Status`
  document.body.dataset['phase'] = phase
  draw(view, 'phase', title, () => [title])
  draw(view, 'eyebrow', number, () => [`Phase ${number} of 4`])
  const meaning = over ? 'The shutdown is over.' : step?.purpose
  draw(view, 'meaning', meaning, () => [meaning])
  draw(view, 'ready', verdict ?? ready ?? false, () => [
    verdict !== undefined
      ? verdictSign(verdict)
      : ready === true ? signed('✓', 'Ready', 'good') : signed('○', 'Not ready', 'warn')
  ])
  const shown = {
    since,
    inFlight,
    open: connections?.['open'],
    deadline: deadline === undefined ? undefined : Math.round(deadline / 100),
    over,
    took: over ? took : undefined,
    reason: shutdown?.reason,
    drain: shutdown !== undefined && shutdown.kind === undefined
  }
  draw(view, 'figures', shown, () => [
    inFlight !== undefined && !over && figure('in flight', String(inFlight)),
    shown.open !== undefined && !over && figure('connections', String(shown.open)),
    over
      ? figure('from the announcement to the end', duration(took))
      : figure('in this phase for', ticking({ from: since })),
    deadline !== undefined && !over && figure('left until the deadline', ticking({ to: deadline }), 'deadline')
  ])
  const why = whyOf(state)
  draw(view, 'why', why, () => [why])
  draw(view, 'grace-title', graceText(state) || undefined, () => [graceText(state)])
}

/** The field for the token, where one would show more. */
function drawUnlock (view: View): void {
  const { access } = view.state
  find('unlock-panel').hidden = access === 'whole'
  find('unlock').hidden = access !== 'token'
  find('closed').hidden = access !== 'public'
  const tried = view.drawn.get('tried')
  const text = tried === 'odd'
    ? 'This is not a token: it has characters that no token has.'
    : 'This token was not accepted.'
  draw(view, 'unlock-said', access === 'token' ? tried : undefined, () => [signed('✕', text, 'bad')])
}

/** An event loop that does not turn. */
function drawAlarm (view: View): void {
  const { at = 0, eventLoop } = view.state
  const blocked = eventLoop?.blocked === true
  document.body.dataset['alarm'] = blocked ? 'yes' : 'no'
  const { silence = 0, blockedIn } = eventLoop ?? {}
  const from = at - silence
  const holder = blockedIn === undefined
    ? 'Native code, or a function that is not known yet, holds it.'
    : 'The function that holds it: '
  draw(view, 'alarm', blocked ? { from: Math.round(from / 100), blockedIn } : undefined, () => [
    element('h2', {}, signed('✕', 'The event loop is blocked', 'bad')),
    element('p', {},
      'It has not turned for ', ticking({ from }), '. ',
      holder, blockedIn !== undefined && element('code', {}, blockedIn)),
    element('p', {}, 'The watchdog tells this. What else is here it was told before, and has grown older since.')
  ])
  if (blocked && view.drawn.get('said') !== 'blocked') find('said').textContent = 'The event loop is blocked.'
  view.drawn.set('said', blocked ? 'blocked' : '')
}

/** Says a new phase to whoever does not see it. */
function tellPhase (before: Shown, now: Shown): void {
  if (now.report !== undefined && before.report === undefined) {
    find('said').textContent = `The shutdown is over: ${now.report.verdict}.`
  } else if (before.phase !== now.phase || before.ready !== now.ready) {
    find('said').textContent = `Phase ${now.phase}, ${now.ready === true ? 'ready' : 'not ready'}.`
  }
}

/** The connection has ended: what is shown is the last that is known. `over`: it was the end of the process. */
function tellLost (view: View, delay: number, over: boolean, why: string | undefined): void {
  const { state, frozen = 0 } = view
  draw(view, 'link', { delay }, () => [
    over ? signed('■', 'Ended', 'calm') : signed('!', 'Connection lost', 'warn'),
    ` · next try in ${duration(delay)}`
  ])
  const code = state.exitCode === undefined ? '' : ` and code ${state.exitCode}`
  const problem = why === undefined ? '' : `; now ${why}`
  const text = over
    ? `The stream ended at ${timeOfDay(frozen)}, with the process${code}. This is its last state.`
    : `Connection lost at ${timeOfDay(frozen)}, in phase ${state.phase}. This is the last known state${problem}.`
  if (view.drawn.get('notice') !== JSON.stringify(text)) find('said').textContent = text
  draw(view, 'notice', text, () => [element('p', {}, text)])
}

/** Another process answers: what became of the one before. */
function tellOther (view: View, { report, phase }: Shown): void {
  draw(view, 'notice', { other: report?.startedAt ?? phase, at: Date.now() }, () => [element('p', {},
    `Another process answers since ${timeOfDay(Date.now() + view.ahead)}. The one before: `,
    report === undefined ? `last seen in phase ${phase}.` : verdictSign(report.verdict),
    report !== undefined && `, ${report.summary}`)])
}
