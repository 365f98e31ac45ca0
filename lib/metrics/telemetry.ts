import type { Health } from '../health/health.ts'
import type { Holds } from '../lifecycle/holds.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import type { Phase } from '../lifecycle/phase.ts'
import type { Cut, CutRequest, PhaseRecord, Report } from '../lifecycle/report.ts'
import type { Traffic } from '../traffic/traffic.ts'
import { publish } from './events.ts'
import type { LateConnectionEvent, BlockedEvent } from './events.ts'
import { Meter } from './meter.ts'
import type { MetricsClient } from './meter.ts'
import type { MetricsRegistry } from './options.ts'
import type { MetricSources } from './table.ts'
import { Tally } from './tally.ts'
import type { TallySources } from './tally.ts'

/** What is told of an application. */
export interface TelemetryPorts extends TallySources, Omit<MetricSources, 'tally' | 'now' | 'cut' | 'report'> {
  lifecycle: Lifecycle
  /** Milliseconds from the announcement to the last new connection of traffic; undefined where none came. */
  lastConnection: () => number | undefined
}

/** What one application tells programs: its events, and its metrics where they are asked for. */
export class Telemetry {
  readonly #name: string
  readonly #ports: TelemetryPorts
  readonly #tally: Tally
  #meter: Meter | undefined

  constructor (name: string, ports: TelemetryPorts) {
    this.#name = name
    this.#ports = ports
    this.#tally = new Tally(ports)
  }

  /**
   * Puts the metrics into a registry, and answers it.
   *
   * @param given by default one of the application's own
   * @throws FST_GRACEFUL_INVALID_OPTION another application uses it
   */
  measure (client: MetricsClient, given: MetricsRegistry | undefined): MetricsRegistry {
    const { lifecycle, ...ports } = this.#ports
    this.#meter = new Meter(client, given, {
      ...ports,
      tally: this.#tally,
      cut: () => lifecycle.draft.cut,
      report: () => lifecycle.report,
      now: () => ({ phase: lifecycle.phase, elapsed: lifecycle.elapsed })
    })
    return this.#meter.registry
  }

  /** A phase has begun; the record is that of the one before. */
  phase (phase: Phase, previous: Phase, record: PhaseRecord): void {
    const { request, deadline } = this.#ports.lifecycle
    this.#tally.phase(phase, record)
    if (phase === 'draining') this.#noteLastConnection()
    publish('fastify-graceful:phase', () =>
      ({ application: this.#name, phase, previous, record, reason: request?.reason ?? 'drain', deadline }))
  }

  /** Phase 3 is over, and what is left is about to be cut: that is not drained. */
  drained (): void {
    this.#tally.drained()
  }

  /** Requests were cut at the end of phase 3. */
  cut ({ requests }: Pick<Cut, 'requests'>): void {
    for (const request of requests) this.#publishCut(request, 'deadline')
  }

  /** The end is over. */
  report (report: Report): void {
    publish('fastify-graceful:report', () => ({ application: this.#name, report }))
  }

  /** Other code of the process has ended a request. */
  lost (request: CutRequest): void {
    this.#tally.lose()
    this.#publishCut(request, 'others')
  }

  /** A connection came late. */
  late ({ address, after }: Omit<LateConnectionEvent, 'application'>): void {
    publish('fastify-graceful:late-connection', () => ({ application: this.#name, address, after }))
  }

  /** The event loop turns again. */
  unblocked ({ duration, at, blockedIn }: Omit<BlockedEvent, 'application'>): void {
    this.#meter?.unblocked(duration)
    publish('fastify-graceful:blocked', () => ({ application: this.#name, duration, at, blockedIn }))
  }

  /** A health route has answered, so many times. */
  probed (prober: string, probe: string, ok: boolean, count: number = 1): void {
    this.#tally.probes.add({ prober, probe, result: ok ? 'pass' : 'fail' }, count)
  }

  /** What {@link Telemetry.measure} has put into its registry, and whatever else is in it. */
  async text (): Promise<{ text: string, type: string } | undefined> {
    const registry = this.#meter?.registry
    return registry && { text: await registry.metrics(), type: registry.contentType }
  }

  #publishCut ({ method, route, age }: CutRequest, by: 'deadline' | 'others'): void {
    publish('fastify-graceful:request-cut', () => ({ application: this.#name, method, route, age, by }))
  }

  /** Told before the end is over: nobody can scrape after it. */
  #noteLastConnection (): void {
    const after = this.#ports.lastConnection()
    if (after !== undefined) this.#meter?.lastConnection(after)
  }
}

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
