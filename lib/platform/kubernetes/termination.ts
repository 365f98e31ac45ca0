import { epochNow } from '../../clock.ts'
import type { Lifecycle } from '../../lifecycle/lifecycle.ts'
import type { Phase } from '../../lifecycle/phase.ts'
import type { Report, TrafficSummary } from '../../lifecycle/report.ts'
import { counted } from '../../util/text.ts'
import {
  formatTerminationMessage, probeTerminationMessage, readTerminationMessage, writeTerminationMessage
} from './message.ts'
import type { ApplicationRecord, RequestRecord, TerminationRecord } from './message.ts'

/** What a termination message is made of. */
export interface TerminationPorts {
  /** Where it goes; undefined: nowhere. */
  path: string | undefined
  /** Whether a message that cannot be written is worth a warning. */
  inKubernetes: boolean
  /** The application's name. */
  name: string
  log: { warn (details: object, message: string): void }
  lifecycle: Pick<Lifecycle, 'request' | 'phase' | 'draft' | 'budget'>
  /** Whether the end of this application is to be that of the process, though it began as a plain close. */
  exitAsked: () => boolean
  traffic: {
    summary: () => TrafficSummary
    requests: { count: () => number }
    /** The requests in flight, at most `limit`. */
    inFlight: { oldest: (limit: number) => RequestRecord[] }
  }
}

/** More entries of a list than this are never looked at. */
const longestList = 64

/**
 * The termination message of one application: provisional when a phase begins, so that a SIGKILL leaves a verdict
 * behind, and final at the end. What fails here never stops anything.
 *
 * A plain close is nobody's end but the application's, and leaves no message.
 */
export class TerminationMessage {
  readonly #ports: TerminationPorts
  readonly #terminationLog: TerminationLog | undefined

  constructor (ports: TerminationPorts) {
    this.#ports = ports
    if (ports.path !== undefined) this.#terminationLog = TerminationLog.at(ports.path)
  }

  /** Boot is over: in Kubernetes a message that could not be written is warned of while that can be changed. */
  check (): void {
    if (this.#ports.inKubernetes) this.#warn(this.#terminationLog?.problem())
  }

  /** A phase has begun. */
  enter (phase: Phase): void {
    if (phase === 'running') this.#warn(this.#terminationLog?.remove(this))
    else if (!this.#silent) this.#put(this.#provisional(phase))
  }

  /** The end was asked for while phase 1 was under way. */
  requested (): void {
    // A plain close after a drain: what the drain has said is no longer so.
    if (this.#silent) this.#warn(this.#terminationLog?.remove(this))
    else this.#put(this.#provisional(this.#ports.lifecycle.phase))
  }

  /** The end is over. */
  finish (report: Report): void {
    if (this.#silent) return
    const {
      verdict, summary, kind, reason, exitCode, startedAt, duration, phases, traffic, cut, failures, advice
    } = report
    this.#put({
      ...this.#frame(),
      final: true,
      verdict,
      summary,
      phase: 'terminated',
      kind,
      reason,
      exitCode,
      startedAt: new Date(startedAt).toISOString(),
      duration,
      phases,
      traffic,
      cut,
      failures: failures.map(({ name, message, phase }) => ({ name, message, phase })),
      advice
    })
  }

  /** The process exits before the end is over: a third signal, or somebody's `process.exit`. */
  exited (exitCode: number): void {
    const { phase } = this.#ports.lifecycle
    if (this.#silent || phase === 'running' || this.#terminationLog?.closed === true) return
    this.#put({
      ...this.#provisional(phase),
      final: true,
      verdict: 'failed',
      exitCode,
      requests: this.#inFlight(),
      summary: `${this.#what()} was not over: the process exited with code ${exitCode} in phase '${phase}', with `
        + `${counted(this.#ports.traffic.requests.count(), 'request')} in flight`
    })
  }

  get #silent (): boolean {
    return this.#terminationLog === undefined
      || (this.#ports.lifecycle.request?.kind === 'close' && !this.#ports.exitAsked())
  }

  #provisional (phase: Phase): OwnRecord {
    const { request, draft: { startedAt, phases, cut, failures } } = this.#ports.lifecycle
    const { kind = 'drain', reason = 'drain' } = request ?? {}
    return {
      ...this.#frame(),
      final: false,
      verdict: 'unfinished',
      summary: `${this.#what()} was not over: killed in phase '${phase}' or later`,
      phase,
      kind,
      reason,
      startedAt: new Date(startedAt).toISOString(),
      duration: Math.max(0, epochNow() - startedAt),
      phases,
      traffic: this.#ports.traffic.summary(),
      // Before phase 3 what is in flight is what the service does, and not what holds its end.
      ...(phase === 'draining' && { requests: this.#inFlight() }),
      ...(cut !== undefined && { cut }),
      failures
    }
  }

  #inFlight (): RequestRecord[] {
    return this.#ports.traffic.inFlight
      .oldest(longestList)
      .map(({ method, route, age, kind }) => ({ method, route, age, kind }))
  }

  #frame (): Pick<OwnRecord, 'gracePeriod' | 'preStop'> {
    const { gracePeriod, preStop } = this.#ports.lifecycle.budget
    return { gracePeriod, preStop }
  }

