import { cutBudget } from '../../lifecycle/budget.ts'
import type { Budget } from '../../lifecycle/budget.ts'
import type { Phase } from '../../lifecycle/phase.ts'
import { counted } from '../../util/text.ts'
import { duration } from '../../status/words.ts'
import type { Unreported, Facts } from './facts.ts'

/** Why a value is advised. */
export interface Cause {
  text: string
  /** How many ends have it. */
  reports: number
}

/** A value that would have been enough. */
interface Value {
  option: 'gracePeriod' | 'announce.min' | 'announce.max' | 'close'
  /** Milliseconds. */
  value: number
  /** The variable of the environment, which takes seconds. */
  variable: string
  /** The value of the Helm chart, in seconds. */
  chart: string
  /** Whether it is known to be enough. How long a cut request would have taken is unknown. */
  isEnough: boolean
  causes: Cause[]
}

/** One set of values for all reports. Without a cause there is none. */
export interface Advice {
  values: Value[]
  /** What no value helps with. */
  others: Cause[]
}

const names: ReadonlyArray<Pick<Value, 'option' | 'variable' | 'chart'>> = [
  {
    option: 'gracePeriod', variable: 'TERMINATION_GRACE_PERIOD_SECONDS', chart: 'terminationGracePeriodSeconds'
  },
  { option: 'announce.min', variable: 'GRACEFUL_ANNOUNCE_MIN_SECONDS', chart: 'announce.minSeconds' },
  { option: 'announce.max', variable: 'GRACEFUL_ANNOUNCE_MAX_SECONDS', chart: 'announce.maxSeconds' },
  { option: 'close', variable: 'GRACEFUL_CLOSE_SECONDS', chart: 'closeSeconds' }
]

/** The longest grace period that is looked for, in seconds, and the longest announcement, in milliseconds. */
const longest = 24 * 3600
const longestMin = 12 * 3_600_000
/** Where a report does not say. */
const usualGracePeriod = 30_000
/** How much less than its cap a phase may last that has reached it, in milliseconds. */
const tolerance = 300

const seconds = (milliseconds: number): number => Math.ceil(milliseconds / 1000) * 1000

/** What of an end asks for more time. All in milliseconds. */
interface Need {
  facts: Facts
  /** What draining would have taken. */
  draining: number
  /** What phase 4 would have taken, where draining leaves it what is kept for it. */
  close: number
}

/** Values that would have been enough for all, and what none helps with. */
export function adviseOn (reports: readonly Facts[], unreported: readonly Unreported[] = []): Advice {
  const late = reports.filter(isLate)
  const needs = reports.map(needOf)
  const min = Math.max(0, ...late.map(({ suggestedMin = 0 }) => suggestedMin))
  const close = Math.max(0, ...needs.map((need) => need.close))
  // Somebody has set it: without that the cap is what the grace period leaves.
  const capped = late.filter((facts) => isCappedBefore(facts, min))
  const max = capped.length > 0 ? Math.max(min, ...reports.map((facts) => seconds(announcedFor(facts)))) : 0
  const settings = { min, max, close }
  const short = needs.filter((need) => leastGracePeriod(need, settings) > graceOf(need.facts))
  const killed = unreported.filter(({ how, planned }) => how === 'killed' && planned !== undefined)
  const gracePeriod = Math.max(
    0,
    ...short.map((need) => leastGracePeriod(need, settings)),
    // Another one of them may have more already, and is to keep it.
    ...short.length > 0 ? reports.map((facts) => seconds(graceOf(facts))) : [],
    ...killed.map(({ planned = 0 }) => seconds(planned))
  )
  const values = [
    { option: 'gracePeriod', value: gracePeriod, causes: causesOfGrace(short, killed, min) },
    { option: 'announce.min', value: min, causes: causesOfMin(late) },
    { option: 'announce.max', value: max, causes: causesOfMax(capped) },
    { option: 'close', value: close, causes: causesOfClose(needs) }
  ]
  return {
    values: names.flatMap((name) => values.filter(({ option, value }) => option === name.option && value > 0)
      .map(({ value, causes }): Value => ({ ...name, value, isEnough: isEnough(name.option, short), causes }))),
    others: othersOf(reports, unreported)
  }
}

