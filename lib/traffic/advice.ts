import type { Budget } from '../lifecycle/budget.ts'
import type { CutRequest, PhaseRecord, ReportDraft } from '../lifecycle/report.ts'
import { crashDrainCap, fastCap } from '../lifecycle/deadlines.ts'
import { counted } from '../util/text.ts'

/** What an operator should change after this shutdown; empty where there is nothing. */
export function adviceOf (report: ReportDraft, budget: Budget): string[] {
  const [oldest] = report.cut.requests
  return [
    ...(report.traffic.lateArrivals > 0 ? [adviceOnLate(report, budget)] : []),
    ...(oldest === undefined ? [] : [adviceOnCut(report, oldest, budget)]),
    ...(report.cut.connections.length > 0 ? [adviceOnConnections(report, budget)] : []),
    ...(report.cut.byOthers.length > 0 ? [adviceOnOthers(report)] : [])
  ]
}

/** How much longer than its floor phase 1 may last and still have been held by that, in milliseconds. */
const atFloor = 200

/** What ended too early because somebody was impatient: no time that could be raised would have helped. */
const oneSignal = (gracePeriod: number): string =>
  `Send one signal only, and SIGKILL not before the grace period (${gracePeriod} ms) is over`

function phaseOf ({ phases }: ReportDraft, name: PhaseRecord['phase']): PhaseRecord | undefined {
  return phases.find(({ phase }) => phase === name)
}

/** What to do about connections that came late; their number is not 0. */
function adviceOnLate (report: ReportDraft, { announce, gracePeriod, preStop }: Budget): string {
  const { traffic: { lateArrivals, lateSources, lastArrival = 0, suggestedMin = 0 }, hurried, kind } = report
  const sources = lateSources.map(({ address, count }) => `${address}: ${count}`).join(', ')
  const arrived = `${counted(lateArrivals, 'new connection')} (${sources}) arrived within ${announce.quiet} ms before `
    + 'the listener closed, so later ones were refused'
  if (hurried === 'announcing') {
    return `${arrived}: a second signal capped phase 1 at ${fastCap} ms. ${oneSignal(gracePeriod)}`
  }
  if (kind === 'crash') {
    return `${arrived}: after a crash the service does not wait for the balancer. Find the cause of the crash`
  }
  return phaseOf(report, 'announcing')?.endedBy === 'cap' || suggestedMin - preStop > announce.max
    ? `${arrived}: after ${Math.ceil(lastArrival / 1000)} s the balancer still sent. Raise the grace `
      + `period (terminationGracePeriodSeconds, gracePeriod), which raises announce.max (${announce.max} `
      + `ms), and announce.min to ${suggestedMin} ms, or make the balancer take the endpoint out sooner`
    : `${arrived}: raise announce.min to ${suggestedMin} ms`
}

/** Whether a second signal came before draining was over: later it shortens nothing that traffic needs. */
function isHurried ({ hurried }: ReportDraft): boolean {
  return hurried !== undefined && hurried !== 'terminated'
}

function adviceOnCut (
  report: ReportDraft,
  { method, route, age }: CutRequest,
  { announce, gracePeriod }: Budget
): string {
  const { announcedBefore, cut: { requests }, kind } = report
  const announced = (phaseOf(report, 'announcing')?.duration ?? 0) - announcedBefore
  const drained = phaseOf(report, 'draining')?.duration ?? 0
  const cut = `${counted(requests.length, 'request')} ${requests.length === 1 ? 'was' : 'were'} cut after `
    + `${drained} ms of draining`
  const slow = `find out why ${method} ${route ?? '(no route)'} takes longer than ${age} ms`
  if (isHurried(report)) return `${cut}, which a second signal capped at ${fastCap} ms. ${oneSignal(gracePeriod)}`
  if (kind === 'crash' && drained >= crashDrainCap) {
    return `${cut}, which takes ${crashDrainCap} ms at most after a crash: find the cause of the crash, or ${slow}`
  }
  const shorter = announced > drained / 2 ? shorterAnnouncement(announced, announce) : ''
  return `${cut}: raise the grace period${shorter}, or ${slow}`
}

/** What made phase 1 so long: its floor, or what was waited for beyond that. */
function shorterAnnouncement (announced: number, { min, max }: Budget['announce']): string {
  const [name, time] = announced > min + atFloor ? ['max', max] : ['min', min]
  return `, or shorten announce.${name} (${time} ms)`
}

/** Connections that nobody had told to go, whose clients were using them until the end. */
function adviceOnConnections (report: ReportDraft, { gracePeriod }: Budget): string {
  const { cut: { connections }, kind } = report
  const drained = phaseOf(report, 'draining')?.duration ?? 0
  const ages = connections.map(({ age }) => age)
  const cut = `${counted(connections.length, 'connection')} ${connections.length === 1 ? 'was' : 'were'} cut `
    + `${Math.min(...ages)} ms or more after the last answer, when the next request may have been on its `
    + `way, after ${drained} ms of draining`
  if (isHurried(report)) return `${cut}, which a second signal capped at ${fastCap} ms. ${oneSignal(gracePeriod)}`
  if (kind === 'crash') return `${cut}: find the cause of the crash`
  return `${cut}: raise the grace period, so that each connection gets a response that closes it, or `
    + 'is idle for drain.idle'
}

function adviceOnOthers ({ cut: { byOthers } }: ReportDraft): string {
  const [{ method, route, age } = { method: '', route: undefined, age: 0 }] = byOthers
  return `${counted(byOthers.length, 'request')} (the first: ${method} ${route ?? '(no route)'} after ${age} `
    + "ms) lost the connection to code of this process that is not the plugin's: look for "
    + 'closeAllConnections, for destroy on a socket, a reply or a session, for a response whose source '
    + "broke off, and for the server's connectionTimeout"
}
