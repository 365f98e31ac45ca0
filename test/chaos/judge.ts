import { longestWork, serviceEnds } from './model.ts'
import type { PossibleEnd } from './model.ts'
import { childEnds, markOf, readTold } from './observation.ts'
import type { End, Lost, Observation, Told } from './observation.ts'
import { childBounds, supervisorEnds } from './tree-model.ts'

/** What was expected, by the name of its rule. */
export const rules = {
  'in-time': 'a process is gone when its time is over, and what it has started',
  'exit-code': 'it ends as what was sent to it makes it end',
  'request': 'no request is lost on a connection that was accepted, but what the report of a hurried end names',
  'line': 'no line of the log is lost',
  'one-report': 'there is one report of an end in order',
  'last-line': 'nothing follows the report',
  'report': 'the report says what was: its exit code, and a second signal where there was one',
  'work': 'background work is waited for',
  'fault': 'the plugin has no fault of its own'
} as const

/** Something that is not as the documentation says. */
export interface Problem { rule: keyof typeof rules, text: string }

/** A process, with what is expected of it. */
interface Judged {
  told: Told
  /** Undefined where nobody has told. */
  end: End | undefined
  reports: PossibleEnd['reports']
  /** What is lost with it is nobody's fault. */
  mayLose: boolean
  mayHurry: boolean
  /** Whether its lines are on their way to nobody. */
  isUnread: boolean
}

/** Idle connections are closed after 2000 ms, and clients leave theirs after 250. */
export const longestPause = 1500
/** Lines about the end that no clean end has. */
const ownFaults = new Set(['graceful.fault', 'graceful.internals', 'graceful.predecessor'])

/** What is wrong with what was seen; nothing where all is as documented. */
export function judge (seen: Observation): Problem[] {
  const { plan, pid, end, isGivenUp, left } = seen
  const told = readTold(seen)
  const main = told.get(pid)!
  const problems: Problem[] = []
  const object = (rule: Problem['rule'], text: string): void => { problems.push({ rule, text }) }
  const delays = delaysOf(seen, told)
  const ofMain = seen.sent.filter(({ target }) => target !== 'child')
  const paused = seen.late + seen.pause + delays
  const slack = paused + 100
  const situation = { plan, told: main, sent: ofMain, end, slack, paused, isStarved: isStarved(seen, main) }
  const ends = plan.shape === 'tree' ? supervisorEnds(situation) : serviceEnds(situation)
  const fitting = ends.filter(({ code, signal }) => code === end.code && signal === end.signal)
  if (isGivenUp) {
    object('in-time', `it did not end: ${describe(ends)}`)
  } else if (fitting.length === 0) {
    object('exit-code', `it ended with ${end.signal ?? end.code}, expected ${describe(ends)}`)
  } else {
    const by = Math.max(...fitting.map((possible) => possible.by)) + delays
    if (end.at > by + seen.late + seen.pause) {
      const [is, most, late] = [end.at, by, seen.late + seen.pause].map(Math.round)
      object('in-time', `it was gone after ${is} ms, expected ${most} at most, on a machine that was ${late} ms late`)
    }
  }
  if (left.length > 0) object('in-time', `processes that are left: ${left.join(', ')}`)
  const judged = plan.shape === 'tree'
    ? childrenOf(seen, told, main, fitting, object)
    : [serviceOf(main, end, fitting, isGivenUp)]
  for (const each of judged) judgeProcess(seen, each, object)
  judgeLosses(seen, judged, object)
  for (const { log } of told.values()) {
    for (const { event = '', text } of log) if (ownFaults.has(event)) object('fault', text)
  }
  return problems
}

/** By how much the plan itself has held the processes up, in milliseconds. */
function delaysOf ({ sent }: Observation, told: Map<number, Told>): number {
  const blocks = [...told.values()].flatMap(({ marks }) => marks.filter(({ name }) => name === 'block'))
  return blocks.reduce((sum, { value }) => sum + value, 0) + sent.reduce((sum, { pause }) => sum + pause, 0)
}

function describe (ends: readonly PossibleEnd[]): string {
  return ends.map(({ code, signal, why }) => `${signal ?? code} (${why})`).join(' or ') || 'that it goes on'
}

