import type { DrillRecord, PlacedLoss, ReplicaRecord, RunRecord } from '../../../lib/drill/index.ts'
import type { LossKind } from '../../../lib/drill/losses.ts'
import type { Report } from '../../../lib/lifecycle/report.ts'

/** When the made-up drills begin. */
export const begunAt = 1_790_000_000_000

const figures = (count: number) => ({ count, p50: 1.2, p90: 3.4, p99: 12.5, p999: 100, max: 123.4 })

/** A report of the plugin's, with what a test is about. */
export function reportOf (given: {
  traffic?: Partial<Report['traffic']>, cut?: Partial<Report['cut']>, hurried?: Report['hurried'], advice?: string[]
} = {}): Report {
  const { traffic, cut, ...more } = given
  return {
    verdict: 'clean', summary: 'shutdown by SIGTERM in 1000 ms, nothing cut', kind: 'shutdown', reason: 'SIGTERM',
    exitCode: 0, startedAt: begunAt + 3000, duration: 1000, announcedBefore: 0, gracePeriod: 30_000, hurried: undefined,
    phases: [{ phase: 'announcing', duration: 400, endedBy: 'condition', stalledBy: [] }], failures: [], advice: [],
    traffic: {
      evidence: 'observed', rateBefore: 10, arrivals: 3, lastArrival: 300, lateArrivals: 0, lateSources: [],
      suggestedMin: undefined, probes: [], frontEnds: [], shed: 1, ...traffic
    },
    cut: { requests: [], streams: 0, upgraded: 0, connections: [], byOthers: [], waiting: [], ...cut },
    ...more
  }
}

/** One replica that was replaced: signalled after 3 s, closed after 400 ms, gone after another 600. */
export function leaving (name: string, given: Partial<ReplicaRecord> = {}): ReplicaRecord {
  return {
    name,
    history: [
      { phase: 'starting', at: begunAt }, { phase: 'running', at: begunAt + 1000 },
      { phase: 'announcing', at: begunAt + 3000 }, { phase: 'closing', at: begunAt + 3400 },
      { phase: 'draining', at: begunAt + 3402 }, { phase: 'terminated', at: begunAt + 4000 }
    ],
    signalledAt: begunAt + 3000,
    removedAt: begunAt + 4000,
    departure: { took: 1000, code: 0, signal: null, isKilled: false },
    report: reportOf(),
    log: [],
    ...given
  }
}

/** One replica that does not use the plugin. */
export const foreign = (name: string, given: Partial<ReplicaRecord> = {}): ReplicaRecord => leaving(name, {
  report: undefined,
  history: [
    { phase: 'starting', at: begunAt }, { phase: 'running', at: begunAt + 1000 },
    { phase: 'terminated', at: begunAt + 3100 }
  ],
  ...given
})

/** A successor, which stays. */
export const staying = (name: string): ReplicaRecord => ({
  ...leaving(name), removedAt: undefined, signalledAt: undefined, departure: undefined, report: undefined,
  history: [{ phase: 'starting', at: begunAt + 2000 }, { phase: 'running', at: begunAt + 2500 }]
})

/** A loss so many milliseconds after the signal, or before any where that is undefined. */
export function lossOf (kind: LossKind, replica: string | undefined, since: number | undefined,
  given: Partial<PlacedLoss> = {}): PlacedLoss {
  const failedAt = begunAt + (since === undefined ? 2600 : 3000 + since)
  return {
    kind, replica, sinceSignal: since, detail: 'ECONNREFUSED', isReused: kind === 'reset-reused', method: 'GET',
    path: '/orders', profile: '/orders', sentAt: failedAt - 1, failedAt, localPort: 40_000,
    phase: since === undefined ? 'running' : since < 400 ? 'announcing' : since < 1000 ? 'draining' : 'terminated',
    ...given
  }
}

/** A run with these losses. */
export function runOf (replicas: ReplicaRecord[], losses: PlacedLoss[], given: Partial<RunRecord> = {}): RunRecord {
  const byKind: RunRecord['byKind'] = {}
  for (const { kind } of losses) byKind[kind] = (byKind[kind] ?? 0) + 1
  return {
    begunAt, loadedAt: begunAt + 1000, endedAt: begunAt + 5000, requests: 1000, connections: 50, lost: losses.length,
    byKind, losses, longestPause: 3, replicas,
    latency: {
      ...figures(990),
      stages: { before: figures(100), during: figures(790), after: figures(100) },
      series: [0, 1, 2, 3].map((second) => ({ at: begunAt + second * 1000, count: 250, p50: 1, p99: 10, max: 12 }))
    },
    ...given
  }
}

/** A drill of these runs. */
export function recordOf (runs: RunRecord[], given: Partial<DrillRecord> = {}): DrillRecord {
  return {
    version: 1, service: 'service.js', front: 'kube-proxy', fault: undefined, replicas: 2, grace: 30_000, rate: 100,
    maxLost: 0, runs, ...given
  }
}
