import { lookForUnfinished, UnfinishedEnd } from '../../platform/unfinished.ts'
import { rank, TerminationLog } from '../../platform/kubernetes/termination.ts'
import type { OwnRecord } from '../../platform/kubernetes/termination.ts'
import type { ApplicationRecord } from '../../platform/kubernetes/message.ts'
import type { Phase } from '../../lifecycle/phase.ts'
import type { Report, ShutdownKind } from '../../lifecycle/report.ts'
import { counted } from '../../util/text.ts'
import type { Child } from './child.ts'
import type { ChildEnd } from '../protocol.ts'
import type { SupervisorLog } from './terminal.ts'
import type { SupervisorSettings } from '../options.ts'

/** What the message of a whole tree is made of. */
export interface TreeMessagePorts {
  settings: Pick<
    SupervisorSettings,
    'gracePeriod' | 'preStop' | 'terminationMessagePath' | 'stateDirectory' | 'surroundings' | 'inKubernetes'
  >
  children: ReadonlySet<Child>
  log: SupervisorLog
}

/** What set the end off. */
export interface TreeCause {
  kind: ShutdownKind
  reason: string
  /** What went wrong, where that is why. */
  problem?: string
}

/** An end that is under way, or over. */
export interface TreeEnd {
  kind: ShutdownKind
  reason: string
  /** Epoch milliseconds of the announcement. */
  startedAt: number
  /** The children that have ended since the end was asked for, and how. */
  ended: ReadonlyMap<Child, ChildEnd>
}

/** The container's termination message of a supervisor: it tells of all children, and of the worst of them in full. */
export class TreeMessage {
  readonly #ports: TreeMessagePorts
  readonly #terminationLog: TerminationLog | undefined
  /** How those have ended who were there when the end began. */
  readonly #ended = new Map<Child, ChildEnd>()
  #cause: TreeCause | undefined
  #phase: Phase = 'running'
  #startedAt = 0

  constructor (ports: TreeMessagePorts) {
    this.#ports = ports
    if (ports.settings.terminationMessagePath !== undefined) {
      this.#terminationLog = TerminationLog.at(ports.settings.terminationMessagePath)
    }
  }