function serviceOf (told: Told, end: End, fitting: readonly PossibleEnd[], isGivenUp: boolean): Judged {
  const mostCounted = Math.max(0, ...fitting.map(({ count }) => count))
  const isKilled = isGivenUp || end.signal !== null
  const needs = new Set(fitting.map(({ reports }) => reports))
  return {
    told, end, isUnread: false,
    reports: isKilled || needs.size !== 1 ? 'any' : [...needs][0]!,
    mayLose: isKilled || end.code! > 128 || markOf(told, 'hang') !== undefined,
    mayHurry: mostCounted > 1
  }
}

/** The children of a tree, each with what is expected of it. */
function childrenOf (seen: Observation, all: Map<number, Told>, main: Told, fitting: readonly PossibleEnd[],
  object: (rule: Problem['rule'], text: string) => void): Judged[] {
  const ends = childEnds(main)
  const isKilled = seen.isGivenUp || seen.end.signal !== null
  const treeCount = isKilled ? seen.sent.filter(({ target }) => target !== 'child').length
    : Math.max(0, ...fitting.map(({ count }) => count))
  return [...all.values()].filter((told) => told !== main).map((told) => {
    const end = ends.get(told.pid)
    const bounds = childBounds(seen, told, treeCount)
    const isKnown = end !== undefined
    if (isStarved(seen, told)) bounds.codes.add(1)
    const isExpected = end === undefined
      || (end.signal === null ? bounds.codes.has(end.code!) : bounds.signals.has(end.signal))
    if (!isExpected) {
      object('exit-code', `child ${told.pid} ended with ${end.signal ?? end.code}, expected `
        + [...bounds.codes, ...bounds.signals].join(' or '))
    }
    if (!isKnown && !isKilled && treeCount < 3) object('exit-code', `nobody has told of the end of child ${told.pid}`)
    return {
      told, end,
      isUnread: isKilled || treeCount > 2,
      reports: !isKnown || end.signal !== null || end.code! > 128 ? 'any' : bounds.reports,
      mayLose: !isKnown || end.signal !== null || end.code! > 128,
      mayHurry: bounds.mayHurry
    }
  })
}

function isCrashed (told: Told): boolean {
  return markOf(told, 'exception') !== undefined || markOf(told, 'rejection') !== undefined
}

function judgeProcess (seen: Observation, { told, end, reports, mayHurry, isUnread }: Judged,
  object: (rule: Problem['rule'], text: string) => void): void {
  const found = told.log.filter(({ event }) => event === 'graceful.report')
  const name = `process ${told.pid}`
  const expected = reports === 'one' ? 1 : 0
  if (found.length > 1 || (reports !== 'any' && found.length !== expected && !isUnread)) {
    object('one-report', `${name} has left ${found.length} reports, expected ${reports}`)
  }
  const [first] = found
  if (first !== undefined) {
    // The handler of a request that was cut goes on, and may have a word of its own.
    const isCut = (first.report?.cut?.requests.length ?? 0) > 0
    // Likewise a third signal, which ends the process at once, also while the logs are flushed.
    const lastWord = `exiting at once with code ${end?.code}"`
    // And a crash while the logs are flushed, which makes the exit code 1.
    const isCrash = (text: string): boolean => /uncaughtException|unhandledRejection/.test(text) && end?.code === 1
    const later = told.log.slice(told.log.indexOf(first) + 1)
      .filter(({ event, n, text }) =>
        event !== 'graceful.report' && !(isCut && n !== undefined) && !text.includes(lastWord) && !isCrash(text))
    const after = [...later.map(({ text }) => text), ...strayAfter(seen, told, first.at)]
    for (const text of after) object('last-line', `${name} has said after its report: ${text}`)
    judgeReport(first.report, { end, mayHurry, isCrashed: isCrashed(told) }, name, object)
  }
  judgeLines(seen, told, isUnread, name, object)
  const isHurried = first?.report?.hurried !== undefined
  if (first !== undefined && !isHurried && (first.report?.verdict === 'clean')) {
    const done = new Set(told.log.map((line) => line.done))
    for (const { begun, n } of told.log) {
      if (begun === true && !done.has(n)) object('work', `${name} has not waited for work ${n}`)
    }
  }
}

