import type { TrafficSummary } from '../../lib/lifecycle/report.ts'

/** A summary of no traffic at all. */
export function noTraffic (): TrafficSummary {
  return { evidence: 'absent', rateBefore: 0, arrivals: 0, lastArrival: undefined, lateArrivals: 0, lateSources: [], suggestedMin: undefined, probes: [], frontEnds: [], shed: 0 }
}
