import type { Report } from '../lifecycle/report.ts'
import type { DrillResult } from './drill.ts'
import type { FaultRecord } from './faults.ts'
import type { Latency } from './latency.ts'
import type { LogLine } from './processes.ts'
import type { LossKind, PlacedLoss } from './losses.ts'
import type { Replica } from './replicas.ts'

/** What a drill has shown, as plain data. Times are milliseconds, and moments are milliseconds since 1970. */
export interface DrillRecord {
  /** The version of this shape. It grows when a field changes its meaning, not when one is added. */
  version: 1
  /** The service, as it was typed. */
  service: string
  /** The name of the front. */
  front: string
  /** The fault that was planted; undefined where there was none. */
  fault: string | undefined
  replicas: number
  /** Milliseconds from SIGTERM to SIGKILL. */
  grace: number
  /** Requests per second. */
  rate: number
  /** How many requests of a run may be lost. */
  maxLost: number
  runs: RunRecord[]
}

/** One rolling update. */
export interface RunRecord {
  begunAt: number
  /** When the load began. */
  loadedAt: number
  endedAt: number
  requests: number
  connections: number
  lost: number
  /** Ways in which none was lost are absent. */
  byKind: Partial<Record<LossKind, number>>
  /** At most {@link mostLosses}, the first ones. */
  losses: PlacedLoss[]
  latency: Latency
  /** The longest time for which the load itself did not get to run: no time is known better than that. */
  longestPause: number
  /** In the order of their start. */
  replicas: ReplicaRecord[]
  /** What came of the fault; absent where none was planted. */
  fault?: FaultRecord
}

/** What a cluster says of a pod. */
export interface PodRecord {
  /** How often its container was started again. */
  restarts: number
  /** Why its container ended, as `OOMKilled` or `Error`; undefined where nobody has seen it end. */
  reason: string | undefined
  /** What it left as its termination message. */
  message: string | undefined
  /** Why it had to go, where that was no update: an eviction, a preemption, a drained node. */
  disruption: string | undefined
}

/** One replica, from its start to its end. */
export interface ReplicaRecord {
  name: string
  /** The phases with the time of each, the oldest first. */
  history: Array<{ phase: string, at: number }>
  /** When the front sent it no new connection any more; undefined where that never came. */
  removedAt: number | undefined
  /** When it got its first signal. */
  signalledAt: number | undefined
  /** The end of a replica that was replaced; undefined for one that stayed. */
  departure: { took: number, code: number | null, signal: NodeJS.Signals | null, isKilled: boolean } | undefined
  /** The plugin's report; undefined where its log has none. */
  report: Report | undefined
  /** The last telling lines of its output, at most {@link mostLogLines}. */
  log: LogLine[]
  /** Where it was a pod of a cluster. */
  pod?: PodRecord
}

/** Losses that are kept of one run; all are counted. */
export const mostLosses: number = 1000
/** Lines that are kept of one replica. */
const mostLogLines = 50

/** One rehearsal as plain data. */
export function recordRun (result: DrillResult): RunRecord {
  const { begunAt, loadedAt = begunAt, endedAt = Date.now(), requests, connections, latency, longestPause } = result
  return {
    begunAt, loadedAt, endedAt, requests, connections, latency, longestPause,
    lost: result.tally.lost,
    byKind: result.byKind,
    losses: result.losses.slice(0, mostLosses),
    replicas: result.replicas.map((replica) => recordReplica(replica, result))
  }
}

function recordReplica (replica: Replica, { departures, endedAt = Infinity }: DrillResult): ReplicaRecord {
  const { name, history, removedAt, signalledAt, report, log } = replica
  const departure = departures.find((one) => one.name === name)
  return {
    name, removedAt, signalledAt, report,
    // Those that are left are killed when all is counted.
    history: history.filter(({ at }) => at <= endedAt).map((entry) => ({ ...entry })),
    departure: departure && {
      took: departure.took, code: departure.code, signal: departure.signal, isKilled: departure.isKilled
    },
    log: log.slice(-mostLogLines)
  }
}