  /** The end; undefined while none was asked for. */
  get end (): TreeEnd | undefined {
    return this.#cause === undefined
      ? undefined
      : { kind: this.#cause.kind, reason: this.#cause.reason, startedAt: this.#startedAt, ended: this.#ended }
  }

  /** A message that could not be written is warned of while that can be changed. */
  check (): void {
    lookForUnfinished(this.#ports.settings, this.#ports.log)
    this.#warn(this.#terminationLog?.problem())
  }

  /** All are to end. The first cause wins. */
  begin (cause: TreeCause): void {
    this.#cause ??= cause
    this.#noteEnd()
    // No phase begins where a drain by hand had begun it.
    if (this.#phase !== 'running') this.#provisional()
  }

  /** The whole is in another phase. */
  enter (phase: Phase): void {
    if (this.#phase === 'running') this.#startedAt = Date.now()
    this.#phase = phase
    this.#noteEnd()
    // Undone: what the drain has said is no longer so.
    if (phase === 'running') this.#warn(this.#terminationLog?.remove(this))
    else if (phase !== 'terminated') this.#provisional()
  }

  /** A child has ended. */
  ended (child: Child, end: ChildEnd): void {
    if (this.#cause === undefined) return
    this.#ended.set(child, end)
    this.#provisional()
  }

  /** The last one is gone, or this process exits before that. Told again with what is known by then. */
  finish (exitCode: number, droppedLines = 0): void {
    const { problem } = this.#cause ?? {}
    const children = this.#records()
    const [worst] = children
    const verdict = problem !== undefined || worst?.verdict === 'unfinished' ? 'failed' : worst?.verdict ?? 'clean'
    const what = `${this.#what} ended ${counted(children.length, 'child', 'children')} in `
      + `${Date.now() - this.#startedAt} ms`
    const why = problem
      ?? (worst !== undefined && worst.verdict !== 'clean' ? `${worst.name}: ${worst.summary}` : undefined)
    const dropped = droppedLines > 0
      ? [`${counted(droppedLines, 'line', 'lines')} of output dropped, which nobody read`]
      : []
    this.#put({
      final: true,
      verdict,
      exitCode,
      summary: [what, ...why === undefined ? [] : [why], ...dropped].join('; ')
    }, children)
  }

  /** Notes the end in a file, for the next supervisor of this service, should this one be killed. */
  #noteEnd (): void {
    const { stateDirectory, gracePeriod, preStop } = this.#ports.settings
    if (stateDirectory === undefined || this.#cause === undefined) return
    UnfinishedEnd.at(stateDirectory).note({ reason: this.#cause.reason, phase: this.#phase, gracePeriod, preStop })
  }

  #provisional (): void {
    this.#put({
      final: false,
      verdict: 'unfinished',
      summary: `${this.#what} was not over: killed in phase '${this.#phase}' or later`
    }, this.#records())
  }

  get #what (): string {
    return this.#cause === undefined ? 'drain' : `${this.#cause.kind} by ${this.#cause.reason}`
  }

  /** Every child, the worst first. */
  #records (): Array<ApplicationRecord & { child: Child }> {
    return [...new Set([...this.#ended.keys(), ...this.#ports.children])]
      .map((child) => ({ ...recordOf(child, this.#ended.get(child)), child }))
      .toSorted((a, b) => rank[b.verdict] - rank[a.verdict])
  }

  #put (
    own: Pick<OwnRecord, 'final' | 'verdict' | 'summary'> & { exitCode?: number },
    children: Array<ApplicationRecord & { child: Child }>
  ): void {
    const { kind, reason } = this.#cause ?? { kind: 'drain', reason: 'drain' }
    const [worst] = children
    const { phases, traffic, cut, failures, advice } = worst === undefined ? {} : worstReport(worst.child) ?? {}
    const record = {
      ...own,
      phase: this.#phase,
      kind,
      reason,
      startedAt: new Date(this.#startedAt).toISOString(),
      duration: Date.now() - this.#startedAt,
      gracePeriod: this.#ports.settings.gracePeriod,
      ...worst === undefined ? {} : { worst: worst.name },
      ...phases === undefined ? {} : { phases, traffic: traffic!, cut: cut!, failures: failures!, advice: advice! },
      children: children.map(({ child: _child, ...rest }) => rest)
    } satisfies OwnRecord
    this.#warn(this.#terminationLog?.put(this, { name: 'supervisor', record }))
  }

  #warn (error: Error | undefined): void {
    const { settings: { terminationMessagePath: path, inKubernetes }, log } = this.#ports
    if (error !== undefined && inKubernetes) {
      log.warn(
        { event: 'graceful.supervisor.message', path, problem: error.message },
        `the termination message cannot be written: ${error.message}. Give the container's `
          + 'terminationMessagePath as variable GRACEFUL_TERMINATION_MESSAGE_PATH'
      )
    }
  }
}

/** Of the applications of a child, the report of the one that ended worst. */
export function worstReport ({ reports }: Child): Report | undefined {
  return reports.toSorted((a, b) => rank[b.verdict] - rank[a.verdict])[0]
}

/** How a child has ended, or that it has not. */
export function recordOf (child: Child, end: ChildEnd | undefined): ApplicationRecord {
  const name = `child ${child.place} (process ${child.pid})`
  const phase = child.state.phase ?? 'running'
  if (end === undefined) return { name, final: false, verdict: 'unfinished', phase, summary: `in phase '${phase}'` }
  const { verdict, summary } = worstReport(child) ?? { verdict: 'clean', summary: 'it told nothing' }
  const how = end.signal ?? `code ${end.code}`
  if (child.killed) {
    return {
      name,
      final: true,
      verdict: 'failed',
      phase,
      summary: `it did not end in time and was killed in phase '${phase}'`
    }
  }
  if (child.unborn) return { name, final: true, verdict, phase, summary: `${end.signal} ended it before it had begun` }
  // The last report of a child that a signal or an error ended does not tell how it ended.
  if (end.signal !== null || (end.code !== 0 && verdict === 'clean')) {
    return { name, final: true, verdict: 'failed', phase, summary: `it ended with ${how} in phase '${phase}'` }
  }
  return { name, final: true, verdict, phase, summary }
}
