import t from 'tap'
import { lineOf, startedAt, summaryOf, wholeLog } from './sample.ts'

const event = (fields: object, hostname = 'shop-1', pid = 17): string =>
  JSON.stringify({ level: 40, time: startedAt, pid, hostname, ...fields })
const phase = (name: string, more: object = {}, hostname?: string): string =>
  event({ event: 'graceful.phase', phase: name, previous: 'running', reason: 'SIGTERM', ...more }, hostname)

t.test('all that a log tells', (t) => {
  const summary = summaryOf(wholeLog())
  const long = 'shop-7d9f8b6c5d-with-a-name-as-long-as-kubernetes-makes-them-x2x9z'
  t.equal(summary.reports, 3)
  t.same(summary.verdicts, { clean: 1, cut: 1, failed: 1 })
  t.match(summary.pods, [
    { name: 'shop-1', pid: 17, verdict: 'clean', duration: 5813, gracePeriod: 30_000, lastArrival: 3200 },
    { name: long, verdict: 'cut', requests: 2, connections: 1, byOthers: 1, streams: 2, upgraded: 1 },
    { name: 'shop-1', pid: 18, verdict: 'failed', hurried: 'draining' }
  ])
  t.match(summary.unreported, [
    { name: 'shop-4', how: 'watchdog', phase: 'draining', blockedIn: 'hash /app/a.js:7:3', requests: 1 },
    { name: 'shop-1', pid: 1, how: 'killed', elapsed: 9700, planned: 28_000 },
    { name: 'shop-3', how: 'unknown', phase: 'announcing', reason: 'SIGTERM' }
  ])
  t.match(summary.phases.map(({ phase: name, median, longest, longestOf, capped }) => [name, median, longest, longestOf, capped]), [
    ['announcing', 5000, 18_000, long, 1], ['closing', 1, 1, String, 0], ['draining', 800, 5000, long, 1],
    ['terminated', 12, 12, String, 0]
  ])
  t.match(summary.lastArrivals, {
    count: 2, least: 3200, median: 10_500, longest: 17_800, longestOf: long,
    buckets: [{ count: 0 }, { count: 0 }, { from: 2000, to: 5000, count: 1 }, { count: 0 }, { count: 0 }, { from: 15_000, count: 1 }]
  })
  t.same(summary.late, {
    reports: 1,
    connections: 5,
    sources: [{ address: '10.0.0.7', count: 4, reports: 1 }, { address: '10.0.0.8', count: 1, reports: 1 }]
  })
  t.match(summary.cut, {
    requests: [{ method: 'GET', route: '/orders/:id', count: 1, longest: 5300, longestOf: long }, { route: '/日本語/🚀' }],
    connections: [{ count: 1, longest: 300 }],
    byOthers: [{ method: 'POST', route: '/orders' }],
    streams: 2,
    upgraded: 1
  })
  const mail = { name: 'mail', phase: 'draining', count: 1, reports: 1, longest: 10_000, longestOf: 'shop-1' }
  t.same(summary.stalled, [{ ...mail, name: 'outbox 発送', longest: 5000, longestOf: long }])
  t.same(summary.waited, [mail])
  t.match(summary.failures, [{ name: 'flush', phase: 'terminated', message: 'disk full \\u001b[31m', count: 1 }])
  t.same(summary.blocked, [{ blockedIn: 'hash /app/a.js:7:3', count: 1, reports: 1, longest: 4300, longestOf: 'shop-1 17' }])
  t.match(summary.warnings, [{ event: 'graceful.closed', count: 1 }])
  t.same(summary.input, { files: ['shop.log'], lines: 11, others: 1, tooLong: 0, broken: 0, repeated: 0, left: 0 })
  t.end()
})

t.test('what is told again counts once, in another form, too', (t) => {
  const line = lineOf()
  const { reports, input } = summaryOf([
    line, line, `[pod/shop-1/shop] ${line}`, JSON.stringify({ labels: { pod: 'shop-1' }, line }),
    // Without the process, as pino-pretty may leave it out, it may be the same.
    JSON.stringify({ event: 'graceful.report', report: (JSON.parse(line) as { report: unknown }).report })
  ])
  t.equal(reports, 1)
  t.equal(input.repeated, 4)
  t.equal(summaryOf([line, lineOf({}, { hostname: 'shop-2' }), lineOf({}, { pid: 18 })]).reports, 3, 'other processes')
  const log = wholeLog()
  const [once, twice] = [summaryOf(log), summaryOf([...log, ...log])]
  t.same({ ...twice, input: undefined }, { ...once, input: undefined })
  t.end()
})

t.test('ends without a report', (t) => {
  t.same(summaryOf([phase('announcing'), phase('draining'), lineOf()]).unreported, [], 'one that has it')
  t.same(summaryOf([lineOf(), phase('draining'), phase('announcing')]).unreported, [], 'the newest first, as Loki answers')
  t.match(summaryOf([phase('announcing'), phase('draining', { time: startedAt + 9 })]).unreported, [{ how: 'unknown', phase: 'draining' }])
  t.same(summaryOf([phase('announcing'), phase('running', { endedBy: 'undrain' })]).unreported, [], 'a drain that was undone')
  t.match(
    summaryOf([lineOf(), phase('announcing', { time: startedAt + 3_600_000 })]).unreported,
    [{ how: 'unknown' }],
    'a container that was started anew, with the same number'
  )
  t.same(summaryOf([event({ event: 'graceful.predecessor', childPid: 1, restarted: true, phase: 'draining' })]).unreported, [],
    'a machine that was started anew killed nobody')
  t.end()
})

t.test('blocks of an event loop', (t) => {
  const blocked = (more: object, pid?: number): string => event({ event: 'graceful.blocked', silence: 2000, ...more }, 'shop-1', pid)
  const { blocked: all } = summaryOf([
    blocked({ native: true, time: 1 }), event({ event: 'graceful.unblocked', duration: 3000, blockedIn: 'read /a.js:1:1', time: 2 }),
    blocked({ blockedIn: 'hash /b.js:1:1', time: 3 }, 18), blocked({ blockedIn: 'hash /b.js:1:1', time: 4 }, 18),
    blocked({ native: true, time: 5 }, 19)
  ])
  t.same(all.map(({ blockedIn, count, longest }) => [blockedIn, count, longest]), [
    ['hash /b.js:1:1', 2, 2000], ['read /a.js:1:1', 1, 3000], [undefined, 1, 2000]
  ])
  t.end()
})

t.test('what other versions and other people write', (t) => {
  const summary = summaryOf([
    JSON.stringify({ event: 'graceful.report', report: { verdict: 'x'.repeat(5000), startedAt: 1e300, phases: [{ phase: 'lunch', duration: -5 }] } }),
    event({ event: 'graceful.waiting', stalledBy: [null, 'x', { name: 7 }] }),
    event({ event: 'graceful.killed', requests: 'many', blockedIn: {} }),
    event({ event: 'graceful.blocked', silence: -1, blockedIn: 7 }),
    event({ event: 'graceful.new', level: 'error', message: '\u202E\u0007' }),
    event({ event: 'graceful.calm', level: 'info' })
  ])
  t.equal(summary.reports, 1)
  t.ok(summary.pods[0]!.verdict.length <= 300)
  t.same(summary.warnings.map(({ message }) => message), ['\\u202e\\u0007'])
  t.doesNotThrow(() => JSON.stringify(summary))
  t.end()
})
