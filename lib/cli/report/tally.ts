import { createHash } from 'node:crypto'
import type { CutConnection, CutRequest, LateSource, Report } from '../../lifecycle/report.ts'
import { Ends, bounded, factsOf, nameOf, readReport, textOf, timeOf } from './facts.ts'
import type { Facts } from './facts.ts'
import type { LogRecord, Origin } from './records.ts'

/** Equal things, how many there were, in how many reports, and the longest of them with whose it was. */
export type Group<T> = T & { count: number, reports: number, longest?: number, longestOf?: string }

/** Different things that are told apart; what comes beyond is not. */
const mostGroups = 10_000

/** As much of an origin as two ways of reading the same line may differ in. */
type Process = Pick<Origin, 'pod' | 'hostname' | 'pid'>

/** Whether two origins may be one process: what either does not know is no difference. */
function maySame (one: Process, other: Process): boolean {
  return (['pod', 'hostname', 'pid'] as const)
    .every((name) => one[name] === undefined || other[name] === undefined || one[name] === other[name])
}

/** Things that are remembered; what was told before these counts anew. */
const mostKnown = 200_000

/** Things that are told again: by files that overlap, or by the same log in two forms. */
class Repeated {
  readonly #known = new Map<string, Process[]>()
  count = 0

  /** Whether this was told before, of the same process. */
  has (thing: unknown, { pod, hostname, pid }: Origin): boolean {
    const key = createHash('sha256').update(JSON.stringify(thing)).digest('base64')
    const all = this.#known.get(key) ?? []
    const process = { pod, hostname, pid }
    const isKnown = all.some((one) => maySame(one, process))
    if (isKnown) this.count++
    else this.#known.set(key, [...all, process])
    const [oldest = ''] = this.#known.keys()
    if (this.#known.size > mostKnown) this.#known.delete(oldest)
    return isKnown
  }
}

/** A method and the pattern of a route. */
export interface Place { method: string | undefined, route: string | undefined }

/** Somebody who stalls, and the phase that waits. */
export interface Stalled { name: string, phase: string }

/** Reports that are kept; more are only counted. */
const mostReports = 100_000
/** From this level on a line of pino's is a warning. */
const warning = 40
/** The plugin's own observer, who waits for requests: what of them is cut says more. */
const ownObserver = 'traffic'
/** Events that reports tell themselves. */
const reported: ReadonlySet<string> = new Set(['graceful.late', 'graceful.failure'])

/** Adds up what the plugin has told. */
export class Tally {
  readonly reports: Facts[] = []
  /** Reports that found no room. */
  left = 0
  readonly ends: Ends = new Ends()
  readonly repeated: Repeated = new Repeated()
  readonly late: Groups<Pick<LateSource, 'address'>> = new Groups()
  readonly requests: Groups<Place> = new Groups()
  readonly connections: Groups<Place> = new Groups()
  readonly byOthers: Groups<Place> = new Groups()
  /** Who still stalled when a phase was over. */
  readonly stalled: Groups<Stalled> = new Groups()
  /** Who was waited for so long that a line said so. */
  readonly waited: Groups<Stalled> = new Groups()
  readonly failures: Groups<{ name: string, phase: string, message: string }> = new Groups()
  readonly blocked: Groups<{ blockedIn: string | undefined }> = new Groups()
  readonly warnings: Groups<{ event: string, message: string }> = new Groups()
  /** A block of each process that is not known to be over. */
  readonly #blocks = new Map<string, { blockedIn: string | undefined, silence: number | undefined }>()

  add ({ event, fields: given, origin }: LogRecord): void {
    const fields = bounded(given) as LogRecord['fields']
    const record = { event, fields, origin }
    if (event === 'graceful.report') {
      const report = readReport(fields['report'])
      if (report !== undefined && !this.repeated.has(report, origin)) this.#report(report, origin)
      return
    }
    if (reported.has(event) || this.repeated.has(fields, origin)) return
    switch (event) {
      case 'graceful.phase': return this.ends.enter(record)
      case 'graceful.waiting': return this.#waiting(record)
      case 'graceful.blocked': return this.#block(record)
      case 'graceful.unblocked': return this.#unblock(record)
      case 'graceful.killed': return this.ends.watchdog(record)
      case 'graceful.predecessor': return fields['restarted'] === true ? undefined : this.ends.predecessor(record)
      default: this.#warn(record)
    }
  }

