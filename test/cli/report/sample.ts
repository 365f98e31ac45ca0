import type { Cut, Report } from '../../../lib/lifecycle/report.ts'
import { bounded, factsOf, readReport } from '../../../lib/cli/report/facts.ts'
import type { Facts } from '../../../lib/cli/report/facts.ts'
import { LogReader } from '../../../lib/cli/report/reader.ts'
import { summarize } from '../../../lib/cli/report/summary.ts'
import type { Summary } from '../../../lib/cli/report/summary.ts'
import { Tally } from '../../../lib/cli/report/tally.ts'
import { noTraffic } from '../../support/report.ts'

export const startedAt = 1_795_305_562_953

type Times = Partial<Record<'announcing' | 'closing' | 'draining' | 'terminated', number>>

/** What of a report is given; all else is that of a clean end. */
export interface Given extends Partial<Omit<Report, 'phases' | 'cut' | 'traffic'>> {
  times?: Times
  /** Phases that were at their cap, and who still stalled then. */
  capped?: Partial<Record<keyof Times, string[]>>
  cut?: Partial<Cut>
  traffic?: Partial<Report['traffic']>
}

/** A report as the plugin writes it. */
function reportOf (given: Given = {}): Report {
  const { times, capped = {}, cut, traffic, ...others } = given
  const all = { announcing: 5000, closing: 1, draining: 800, terminated: 12, ...times }
  const phases = Object.entries(all).map(([phase, duration]) => {
    const names = capped[phase as keyof Times]
    return {
      phase: phase as Report['phases'][number]['phase'],
      duration,
      endedBy: names === undefined ? 'condition' as const : 'cap' as const,
      stalledBy: (names ?? []).map((name) => ({ name, reason: 'not yet' }))
    }
  })
  return {
    verdict: 'clean',
    summary: 'shutdown by SIGTERM in 5813 ms, nothing cut',
    kind: 'shutdown',
    reason: 'SIGTERM',
    exitCode: 0,
    startedAt,
    duration: Object.values(all).reduce((sum, time) => sum + time),
    announcedBefore: 0,
    gracePeriod: 30_000,
    hurried: undefined,
    failures: [],
    advice: [],
    ...others,
    phases,
    traffic: { ...noTraffic(), ...traffic },
    cut: {
      requests: [], streams: 0, upgraded: 0, connections: [], byOthers: [], waiting: Object.values(capped).flat(), ...cut
    }
  }
}

/** What is kept of such a report. */
export function factsFor (given: Given = {}, name = 'shop-1'): Facts {
  return factsOf(readReport(bounded(JSON.parse(JSON.stringify(reportOf(given)))))!, { file: 'shop.log', pod: name })
}

/** The line of such a report, as pino writes it. */
export function lineOf (
  given: Given = {},
  { hostname = 'shop-1', pid = 17, ...others }: { hostname?: string, pid?: number, [name: string]: unknown } = {}
): string {
  const report = reportOf(given)
  const msg = `fastify-graceful: ${report.summary}`
  return JSON.stringify({ level: 30, time: startedAt + report.duration, pid, hostname, event: 'graceful.report', report, ...others, msg })
}

/** The log of a rollout in which everything happened that a log can tell. */
export function wholeLog (): string[] {
  const event = (fields: object, hostname = 'shop-1'): string =>
    JSON.stringify({ level: 40, time: startedAt, pid: 17, hostname, ...fields })
  return [
    lineOf({ traffic: { arrivals: 3, lastArrival: 3200 } }),
    lineOf({
      verdict: 'cut',
      exitCode: 1,
      startedAt: startedAt + 60_000,
      times: { announcing: 18_000, draining: 5000 },
      capped: { announcing: ['traffic'], draining: ['traffic', 'outbox 発送'] },
      traffic: {
        lateArrivals: 5,
        lastArrival: 17_800,
        suggestedMin: 19_000,
        lateSources: [{ address: '10.0.0.7', count: 4 }, { address: '10.0.0.8', count: 1 }]
      },
      cut: {
        requests: [{ method: 'GET', route: '/orders/:id', age: 5300 }, { method: 'GET', route: '/日本語/🚀', age: 20 }],
        connections: [{ method: undefined, route: undefined, address: '10.0.0.9', age: 300 }],
        byOthers: [{ method: 'POST', route: '/orders', age: 40 }],
        streams: 2,
        upgraded: 1,
        waiting: ['outbox 発送']
      }
    }, { hostname: 'shop-7d9f8b6c5d-with-a-name-as-long-as-kubernetes-makes-them-x2x9z' }),
    lineOf({
      verdict: 'failed', kind: 'restart', hurried: 'draining', startedAt: startedAt + 90_000,
      failures: [{ name: 'flush', message: 'disk full \u001B[31m', phase: 'terminated' }]
    }, { pid: 18 }),
    event({ event: 'graceful.phase', phase: 'announcing', previous: 'running', reason: 'SIGTERM' }, 'shop-3'),
    event({ event: 'graceful.killed', phase: 'draining', reason: 'SIGTERM', blockedIn: 'hash /app/a.js:7:3', requests: [{}] }, 'shop-4'),
    event({ event: 'graceful.predecessor', childPid: 1, phase: 'draining', reason: 'SIGTERM', elapsed: 9700, planned: 28_000 }),
    event({ event: 'graceful.waiting', phase: 'draining', elapsed: 10_000, stalledBy: [{ name: 'mail', reason: '3 left' }] }),
    event({ event: 'graceful.blocked', silence: 2100, blockedIn: 'hash /app/a.js:7:3' }),
    event({ event: 'graceful.unblocked', duration: 4300, blockedIn: 'hash /app/a.js:7:3', time: startedAt + 1 }),
    event({ event: 'graceful.closed', phase: 'running', msg: 'fastify-graceful: other code has closed the server' }),
    'Server listening'
  ]
}

/** What lines tell together. */
export function summaryOf (lines: readonly string[]): Summary {
  const input = { files: ['shop.log'], lines: 0, others: 0, tooLong: 0, broken: 0 }
  const tally = new Tally()
  const reader = new LogReader('shop.log', input, (record) => tally.add(record))
  for (const line of lines) reader.line(line)
  reader.end()
  tally.end()
  return summarize(tally, input)
}