/** Whether connections came late, and an announcement of any length would have met them. */
function isLate ({ lateArrivals, suggestedMin, kind, hurried }: Facts): boolean {
  return lateArrivals > 0 && suggestedMin !== undefined && suggestedMin <= longestMin && kind !== 'crash'
    && hurried !== 'announcing'
}

const phaseOf = ({ phases }: Facts, name: Phase): Facts['phases'][number] =>
  phases.find(({ phase }) => phase === name) ?? { phase: name, duration: 0, endedBy: 'condition' }
const graceOf = ({ gracePeriod }: Facts): number => gracePeriod || usualGracePeriod
/** How long phase 1 lasted from the signal on. */
const announcedFor = (facts: Facts): number =>
  Math.max(0, phaseOf(facts, 'announcing').duration - facts.announcedBefore)
/** Whether a second signal, or a crash, had cut the times short. */
const isCurtailed = ({ kind, hurried }: Facts): boolean =>
  kind === 'crash' || (hurried !== undefined && hurried !== 'terminated')

/** Who was cut gets twice the time: the least of which it can be said that it is another attempt. */
function needOf (facts: Facts): Need {
  const drained = phaseOf(facts, 'draining')
  const closed = phaseOf(facts, 'terminated')
  if (isCurtailed(facts)) return { facts, draining: drained.duration, close: 0 }
  const { requests, oldest, connections, drainedWithout, terminatedWithout } = facts
  const longer = Math.max(
    requests > 0 ? Math.max(oldest?.age || 0, drained.duration) : 0,
    connections > 0 || drainedWithout.length > 0 ? drained.duration : 0
  )
  const isCut = terminatedWithout.length > 0 && facts.hurried === undefined
  return { facts, draining: drained.duration + longer, close: isCut ? seconds(2 * closed.duration) : 0 }
}

const isCut = ({ facts, draining, close }: Need): boolean =>
  close > 0 || draining > phaseOf(facts, 'draining').duration

/** The least whole second that leaves an end all that it needs; 0 where nothing is missing. */
function leastGracePeriod (need: Need, { min, max, close }: Record<'min' | 'max' | 'close', number>): number {
  const { facts, draining } = need
  const announced = Math.max(min, announcedFor(facts))
  const suffices = (time: number): boolean => {
    const budget = budgetOf(time, close)
    if (budget.announce.max < Math.max(min, max)) return false
    const { reserve, close: kept, closing } = budget
    return !isCut(need) || time - reserve - kept - closing >= announced + draining
  }
  let [least, most] = [Math.max(1, Math.floor(graceOf(facts) / 1000)), longest]
  if (suffices(least * 1000)) most = least
  while (least < most) {
    const middle = Math.floor((least + most) / 2)
    if (suffices(middle * 1000)) most = middle
    else least = middle + 1
  }
  // The times that were set may differ from the defaults: more by what was missing is enough in any case.
  const missing = isCut(need) ? draining - phaseOf(facts, 'draining').duration + need.close / 2 : 0
  return Math.max(least * 1000, missing > 0 ? seconds(graceOf(facts) + missing) : 0)
}

function budgetOf (gracePeriod: number, close: number): Budget {
  return cutBudget({ gracePeriod, preStop: 0, ...close > 0 && { close } })
}

/** Whether phase 1 was at its cap before it had lasted as long as by default. */
function isCappedBefore (facts: Facts, min: number): boolean {
  const time = announcedFor(facts)
  return phaseOf(facts, 'announcing').endedBy === 'cap' && time < min
    && time < budgetOf(graceOf(facts), 0).announce.max - tolerance
}

function isEnough (option: Value['option'], short: readonly Need[]): boolean {
  return option.startsWith('announce') || (option === 'gracePeriod' && !short.some(isCut))
}

/** A cause, where there is one. */
function cause (reports: number, text: () => string): Cause[] {
  return reports > 0 ? [{ text: text(), reports }] : []
}