  #what (): string {
    const { request } = this.#ports.lifecycle
    return request === undefined ? 'drain' : `${request.kind} by ${request.reason}`
  }

  #put (record: OwnRecord): void {
    this.#warn(this.#terminationLog?.put(this, { name: this.#ports.name, record }))
  }

  #warn (error: Error | undefined): void {
    const { path, inKubernetes, log } = this.#ports
    if (error === undefined || !inKubernetes) return
    log.warn({ event: 'graceful.message', path, err: error }, 'the termination message cannot be written: '
      + `${error.message}. Give the container's terminationMessagePath as option 'kubernetes.terminationMessagePath', `
      + "or set 'kubernetes' to false if you want none")
  }
}

/** The record of one application. */
export type OwnRecord = Omit<TerminationRecord, 'time' | 'pid' | 'applications'>

interface Entry { name: string, record: OwnRecord }

/** How bad a verdict is. */
export const rank = { clean: 0, cut: 1, failed: 2, unfinished: 3 } as const

/** The termination message of a container, which all applications of a process share: it has an entry for each. */
export class TerminationLog {
  static readonly #logs = new Map<string, TerminationLog>()
  readonly #path: string
  readonly #entries = new Map<object, Entry>()
  /** When something was last written, epoch milliseconds. */
  #writtenAt = 0
  #warned = false

  constructor (path: string) {
    this.#path = path
  }

  /** The log of a path: a process has one for each. */
  static at (path: string): TerminationLog {
    let terminationLog = this.#logs.get(path)
    if (terminationLog === undefined) this.#logs.set(path, terminationLog = new TerminationLog(path))
    return terminationLog
  }

  /** The error that keeps the message from being written; undefined without one, or where it was told before. */
  problem (): Error | undefined {
    return this.#tell(probeTerminationMessage(this.#path))
  }

  /** An application has something new to say. Answers like {@link problem}. */
  put (owner: object, entry: Entry): Error | undefined {
    this.#entries.set(owner, entry)
    return this.#write()
  }

  /** An application takes back what it said. */
  remove (owner: object): Error | undefined {
    return this.#entries.delete(owner) ? this.#write() : undefined
  }

  /** Whether somebody else of this process has had the last word: the watchdog, which knows more than we do. */
  get closed (): boolean {
    // Where we have nothing left to say, the last word may be ours.
    if ([...this.#entries.values()].every(({ record }) => record.final)) return false
    const { final, pid, time = '' } = readTerminationMessage(this.#path) ?? {}
    return final === true && pid === process.pid && Date.parse(time) >= this.#writtenAt
  }

  #write (): Error | undefined {
    this.#writtenAt = epochNow()
    const time = new Date(this.#writtenAt).toISOString()
    const entries = [...this.#entries.values()]
    const [worst] = entries.toSorted((a, b) => rank[b.record.verdict] - rank[a.record.verdict])
    try {
      if (worst === undefined) {
        writeTerminationMessage(this.#path, '')
        return undefined
      }
      const message: TerminationRecord = { ...worst.record, time, pid: process.pid }
      if (entries.length > 1) message.applications = entries.map(summaryOf)
      writeTerminationMessage(this.#path, formatTerminationMessage(message))
      return undefined
    } catch (error) {
      return this.#tell(error as Error)
    }
  }

  #tell (problem: Error | undefined): Error | undefined {
    if (problem === undefined || this.#warned) return undefined
    this.#warned = true
    return problem
  }
}

function summaryOf ({ name, record: { final, verdict, phase, summary } }: Entry): ApplicationRecord {
  return { name, final, verdict, phase, summary }
}
