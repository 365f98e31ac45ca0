import type { TrafficSummary } from './report.ts'

/** A summary of no traffic at all: where none was seen, or nobody knows. */
export function noTraffic (): TrafficSummary {
  return {
    evidence: 'absent',
    rateBefore: 0,
    arrivals: 0,
    lastArrival: undefined,
    lateArrivals: 0,
    lateSources: [],
    suggestedMin: undefined,
    probes: [],
    frontEnds: [],
    shed: 0
  }
}