function longestOf<T> (items: readonly T[], timeOf: (item: T) => number): T {
  return items.reduce((one, other) => timeOf(other) > timeOf(one) ? other : one)
}

function causesOfMin (late: readonly Facts[]): Cause[] {
  return cause(late.length, () => {
    const { lastArrival, name } = longestOf(late, (facts) => facts.lastArrival ?? 0)
    return `new connections came until ${duration(lastArrival)} after the announcement (${name}), so later ones were `
      + 'refused'
  })
}

function causesOfMax (capped: readonly Facts[]): Cause[] {
  return cause(capped.length, () => {
    const facts = longestOf(capped, announcedFor)
    return `phase 1 was over after ${duration(announcedFor(facts))} while the balancer still sent `
      + `(${facts.name}): announce.max is set to less than the grace period allows`
  })
}

function causesOfGrace (short: readonly Need[], killed: readonly Unreported[], min: number): Cause[] {
  const cutRequests = short.filter(({ facts }) => facts.requests > 0 && !isCurtailed(facts))
  const cutConnections = short.filter(({ facts }) => facts.connections > 0 && !isCurtailed(facts))
  const stalled = short.filter(({ facts }) => facts.drainedWithout.length > 0)
  const unclosed = short.filter(({ close }) => close > 0)
  const announced = short.filter((need) => !isCut(need))
  return [
    ...cause(cutRequests.length, () => {
      const { name, oldest } = longestOf(cutRequests, ({ facts }) => facts.oldest?.age || 0).facts
      return `requests were cut: ${oldest?.method} ${oldest?.route ?? '(no route)'} after ${duration(oldest?.age)} `
        + `(${name})`
    }),
    ...cause(cutConnections.length, () => 'connections were cut while their clients used them'),
    ...cause(stalled.length, () => `no longer waited for when draining: ${namesIn(stalled, 'drainedWithout')}`),
    ...cause(unclosed.length, () => `no longer waited for in phase 4: ${namesIn(unclosed, 'terminatedWithout')}`),
    ...cause(announced.length, () => `announce.min of ${duration(min)} does not fit otherwise`),
    ...cause(killed.length, () => {
      const { elapsed, planned, name } = longestOf(killed, (end) => end.planned ?? 0)
      return `killed ${duration(elapsed)} after the signal, but ${duration(planned)} were planned (${name}): `
        + 'whatever sends SIGKILL must wait as long'
    })
  ]
}

function causesOfClose (needs: readonly Need[]): Cause[] {
  const all = needs.filter(({ close }) => close > 0)
  return cause(all.length, () => `phase 4 was over after ${duration(Math.max(...all.map((need) => need.close)) / 2)} `
    + `without: ${namesIn(all, 'terminatedWithout')}`)
}

function namesIn (needs: readonly Need[], list: 'drainedWithout' | 'terminatedWithout'): string {
  const all = [...new Set(needs.flatMap(({ facts }) => facts[list]))]
  return all.slice(0, 5).join(', ') + (all.length > 5 ? ` and ${all.length - 5} more` : '')
}

function othersOf (reports: readonly Facts[], unreported: readonly Unreported[]): Cause[] {
  const many = (test: (facts: Facts) => boolean): number => reports.filter(test).length
  const ends = (how: Unreported['how']): number => unreported.filter((end) => end.how === how).length
  const byOthers = reports.reduce((sum, facts) => sum + facts.byOthers, 0)
  return [
    ...cause(many(({ hurried }) => hurried !== undefined),
      () => 'a second signal, which leaves each phase a second: send one, and SIGKILL not before the grace period is '
        + 'over'),
    ...cause(many(({ kind }) => kind === 'crash'),
      () => 'a crash, after which the service waits for less: find the cause of the crash'),
    ...cause(many((facts) => facts.byOthers > 0),
      () => `${counted(byOthers, 'request')} ended by other code of the process: look for closeAllConnections and `
        + 'destroy'),
    ...cause(ends('watchdog'), () => 'ended by the watchdog: the event loop was blocked'),
    ...cause(ends('unknown'), () => 'a shutdown without a report: the process was killed, or the log ends too early')
  ]
}
