import type { Budget } from '../lifecycle/budget.ts'
import type { ReportDraft } from '../lifecycle/report.ts'

/** What an operator should change after this shutdown; empty where there is nothing. */
export function adviceOf ({ phases, traffic, cut }: ReportDraft, budget: Budget): string[] {
  const advice: string[] = []
  const announcing = phases.find(({ phase }) => phase === 'announcing')
  if (traffic.lateArrivals > 0) {
    const seconds = Math.ceil((traffic.lastArrival ?? 0) / 1000)
    const arrived = `${traffic.lateArrivals} new connections arrived within ${budget.announce.quiet} ms before the listener closed, so later ones were refused`
    advice.push(announcing?.endedBy === 'cap'
      ? `${arrived}: after ${seconds} s the balancer still sent. Raise the grace period (terminationGracePeriodSeconds, gracePeriod), which raises announce.max (${budget.announce.max} ms), or make the balancer take the endpoint out sooner`
      : `${arrived}: raise announce.min above ${seconds * 1000} ms`)
  }
  if (cut.requests.length > 0) {
    const draining = phases.find(({ phase }) => phase === 'draining')
    const [oldest] = cut.requests
    const shorten = (announcing?.duration ?? 0) > (draining?.duration ?? 0) / 2 ? `, or shorten announce.max (${budget.announce.max} ms)` : ''
    advice.push(`${cut.requests.length} requests were cut after ${draining?.duration ?? 0} ms of draining: raise the grace period${shorten}, or find out why ${oldest?.method} ${oldest?.route ?? '(no route)'} takes longer than ${oldest?.age} ms`)
  }
  return advice
}
