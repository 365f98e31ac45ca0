import { phases } from '../lifecycle/phase.ts'
import type { Phase } from '../lifecycle/phase.ts'
import type { Cut, Report } from '../lifecycle/report.ts'
import type { CheckStatus } from '../status/model.ts'
import type { Tally } from './tally.ts'

/** What the metrics are read from at each scrape. */
export interface MetricSources {
  tally: Tally
  /** The phase and its milliseconds so far. */
  now: () => { phase: Phase, elapsed: number }
  /** What was cut at the end of phase 3; undefined until then. */
  cut: () => Pick<Cut, 'requests' | 'streams' | 'upgraded' | 'connections'> | undefined
  /** Undefined until the end is over. */
  report: () => Report | undefined
  /** The last known readiness. */
  ready: () => boolean
  holds: () => number
  requests: () => number
  connections: () => { open: number, busy: number, idle: number, upgraded: number, sessions: number }
  /** Connections accepted so far. */
  accepted: () => number
  /** Connections that came late, see {@link TrafficSummary}. */
  late: () => number
  /** Epoch milliseconds by which all work must be over; undefined while no end was asked for. */
  deadline: () => number | undefined
  checks: () => CheckStatus[]
}

/** One value with its labels. */
interface Sample { labels: Record<string, string>, value: number }

/** A metric as it is documented. */
export interface MetricRow {
  /** Without the prefix `fastify_graceful_`. */
  name: string
  type: 'gauge' | 'counter' | 'histogram'
  help: string
  labels: readonly string[]
}

/** A metric that is read at scrape time. */
export interface ReadRow extends MetricRow {
  type: 'gauge' | 'counter'
  read: (sources: MetricSources) => Sample[]
}

/** A metric that is told of each event. */
export interface HistogramRow extends MetricRow {
  type: 'histogram'
  buckets: readonly number[]
}

const one = (value: number): Sample[] => [{ labels: {}, value }]
const flag = (value: boolean): number => value ? 1 : 0
const counts = (entries: Array<{ labels: Record<string, string>, count: number }>): Sample[] =>
  entries.map(({ labels, count }) => ({ labels, value: count }))
const states = ['passing', 'failing', 'degraded', 'unknown'] as const

