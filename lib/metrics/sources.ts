import type { Health } from '../health/health.ts'
import type { Holds } from '../lifecycle/holds.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { Telemetry } from './telemetry.ts'
import type { Traffic } from '../traffic/traffic.ts'

/** What of an application is measured. */
export interface TelemetryParts {
  lifecycle: Lifecycle
  traffic: Traffic
  health: Health
  holds: Holds
}

/** Makes what tells programs of an application; all of it is asked when somebody wants to know. */
export function makeTelemetry (name: string, { lifecycle, traffic, health, holds }: TelemetryParts): Telemetry {
  const { requests, followed, connections } = traffic
  return new Telemetry(name, {
    lifecycle,
    ended: () => followed.ended,
    shed: () => traffic.summary().shed,
    late: () => traffic.summary().lateArrivals,
    lastConnection: () => traffic.summary().lastArrival,
    deadline: () => lifecycle.deadline,
    ready: () => health.ready(),
    holds: () => holds.reasons().length,
    requests: () => requests.count(),
    connections: () => connections.counts(),
    accepted: () => connections.accepted,
    checks: () => health.checks()
  })
}
