import type { Budget } from './budget.ts'
import type { PhaseRecord, ReportDraft } from './report.ts'
import { fastCap } from './deadlines.ts'
import { counted } from '../util/text.ts'

/** How many names of a list are told. */
const mostNamed = 10

/**
 * What to do about hooks, participants and work that were no longer waited for; nothing where there are none.
 *
 * @param neverRan the `onClose` hooks that had not begun
 */
export function adviceOnWaiting (report: ReportDraft, budget: Budget, neverRan: readonly string[]): string[] {
  const { cut: { waiting }, phases } = report
  return phases.flatMap((record) => {
    const { phase, endedBy, stalledBy } = record
    const names = stalledBy.map(({ name }) => name).filter((name) => waiting.includes(name))
    if (endedBy !== 'cap' || names.length === 0 || phase === 'announcing' || phase === 'closing') return []
    return [phase === 'terminated'
      ? adviceOnLast(report, record, names, budget, neverRan)
      : adviceOnDrain(report, record, names, budget)]
  })
}

function adviceOnDrain ({ hurried }: ReportDraft, { duration }: PhaseRecord, names: string[], budget: Budget): string {
  const left = `${listed(names)} still ran after ${duration} ms of draining, and `
    + `${names.length === 1 ? 'was' : 'were'} no longer waited for`
  return hurried === undefined ? `${left}: ${faster(names, budget)}` : `${left}: ${oneSignal(budget)}`
}

function adviceOnLast (
  { hurried, phases }: ReportDraft,
  { duration }: PhaseRecord,
  names: string[],
  budget: Budget,
  neverRan: readonly string[]
): string {
  const never = neverRan.length === 0
    ? ''
    : `. ${counted(neverRan.length, 'onClose hook')} never ran: ${listed(neverRan)}`
  const left = `${listed(names)} still ran after ${duration} ms of phase 4, and `
    + `${names.length === 1 ? 'was' : 'were'} no longer waited for${never}`
  if (hurried !== undefined) return `${left}. ${oneSignal(budget)}`
  // Whoever came before has left no more than what is kept.
  const isSqueezed = phases.some(({ phase, endedBy }) => phase === 'draining' && endedBy === 'cap')
  if (!isSqueezed) return `${left}. ${sentence(faster(names, budget))}`
  return `${left}. Raise option 'close' (${budget.close} ms), which is reserved for it however long draining takes, or `
    + faster(names, budget)
}

function faster (names: readonly string[], { gracePeriod }: Budget): string {
  return `raise the grace period (gracePeriod ${gracePeriod} ms, terminationGracePeriodSeconds in Kubernetes), or `
    + `make ${names.length === 1 ? 'it' : 'them'} faster`
}

function oneSignal ({ gracePeriod }: Budget): string {
  return `A second signal had capped each phase at ${fastCap} ms: send one signal only, and SIGKILL not before the `
    + `grace period (${gracePeriod} ms) is over`
}

function listed (names: readonly string[]): string {
  const shown = names.slice(0, mostNamed)
  return names.length > shown.length ? `${shown.join(', ')} and ${names.length - shown.length} more` : shown.join(', ')
}

function sentence (text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
