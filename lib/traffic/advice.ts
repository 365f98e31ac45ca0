import type { Budget } from '../lifecycle/budget.ts'
import type { CutRequest, PhaseRecord, ReportDraft } from '../lifecycle/report.ts'
import { crashDrainCap, fastCap } from '../lifecycle/timing.ts'
import { counted } from '../text.ts'

/** What an operator should change after this shutdown; empty where there is nothing. */
export function adviceOf (report: ReportDraft, budget: Budget): string[] {
  const [oldest] = report.cut.requests
  return [
    ...(report.traffic.lateArrivals > 0 ? [adviceOnLate(report, budget)] : []),
    ...(oldest === undefined ? [] : [adviceOnCut(report, oldest, budget)])
  ]
}

/** What ended too early because somebody was impatient: no time that could be raised would have helped. */
const oneSignal = (gracePeriod: number): string => `Send one signal only, and SIGKILL not before the grace period (${gracePeriod} ms) is over`

function phaseOf ({ phases }: ReportDraft, name: PhaseRecord['phase']): PhaseRecord | undefined {
  return phases.find(({ phase }) => phase === name)
}

/** What to do about connections that came late; their number is not 0. */
function adviceOnLate (report: ReportDraft, { announce, gracePeriod, preStop }: Budget): string {
  const { traffic: { lateArrivals, lateSources, lastArrival = 0, suggestedMin = 0 }, hurried, kind } = report
  const sources = lateSources.map(({ address, count }) => `${address}: ${count}`).join(', ')
  const arrived = `${counted(lateArrivals, 'new connection')} (${sources}) arrived within ${announce.quiet} ms before the listener closed, so later ones were refused`
  if (hurried === 'announcing') return `${arrived}: a second signal capped phase 1 at ${fastCap} ms. ${oneSignal(gracePeriod)}`
  if (kind === 'crash') return `${arrived}: after a crash nobody waits for the balancer. Look for what crashed`
  return phaseOf(report, 'announcing')?.endedBy === 'cap' || suggestedMin - preStop > announce.max
    ? `${arrived}: after ${Math.ceil(lastArrival / 1000)} s the balancer still sent. Raise the grace period (terminationGracePeriodSeconds, gracePeriod), which raises announce.max (${announce.max} ms), and announce.min to ${suggestedMin} ms, or make the balancer take the endpoint out sooner`
    : `${arrived}: raise announce.min to ${suggestedMin} ms`
}

function adviceOnCut (report: ReportDraft, { method, route, age }: CutRequest, { announce, gracePeriod }: Budget): string {
  const { announcedBefore, cut: { requests }, hurried, kind } = report
  const announced = (phaseOf(report, 'announcing')?.duration ?? 0) - announcedBefore
  const drained = phaseOf(report, 'draining')?.duration ?? 0
  const cut = `${counted(requests.length, 'request')} ${requests.length === 1 ? 'was' : 'were'} cut after ${drained} ms of draining`
  const slow = `find out why ${method} ${route ?? '(no route)'} takes longer than ${age} ms`
  if (hurried !== undefined) return `${cut}, which a second signal capped at ${fastCap} ms. ${oneSignal(gracePeriod)}`
  if (kind === 'crash' && drained >= crashDrainCap) return `${cut}, which takes ${crashDrainCap} ms at most after a crash: look for what crashed, or ${slow}`
  const shorten = announced > drained / 2 ? `, or shorten announce.max (${announce.max} ms)` : ''
  return `${cut}: raise the grace period${shorten}, or ${slow}`
}
