import { buildStatus } from './model.ts'
import type { PublicStatus, Status, StatusParts } from './model.ts'
import type { Health } from '../health/health.ts'
import type { Holds } from '../lifecycle/holds.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { phaseNumber } from '../lifecycle/phase.ts'
import { version } from '../build.ts'
import type { Traffic } from '../traffic/traffic.ts'

/** What of an application its status is read from. */
export interface StatusSources extends Pick<StatusParts, 'started' | 'pressure' | 'watchdog' | 'platform'> {
  lifecycle: Lifecycle
  traffic: Traffic
  health: Health
  holds: Holds
  /** Its version. */
  fastify: string
}

/** What anyone may know. */
export function readPublicStatus (
  { lifecycle: { phase, since }, health }: Pick<StatusSources, 'lifecycle' | 'health'>
): PublicStatus {
  return { phase, number: phaseNumber(phase), since, ready: health.ready() }
}

/** All that is known, as data; at most so many requests, holds, stalls and works. */
export function readStatus (
  { lifecycle, traffic, health, holds, started, pressure, watchdog, platform, fastify }: StatusSources,
  most?: number
): Status {
  const { phase, since, deadline, progress, budget, report } = lifecycle
  const summary = traffic.summary()
  const { rateBefore, evidence, arrivals, lastArrival, lateArrivals, lateSources, probes, frontEnds } = summary
  return buildStatus({
    phase,
    since,
    deadline,
    shutdown: progress,
    budget,
    report,
    started,
    ready: health.ready(),
    holds: holds.reasons().slice(0, most),
    inFlight: traffic.requests.count(),
    requests: traffic.inFlight.oldest(most),
    connections: { ...traffic.connections.counts() },
    participants: lifecycle.participants.names(),
    stalls: lifecycle.stalls().slice(0, most),
    checks: health.checks(),
    pressure,
    platform,
    traffic: {
      rate: rateBefore,
      evidence: phase === 'running' ? undefined : evidence,
      arrivals,
      lastArrival,
      lateArrivals,
      lateSources,
      probes,
      frontEnds
    },
    work: lifecycle.work.names().slice(0, most),
    watchdog,
    versions: { package: version, node: process.version, fastify }
  })
}