/** Every metric whose value is known when it is asked for. */
export const readTable: readonly ReadRow[] = [
  {
    name: 'phase',
    type: 'gauge',
    help: 'Phase of the application: 1 for the one it is in, 0 for the others',
    labels: ['phase'],
    read: ({ now }) => phases.map((phase) => ({ labels: { phase }, value: flag(phase === now().phase) }))
  },
  {
    name: 'phase_seconds_total',
    type: 'counter',
    help: 'Time spent in each phase',
    labels: ['phase'],
    read: ({ now, report, tally }) => {
      const { phase: current, elapsed } = now()
      const present = report()?.phases.at(-1)?.duration ?? elapsed
      return phases.map((phase) =>
        ({ labels: { phase }, value: tally.timeIn(phase, phase === current ? present : undefined) / 1000 }))
    }
  },
  {
    name: 'ready',
    type: 'gauge',
    help: 'Whether the last known readiness is good',
    labels: [],
    read: ({ ready }) => one(flag(ready()))
  },
  {
    name: 'deadline_timestamp_seconds',
    type: 'gauge',
    help: 'By when all work must be over, in seconds since 1970; 0 while no end was asked for',
    labels: [],
    read: ({ deadline }) => one((deadline() ?? 0) / 1000)
  },
  { name: 'holds', type: 'gauge', help: 'How many hold readiness', labels: [], read: ({ holds }) => one(holds()) },
  {
    name: 'requests_in_flight',
    type: 'gauge',
    help: 'Requests in flight, the scrape among them',
    labels: [],
    read: ({ requests }) => one(requests())
  },
  {
    name: 'connections',
    type: 'gauge',
    help: 'Open connections by what they do; http2 counts sessions, handshake TLS connections that are not ready yet',
    labels: ['state'],
    read: ({ connections }) => {
      const { open, busy, idle, upgraded, sessions } = connections()
      const values = { busy, idle, upgraded, http2: sessions, handshake: open - busy - idle - upgraded - sessions }
      return Object.entries(values).map(([state, value]) => ({ labels: { state }, value }))
    }
  },
  {
    name: 'connections_accepted_total',
    type: 'counter',
    help: 'Connections accepted, those of probers and scrapers too',
    labels: [],
    read: ({ accepted }) => one(accepted())
  },
  {
    name: 'connections_shed_total',
    type: 'counter',
    help: 'Connections told to reconnect elsewhere',
    labels: [],
    read: ({ tally }) => one(tally.shed)
  },
  {
    name: 'late_connections_total',
    type: 'counter',
    help: 'New connections of traffic within announce.quiet before the listener closed, or after: '
      + 'where there are any, others were refused',
    labels: [],
    read: ({ late }) => one(late())
  },
  {
    name: 'probe_answers_total',
    type: 'counter',
    help: 'Answers of the health routes',
    labels: ['prober', 'probe', 'result'],
    read: ({ tally }) => counts(tally.probes.entries())
  },
  {
    name: 'check_state',
    type: 'gauge',
    help: 'Last outcome of each health check: 1 for its state, 0 for the others',
    labels: ['check', 'state'],
    read: ({ checks }) => checks().flatMap(({ name, state: current }) =>
      states.map((state) => ({ labels: { check: name, state }, value: flag(state === current) })))
  },
  {
    name: 'check_duration_seconds',
    type: 'gauge',
    help: 'How long the last run of each health check took',
    labels: ['check'],
    read: ({ checks }) => checks().flatMap(({ name, duration }) =>
      duration === undefined ? [] : [{ labels: { check: name }, value: duration / 1000 }])
  },
  {
    name: 'requests_drained_total',
    type: 'counter',
    help: 'Requests that came to their end in phase draining',
    labels: [],
    read: ({ tally }) => one(tally.requestsDrained)
  },
  {
    name: 'requests_cut_total',
    type: 'counter',
    help: 'Requests cut at the deadline: ordinary ones, streams, upgraded sockets, connections that had just carried '
      + 'one; and those that other code ended',
    labels: ['kind'],
    read: ({ cut, tally }) => {
      const { requests = [], streams = 0, upgraded = 0, connections = [] } = cut() ?? {}
      const values =
        { request: requests.length, stream: streams, upgraded, connection: connections.length, others: tally.lost }
      return Object.entries(values).map(([kind, value]) => ({ labels: { kind }, value }))
    }
  },
  {
    name: 'shutdowns_total',
    type: 'counter',
    help: 'Shutdowns that are over',
    labels: ['kind', 'verdict'],
    read: ({ report }) => {
      const { kind, verdict } = report() ?? {}
      return kind === undefined || verdict === undefined ? [] : [{ labels: { kind, verdict }, value: 1 }]
    }
  },
  // An event loop that reads these turns. Only the watchdog knows more, and writes that in their place on its own port.
  {
    name: 'event_loop_silence_seconds',
    type: 'gauge',
    help: 'How long the event loop has not turned; only the port of the watchdog can tell more than 0',
    labels: [],
    read: () => one(0)
  },
  {
    name: 'event_loop_blocked',
    type: 'gauge',
    help: 'Whether the event loop has not turned for longer than watchdog.blocked; '
      + 'only the port of the watchdog can tell',
    labels: [],
    read: () => one(0)
  },
  {
    name: 'metrics_age_seconds',
    type: 'gauge',
    help: 'How old the other values are: more than a moment only on the port of the watchdog, '
      + 'while the event loop does not turn',
    labels: [],
    read: () => one(0)
  }
]

/** Every metric that is told of events. */
export const histogramTable: { readonly [name in 'blocked' | 'lastConnection']: HistogramRow } = {
  blocked: {
    name: 'event_loop_blocked_seconds',
    type: 'histogram',
    help: 'How long the event loop did not turn, each time it was longer than watchdog.blocked',
    labels: [],
    buckets: [0.5, 1, 2, 5, 10, 20, 30, 60, 120]
  },
  lastConnection: {
    name: 'last_connection_seconds',
    type: 'histogram',
    help: 'Time from the announcement to the last new connection of traffic, where one came',
    labels: [],
    buckets: [0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120]
  }
}

/** Every metric, as it is documented. */
export const metricTable: readonly MetricRow[] = [...readTable, ...Object.values(histogramTable)]

/** The prefix of every metric's name. */
export const metricPrefix = 'fastify_graceful_'