/** What is neither a line of a log nor a mark can be told to be of a process only where there is one. */
function strayAfter ({ plan }: Observation, { stray }: Told, at: number): string[] {
  return plan.shape === 'tree' || at === Infinity ? [] : stray.filter((line) => line.at > at).map(({ text }) => text)
}

function judgeReport (report: Told['log'][number]['report'],
  { end, mayHurry, isCrashed }: { end: End | undefined, mayHurry: boolean, isCrashed: boolean }, name: string,
  object: (rule: Problem['rule'], text: string) => void): void {
  if (report?.cut === undefined) return object('report', `${name} has left a report without its fields`)
  // The code of a third signal, of a crash after the report and of a kill is decided elsewhere.
  const { exitCode, verdict, hurried } = report
  if (end?.code !== null && end !== undefined && end.code <= 128 && !isCrashed && end.code !== exitCode) {
    object('report', `${name} ended with ${end.code}, and its report says ${exitCode}`)
  }
  if (hurried !== undefined && !mayHurry) object('report', `${name} was hurried, and nobody has asked for it`)
  if (exitCode === 1 && verdict === 'clean') object('report', `${name} has a clean verdict, and exit code 1`)
}

function judgeLines ({ plan, answered }: Observation, told: Told, isUnread: boolean, name: string,
  object: (rule: Problem['rule'], text: string) => void): void {
  if (isUnread) return
  const numbers = told.log.flatMap(({ n }) => n ?? [])
  const have = new Set(numbers)
  if (have.size < numbers.length) object('line', `${name} has logged a line twice`)
  const total = markOf(told, 'counted')?.value
  // Whoever was killed may have kept what it had not written; what it has written has no gap.
  const expected = Math.max(total ?? Math.max(-1, ...numbers) + 1,
    plan.logger === 'sync' ? Math.max(-1, ...answered.filter(({ pid }) => pid === told.pid).map(({ n }) => n)) + 1 : 0)
  const missing = Array.from({ length: expected }, (_, n) => n).filter((n) => !have.has(n))
  const some = missing.slice(0, 5).join(', ')
  if (missing.length > 0) object('line', `${name} has lost ${missing.length} of ${expected} lines: ${some}`)
}

/** Losses by the process that had accepted their connection. */
function judgeLosses (seen: Observation, judged: readonly Judged[],
  object: (rule: Problem['rule'], text: string) => void): void {
  // A client that did not get to run for so long has sent on a connection that the service closes as an idle one.
  if (seen.pause > longestPause) return
  for (const { told, mayLose, mayHurry } of judged) {
    const ports = new Set(told.marks.filter(({ name }) => name === 'accepted').map(({ value }) => value))
    const lost = seen.losses.filter(({ localPort, kind, profile, detail }) =>
      localPort !== undefined && ports.has(localPort) && kind !== 'refused' && kind !== 'not-sent'
      // A marked stream that has sent no head when draining begins.
      && !(kind === 'answered-5xx' && profile === 'events /events' && detail === 'status 503'))
    if (lost.length === 0 || mayLose) continue
    const report = told.log.find(({ event }) => event === 'graceful.report')?.report
    const cut = report?.cut
    const isCut = cut !== undefined && ((report?.hurried !== undefined && mayHurry) || isStarved(seen, told))
    const named = isCut
      ? cut.requests.length + cut.byOthers.length + cut.connections.length + cut.streams + cut.upgraded
      : 0
    if (lost.length > named) {
      object('request', `process ${told.pid} has lost ${lost.length}, of which its report names ${named}: `
        + lost.slice(0, 3).map(show).join('; '))
    }
  }
}

/** Whether phase 3 ran into its cap on a machine that was as late as that takes. */
function isStarved ({ late, plan }: Observation, { log }: Told): boolean {
  const draining = log.find(({ report }) => report?.phases !== undefined)?.report?.phases
    .find(({ phase }) => phase === 'draining')
  return draining?.endedBy === 'cap' && late >= draining.duration - longestWork(plan)
}

function show ({ kind, detail, profile, at, isReused }: Lost): string {
  return `${profile}: ${kind} (${detail})${isReused ? ' on a used connection' : ''} at ${Math.round(at)} ms`
}