  /** There are no more lines: blocks whose end nobody has told are counted. */
  end (): void {
    for (const [name, block] of this.#blocks) this.#held(name, block.blockedIn, block.silence)
    this.#blocks.clear()
  }

  #report (report: Report, origin: Origin): void {
    this.ends.report(origin, report.startedAt)
    if (this.reports.length >= mostReports) {
      this.left++
      return
    }
    const facts = factsOf(report, origin)
    this.reports.push(facts)
    for (const { address, count } of report.traffic.lateSources) this.late.add({ address }, facts, { count })
    for (const request of report.cut.requests) addPlace(this.requests, request, facts)
    for (const connection of report.cut.connections) addPlace(this.connections, connection, facts)
    for (const request of report.cut.byOthers) addPlace(this.byOthers, request, facts)
    for (const { phase, duration, endedBy, stalledBy } of report.phases) {
      if (endedBy === 'condition') continue
      for (const { name } of stalledBy) addStall(this.stalled, { name, phase }, facts, duration)
    }
    for (const { name, phase, message } of report.failures) this.failures.add({ name, phase, message }, facts)
  }

  #waiting ({ fields, origin }: LogRecord): void {
    const { phase, stalledBy, elapsed } = fields
    const of = { name: nameOf(origin) }
    for (const stall of Array.isArray(stalledBy) ? stalledBy.slice(0, 100) as unknown[] : []) {
      const { name } = stall as { name?: unknown } ?? {}
      addStall(this.waited, { name: textOf(name), phase: textOf(phase) }, of, elapsed)
    }
  }

  #block ({ fields: { blockedIn, silence }, origin }: LogRecord): void {
    const name = `${nameOf(origin)} ${origin.pid ?? ''}`
    const before = this.#blocks.get(name)
    if (before !== undefined) this.#held(name, before.blockedIn, before.silence)
    this.#blocks.set(name, { blockedIn: placeOf(blockedIn), silence: timeOf(silence) })
  }

  #unblock ({ fields: { blockedIn, duration }, origin }: LogRecord): void {
    const name = `${nameOf(origin)} ${origin.pid ?? ''}`
    const before = this.#blocks.get(name)
    this.#blocks.delete(name)
    this.#held(name, placeOf(blockedIn) ?? before?.blockedIn, timeOf(duration) ?? before?.silence)
  }

  #held (process: string, blockedIn: string | undefined, time: number | undefined): void {
    this.blocked.add({ blockedIn }, { name: process.trim() }, { time })
  }

  #warn ({ event, fields: { level, msg, message }, origin }: LogRecord): void {
    const isWarning = typeof level === 'number' ? level >= warning : /^(?:warn|err|fatal|crit)/i.test(String(level))
    if (!isWarning) return
    this.warnings.add({ event: textOf(event), message: textOf(msg ?? message) }, { name: nameOf(origin) })
  }
}

function addPlace (groups: Groups<Place>, { method, route, age }: CutRequest | CutConnection, facts: Facts): void {
  groups.add({ method, route }, facts, { time: timeOf(age) })
}

function addStall (groups: Groups<Stalled>, stalled: Stalled, of: { name: string }, time: unknown): void {
  if (stalled.name !== ownObserver) groups.add(stalled, of, { time: timeOf(time) })
}

const placeOf = (blockedIn: unknown): string | undefined => blockedIn === undefined ? undefined : textOf(blockedIn)

/** Counts equal things. */
export class Groups<T extends object> {
  readonly #groups = new Map<string, { group: Group<T>, last: unknown }>()

  /**
   * @param thing what is equal
   * @param of the report that it is of, and how it is called
   * @param time milliseconds that it took
   */
  add (thing: T, of: { name: string }, { count = 1, time }: { count?: number, time?: number | undefined } = {}): void {
    const key = JSON.stringify(thing)
    let entry = this.#groups.get(key)
    if (entry === undefined) {
      if (this.#groups.size >= mostGroups) return
      this.#groups.set(key, entry = { group: { ...thing, count: 0, reports: 0 }, last: undefined })
    }
    const { group, last } = entry
    group.count += count
    if (last !== of) group.reports++
    entry.last = of
    if (time !== undefined && time >= (group.longest ?? 0)) Object.assign(group, { longest: time, longestOf: of.name })
  }

  /** The most frequent first. */
  get sorted (): Array<Group<T>> {
    return [...this.#groups.values()].map(({ group }) => group).toSorted((one, other) => other.count - one.count)
  }
}
