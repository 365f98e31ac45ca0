import type { Status } from '../../status/model.ts'
import { phaseNumber } from '../../lifecycle/phase.ts'
import type { Phase } from '../../lifecycle/phase.ts'
import type { Report, ShutdownKind } from '../../lifecycle/report.ts'
import type { Child } from './child.ts'
import type { ChildEnd } from '../protocol.ts'
import { recordOf, worstReport } from './termination.ts'
import type { Supervisor } from './supervisor.ts'

/** A child as the status shows it. */
export interface ChildStatus {
  /** Which place it has, from 1; during a reload two have the same. */
  child: number
  pid: number | undefined
  /** Undefined where it has not registered the plugin yet. */
  phase: Phase | undefined
  ready: boolean
  /** Whether it answers; a blocked event loop does not. */
  responding: boolean
  /** Whether it is on its way out. */
  leaving: boolean
  /** Epoch milliseconds. */
  startedAt: number
  /** How often this place was filled again after an end that nobody asked for. */
  restarts: number
  /** Its resident set when it last told, in bytes; undefined where it has not. */
  memory: number | undefined
  /** Requests in flight; undefined where the child did not answer. */
  inFlight: number | undefined
  /** Open connections, likewise. */
  connections: number | undefined
  /** What `app.graceful.status()` of each of its applications says. */
  applications: Status[] | undefined
}

/** How a child has ended. */
export interface EndedChild {
  child: number
  pid: number | undefined
  /** Its own; null where a signal ended it. */
  exitCode: number | null
  signal: NodeJS.Signals | null
  /** `failed`, too, where it ended otherwise than it had told, or was killed. */
  verdict: Report['verdict'] | 'unfinished'
  summary: string
  /** How many requests it cut, in all of its applications. */
  cutRequests: number
  /** Of its applications, the report of the one that ended worst; undefined where it told nothing. */
  report: Report | undefined
}

/** All that is known of a supervisor, as data. */
export interface SupervisorStatus {
  phase: Phase
  number: number
  since: number
  ready: boolean
  workers: number
  minReady: number
  readyChildren: number
  reloading: boolean
  /**
   * Epoch milliseconds by which the work of all children must be over, the earliest that one of
   * them tells; undefined while no end was asked for.
   */
  deadline: number | undefined
  /** The cause of the end; undefined while none was asked for. */
  shutdown: { kind: ShutdownKind, reason: string, startedAt: number } | undefined
  children: ChildStatus[]
  /** The children that have ended since the end of all was asked for. */
  ended: EndedChild[]
}

/** How long a child may take for its part of the status, in milliseconds. */
const patience = 500

/**
 * Asks every child, and waits for none longer than half a second. Of each child's requests, in
 * flight or cut, at most so many are named.
 */
export async function statusOf (supervisor: Supervisor, mostRequests?: number): Promise<SupervisorStatus> {
  const { aggregate: { phase, since, ready, readyChildren }, reloading, settings: { workers, minReady } } = supervisor
  const alive = [...supervisor.children].filter((child) => child.alive)
  const children = await Promise.all(
    alive.map((child) => childStatus(child, supervisor.slots[child.place - 1]?.restarts ?? 0, mostRequests))
  )
  const deadlines = children.flatMap(({ applications }) => applications ?? []).flatMap(({ deadline }) => deadline ?? [])
  const { end } = supervisor
  return {
    phase,
    number: phaseNumber(phase),
    since,
    ready,
    workers,
    minReady,
    readyChildren,
    reloading,
    deadline: end === undefined || deadlines.length === 0 ? undefined : Math.min(...deadlines),
    shutdown: end && { kind: end.kind, reason: end.reason, startedAt: end.startedAt },
    children: children.toSorted((a, b) => a.child - b.child),
    ended: [...end?.ended ?? []]
      .map((ended) => endedChild(...ended, mostRequests))
      .toSorted((a, b) => a.child - b.child)
  }
}

function endedChild (child: Child, end: ChildEnd, mostRequests?: number): EndedChild {
  const { verdict, summary } = recordOf(child, end)
  const report = worstReport(child)
  const cutRequests = child.reports.reduce((sum, { cut }) => sum + cut.requests.length, 0)
  return {
    child: child.place,
    pid: child.pid,
    exitCode: end.code,
    signal: end.signal,
    verdict,
    summary,
    cutRequests,
    report: report && shortened(report, mostRequests)
  }
}

/** Its lists of what was lost, each with at most so many entries. A child may have another version of the package. */
function shortened (report: Report, most?: number): Report {
  const { requests, connections = [], byOthers = [] } = report.cut as Partial<Report['cut']>
  return {
    ...report,
    cut: {
      ...report.cut,
      requests: requests?.slice(0, most) ?? [],
      connections: connections.slice(0, most),
      byOthers: byOthers.slice(0, most)
    }
  }
}

async function childStatus (child: Child, restarts: number, mostRequests?: number): Promise<ChildStatus> {
  const statuses = await child.ask('status', patience).catch(() => undefined) as Status[] | undefined
  const { place, pid, ready, responding, leaving, startedAt, state: { phase, memory } } = child
  const inFlight = statuses?.reduce((sum, { requests }) => sum + requests.length, 0)
  const connections = statuses?.reduce((sum, { connections: { open = 0 } }) => sum + open, 0)
  const applications = statuses?.map((status) => ({ ...status, requests: status.requests.slice(0, mostRequests) }))
  return {
    child: place,
    pid,
    phase,
    ready,
    responding,
    leaving,
    startedAt,
    restarts,
    memory,
    inFlight,
    connections,
    applications
  }
}
