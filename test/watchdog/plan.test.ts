import { createHook } from 'node:async_hooks'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { Gauge, Registry } from 'prom-client'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { Snapshots } from '../../lib/watchdog/main/snapshots.ts'
import { Heartbeat, SharedSnapshots } from '../../lib/watchdog/heartbeat.ts'
import { Scrape } from '../../lib/watchdog/thread/scrape.ts'
import {
  deadlineOf, limitOf, planEnd, planEndByMemory, residentMemory, teardownTime
} from '../../lib/watchdog/kill-deadline.ts'
import type { WatchedState } from '../../lib/watchdog/protocol.ts'
import { Signals } from '../../lib/watchdog/thread/signals.ts'
import type { WatchedApplication } from '../../lib/watchdog/main/types.ts'
import { BlockedDetector, BlockedReport, hangFields, heldBy } from '../../lib/watchdog/thread/blocked.ts'
import type { RequestRecord } from '../../lib/platform/kubernetes/message.ts'
import { buildVerdict } from '../../lib/watchdog/thread/verdict.ts'
import { onTick, tickInterval } from '../../lib/util/ticker.ts'

const application = (given: Partial<WatchedState> = {}): WatchedState => ({
  name: 'application 1', phase: 'running', since: 0, ready: true, unreadyFrom: undefined, started: true, open: true,
  ending: false, exit: true, kind: undefined, reason: undefined, startedAt: undefined, heard: [], hurriedAt: undefined,
  graceStart: undefined, gracePeriod: 30_000, preStop: 0, reserve: 2000, close: 5000, announceMax: 18_000,
  signals: ['SIGTERM'], stalls: [], requests: [], seenAt: undefined, inFlight: 0, measured: false, ...given
})
const heard = { signals: [], prestop: undefined }
const signal = (name: string, at: number, count = 1): { name: string, at: number, count: number } =>
  ({ name, at, count })
const check = (name: string, ok = true): object => ({ name, ok, excluded: false, duration: 1, age: 1, time: 0 })
const verdict = (kind: string, ...checks: object[]): object => ({ kind, ok: true, checks, warnings: [] })

t.test('when the process has to be gone', async (t) => {
  t.equal(planEnd([], heard), undefined)
  t.equal(planEnd([application()], heard), undefined, 'nobody asked for it')
  t.equal(planEnd([application({ graceStart: 0 })], heard), undefined, 'nor does a drain')
  t.same(
    planEnd([application({ ending: true, graceStart: 1000 })], heard),
    { hung: 28_750, surely: 28_750, hurry: 30_200, turning: 30_200, last: 30_900, teardown: 0, exitCode: 1 },
    'before the reserve, and one that turns has most of it'
  )
  t.same(
    planEnd([application({ ending: true, graceStart: 0, gracePeriod: 3000, reserve: 300 })], heard),
    { hung: 2150, surely: 2150, hurry: 2880, turning: 2880, last: 2940, teardown: 0, exitCode: 1 },
    'the kill needs 600 ms'
  )
  const least = planEnd([application({ ending: true, graceStart: 0, gracePeriod: 1000, reserve: 100 })], heard)!
  t.ok(least.hung > 600 && least.last < 1000, 'of the shortest grace period, too')
  t.equal(planEnd([application({ ending: true, exit: false, graceStart: 0 })], heard), undefined, 'exit: false')
})

t.test('memory that the kernel has to take down', async (t) => {
  const gibibyte = 2 ** 30
  t.equal(teardownTime(100 * 2 ** 20), 0, 'there is time for a little of it anyway')
  t.ok(teardownTime(4 * gibibyte) >= 4 * 330, 'the slowest pace that was measured')
  t.equal(teardownTime(1000 * gibibyte), 5000)
  const ending = [application({ ending: true, graceStart: 0, gracePeriod: 3000, reserve: 300 })]
  t.same(
    planEnd(ending, heard, 400),
    { hung: 1750, surely: 2150, hurry: 2480, turning: 2850, last: 2940, teardown: 400, exitCode: 1 },
    'one that hangs is killed that much earlier, one that turns keeps its time for the logs'
  )
  t.same(
    planEnd(ending, heard, 5000),
    { hung: 1400, surely: 2150, hurry: 2130, turning: 2850, last: 2940, teardown: 750, exitCode: 1 },
    'by a quarter of the grace period at most'
  )
  t.equal(planEndByMemory(ending, heard, 0, () => 4 * gibibyte)?.hung, 1400)
  t.equal(
    planEndByMemory([application({ ending: true, graceStart: 0 })], heard, 20_000, () => {
      throw new Error('too early to look at it')
    })?.hung,
    27_750
  )
  const resident = residentMemory()
  t.ok(resident > 0.8 * process.memoryUsage.rss() && resident < 1.2 * process.memoryUsage.rss(), 'and it is read')
  const hurried = { ...heard, signals: [signal('SIGTERM', 1000, 2), signal('SIGINT', 1300, 3)] }
  t.match(
    planEnd(ending, hurried, 5000),
    { hung: 1300, surely: 1300 },
    'who asks for a faster end waits for no collection of garbage'
  )
})

t.test('a look at the requests in flight is shared when there is news', async (t) => {
  const begun = performance.now()
  let routes: string[] = []
  let looks = 0
  const requests = (most: number): RequestRecord[] => {
    looks++
    return routes.slice(0, most)
      .map((route) => ({ method: 'GET', route, kind: 'request', age: Math.round(performance.now() - begun) }))
  }
  let crowded = false
  const snapshots = new SharedSnapshots()
  const reader = new SharedSnapshots(snapshots.buffer)
  t.same(reader.read(), [], 'nothing yet')
  const one =
    { requests, inFlight: () => routes.length, state: () => application(), crowded: () => crowded } as unknown as WatchedApplication
  const applications = new Set([one])
  const census = new Snapshots(applications, snapshots)
  census.glance()
  t.same(reader.read(), [{ requests: [], inFlight: 0 }])
  const { version } = reader
  census.glance()
  t.equal(looks, 2, 'each heartbeat looks')
  t.equal(reader.version, version, 'that there are none still is no news')
  routes = ['/a', '/b']
  census.glance()
  t.match(reader.read(), [{ inFlight: 2, requests: [{ route: '/a' }, { route: '/b' }], seenAt: Number }])
  t.match(census.states(), [{ requests: [], seenAt: undefined, inFlight: undefined }], 'messages do without')
  t.match(JSON.parse(census.snapshot()), [{ inFlight: 2, requests: [{ route: '/a' }, { route: '/b' }] }])
  routes = Array.from({ length: 26 }, () => '/many')
  census.glance()
  t.match(reader.read(), [{ inFlight: 26, requests: Array.from({ length: 10 }, () => ({ route: '/many' })) }])
  const before = looks
  for (let beat = 0; beat < 10; beat++) census.glance()
  t.equal(looks - before, 2, 'of many every fifth one')
  routes = [`/${'\u20ac'.repeat(9000)}`]
  census.look()
  t.same(reader.read(), [{ requests: [], inFlight: 1 }], 'what has no room is counted')
  applications.add({ ...one })
  routes = ['/\u20ac']
  census.look()
  t.match(reader.read(), [{ inFlight: 1, requests: [{ route: '/\u20ac' }] }, { inFlight: 1 }])
  crowded = true
  census.look()
  t.same(reader.read(), [{ requests: [] }, { requests: [] }])
})

t.test('a look that is written while another is read', async (t) => {
  const snapshots = new SharedSnapshots()
  const writer = new Worker(new URL('fixtures/snapshots.ts', import.meta.url), { workerData: { buffer: snapshots.buffer } })
  t.teardown(async () => writer.terminate())
  writer.once('error', (error) => t.fail(error))
  for (const end = performance.now() + 20_000; snapshots.version === 0 && performance.now() < end;) await sleep(20)
  let reads = 0
  const start = performance.now()
  const isOver = (): boolean => reads >= 50 && snapshots.version > 100 && performance.now() - start >= 1000
  while (!isOver() && performance.now() - start < 20_000) {
    const [snapshot] = snapshots.read()
    if (snapshot !== undefined && snapshot.inFlight !== snapshot.requests.length) {
      t.fail('half of one look and half of another', { snapshot })
    }
    reads++
    if (reads % 100 === 0) await sleep(0)
  }
  t.ok(snapshots.version > 100, `${snapshots.version} looks, ${reads} reads`)
})

t.test('a signal that the main thread has not heard', async (t) => {
  t.equal(planEnd([application()], { ...heard, signals: [signal('SIGTERM', 5000)] })?.hung, 5000 + 27_750)
  t.equal(planEnd([application({ preStop: 4000 })], { ...heard, signals: [signal('SIGTERM', 5000)] })?.hung, 1000 + 27_750)
  t.equal(planEnd([application()], { ...heard, signals: [signal('SIGUSR2', 5000)] }), undefined, 'that nobody acts on')
  t.equal(planEnd([application()], { prestop: 1000, signals: [] }), undefined, 'a call alone ends nothing')
  t.equal(
    planEnd([application()], { prestop: 1000, signals: [signal('SIGTERM', 5000)] })?.hung,
    1000 + 27_750,
    'but it has started the clock'
  )
  t.equal(planEnd([application({ graceStart: 1000 })], { ...heard, signals: [signal('SIGTERM', 5000)] })?.hung, 1000 + 27_750)
  t.equal(
    planEnd([application({ graceStart: 1000 })], { ...heard, signals: [signal('SIGTERM', 50_000)] })?.hung,
    50_000 + 27_750,
    'unless it is over'
  )
  t.equal(
    planEnd([application({ ending: true, graceStart: 0 })], { ...heard, signals: [signal('SIGTERM', 9000, 2)] })?.hung,
    13_000,
    'a second one shortens it'
  )
  t.match(
    planEnd(
      [application({ ending: true, graceStart: 0 })],
      { ...heard, signals: [signal('SIGTERM', 9000, 2), signal('SIGINT', 9500, 3)] }
    ),
    { hung: 9500, exitCode: 130 },
    'a third ends it'
  )
})

t.test('signals that the main thread has heard', async (t) => {
  const ending = application({ ending: true, graceStart: 0, hurriedAt: 9000 })
  t.match(planEnd([ending], heard), { hung: 13_000, exitCode: 1 }, 'a second one has shortened it')
  t.equal(
    planEnd([application({ ending: true, graceStart: 0, hurriedAt: 26_000 })], heard)?.hung,
    27_750,
    'never lengthens it'
  )
  t.equal(
    planEnd([ending, application({ ending: true, graceStart: 0, hurriedAt: 9500 })], heard)?.hung,
    13_500,
    'of several, the last'
  )
  t.equal(planEnd([ending, application({ ending: true, graceStart: 0 })], heard)?.hung, 27_750, 'where it hurries all of them')
  t.match(planEnd([ending], { ...heard, signals: [signal('SIGINT', 9500, 3)] }), { hung: 9500, exitCode: 130 })

  let now = 5000
  const told: Array<[string, number]> = []
  const signals = new Signals(() => now, ({ name, count }) => { told.push([name, count]) })
  const listening = (...counted: Array<ReturnType<typeof signal>>): void =>
    signals.update([application({ signals: [], heard: counted })])
  listening(signal('SIGTERM', 4990, 1))
  signals.receive('SIGTERM')
  signals.receive('SIGTERM')
  signals.receive('SIGINT')
  now += 60_000
  signals.forget(now)
  t.equal(signals.seen.length, 0, 'what is long heard is forgotten')
  listening(signal('SIGTERM', 4990, 1), signal('SIGINT', 5001, 2))
  signals.receive('SIGTERM')
  listening()
  now += 60_000
  signals.forget(now)
  signals.receive('SIGTERM')
  t.same(
    told,
    [['SIGTERM', 1], ['SIGINT', 2], ['SIGTERM', 3], ['SIGTERM', 1]],
    'one that the main thread told of first is the same, and the count goes on from its own'
  )
})

t.test('by when all work has to be over', async (t) => {
  t.equal(deadlineOf(application(), heard), undefined)
  t.equal(deadlineOf(application({ graceStart: 1000 }), heard), 24_000, 'as the main thread has it')
  t.equal(
    deadlineOf(application({ preStop: 4000 }), { ...heard, signals: [signal('SIGTERM', 5000)] }),
    24_000,
    'or would have it'
  )
  t.equal(deadlineOf(application(), { ...heard, signals: [signal('SIGUSR2', 5000)] }), undefined)
  t.equal(deadlineOf(application(), { signals: [], prestop: 2000 }), 25_000)
})

t.test('what a watchdog cannot do is said at boot', async (t) => {
  t.equal(limitOf(2), undefined)
  t.match(limitOf(1), /PID 1, which cannot kill itself: .* only the kubelet ends it/)
})

t.test('several applications', async (t) => {
  const ending = application({ ending: true, graceStart: 0 })
  t.equal(planEnd([ending, application()], heard), undefined, 'one that serves keeps the process')
  t.equal(planEnd([ending, application({ open: false })], heard)?.hung, 27_750, 'one that merely exists does not')
  t.equal(
    planEnd([ending, application({ ending: true, graceStart: 0, gracePeriod: 60_000 })], heard)?.hung,
    57_750,
    'the latest counts'
  )
  t.equal(
    planEnd([ending, application({ ending: true, exit: false, graceStart: 0, gracePeriod: 60_000 })], heard)?.hung,
    57_750,
    'whoever it is'
  )
  t.equal(planEnd([application(), application({ signals: [] })], { ...heard, signals: [signal('SIGTERM', 0)] }), undefined)
})

t.test('the watch', async (t) => {
  const watch = new BlockedDetector(2000, 0)
  t.equal(watch.look(0, 2000, 2000), undefined)
  t.same(watch.look(0, 2100, 2100), { change: 'blocked', age: 2100 })
  t.equal(watch.blocked, true)
  t.equal(watch.look(0, 9000, 2200), undefined, 'once')
  t.same(watch.look(9050, 9100, 9100), { change: 'unblocked', duration: 9050 })
  t.equal(watch.blocked, false)
  t.equal(watch.look(9050, 60_000, 10_000), undefined, 'a process that was stopped held both threads')
  t.equal(watch.silence(9050, 60_500), 500)
  t.same(watch.look(9050, 62_100, 62_100), { change: 'blocked', age: 2100 }, 'and what comes after it counts')
})

/** A report over a main thread that pauses with these frames: at once, after all, or not at all. */
const reportOver = (frames: object[] | undefined, rest: { late?: boolean, inspect?: boolean } = {}): {
  heartbeat: Heartbeat, seen: string[], report: BlockedReport
} => {
  const { late = false, inspect = true } = rest
  const heartbeat = new Heartbeat()
  const seen: string[] = []
  const pause = frames && { stack: frames, release: () => seen.push('released') }
  const mainThread = {
    pause: async () => late ? undefined : pause,
    pending: Promise.resolve(pause),
    disconnect: () => seen.push('disconnected')
  } as never
  const unblocked = (record: object): void => { seen.push(JSON.stringify({ ...record, at: 0 })) }
  return { heartbeat, seen, report: new BlockedReport({ mainThread, heartbeat, inspect, unblocked }) }
}
const recordOf = (blockedIn?: string): string => JSON.stringify({ duration: 2500, at: 0, blockedIn })

t.test('what holds a blocked event loop', async (t) => {
  const frame = { name: 'sum', file: '/app/sum.js', line: 7, column: 3 }
  const computing = { computes: true, waits: false }
  const hang = { silence: 2100.4, stack: undefined, inspect: true, state: computing }
  const native = { ...hang, state: { computes: false, waits: false } }
  t.equal(heldBy({ ...hang, stack: [frame] }), 'in sum (/app/sum.js:7:3)')
  t.equal(heldBy({ ...hang, stack: [] }), "inside Node's own code")
  t.match(heldBy({ ...hang, inspect: false }), /without the inspector/)
  t.match(heldBy(native), /waiting for the kernel/)
  t.match(heldBy(hang), /unknown place, computing:/)
  t.match(heldBy({ ...hang, state: { computes: false, waits: true } }), /unknown place, waiting:/)
  t.match(heldBy({ ...hang, state: { computes: undefined, waits: false } }), /unknown place:/)
  const held = { silence: 2100, blockedIn: 'sum (/app/sum.js:7:3)', stack: ['sum (/app/sum.js:7:3)'] }
  t.same(hangFields({ ...hang, stack: [frame] }), held)
  t.same(hangFields(native), { silence: 2100, native: true })
  t.same(hangFields({ ...native, inspect: false }), { silence: 2100 })

  for (const late of [false, true]) {
    const { heartbeat, seen, report: block } = reportOver([frame], { late })
    await block.begin(2100)
    await setImmediate()
    t.equal(heartbeat.blockedIn, held.blockedIn, 'told to the main thread, for its status')
    block.end(2499.6)
    t.equal(heartbeat.blockedIn, undefined)
    t.same(seen, ['released', 'disconnected', recordOf(held.blockedIn)])
  }
  const { seen, report: ended } = reportOver([frame])
  const begun = ended.begin(2100)
  ended.stop()
  await begun
  ended.end(2500)
  t.same(seen, [], 'a process that is being ended says the rest itself')
  const debugged = reportOver(undefined, { inspect: false })
  debugged.heartbeat.debuggable = true
  await debugged.report.begin(2100)
  debugged.report.end(2500)
  t.same(debugged.seen, ['disconnected', 'disconnected', recordOf()], 'an exit under --inspect must not wait for us')
})

t.test('verdicts', async (t) => {
  const verdicts = {
    readiness: verdict('readiness', check('started')),
    liveness: verdict('liveness', check('ping')),
    startup: verdict('startup', check('started'))
  } as never
  const turns = { silence: 0, blocked: false, dead: false }
  const question = { exclude: [], only: undefined }
  t.equal(buildVerdict('readiness', { verdicts: [verdicts], applications: [application()], loop: turns }, question).ok, true)
  t.equal(
    buildVerdict('readiness', { verdicts: [], applications: [application()], loop: turns }, question).ok,
    false,
    'not before the main thread has said so'
  )
  t.equal(buildVerdict('startup', { verdicts: [], applications: [], loop: turns }, question).ok, false)
  t.equal(
    buildVerdict('liveness', { verdicts: [], applications: [], loop: turns }, question).ok,
    true,
    'a boot may take its time'
  )
  t.equal(
    buildVerdict('readiness', { verdicts: [verdicts], applications: [application()], loop: { ...turns, blocked: true } }, question)
      .ok,
    false
  )
  t.equal(
    buildVerdict(
      'readiness',
      { verdicts: [verdicts], applications: [application()], loop: { ...turns, blocked: true } },
      { ...question, exclude: ['event-loop'] }
    ).ok,
    true
  )
  t.equal(
    buildVerdict('liveness', { verdicts: [verdicts], applications: [application()], loop: { ...turns, blocked: true } }, question).ok,
    true
  )
  t.equal(
    buildVerdict('liveness', {
      verdicts: [verdicts],
      applications: [application()],
      loop: { silence: 40_000, blocked: true, dead: true }
    }, question).ok,
    false
  )
  t.equal(
    buildVerdict('startup', {
      verdicts: [verdicts],
      applications: [application()],
      loop: { silence: 40_000, blocked: true, dead: true }
    }, question).ok,
    true
  )
  t.same(
    buildVerdict('readiness', {
      verdicts: [verdicts, verdicts],
      applications: [application()],
      loop: turns
    }, question).checks.map(({ name }) => name),
    ['started-1', 'started-2', 'event-loop']
  )
  t.same(
    buildVerdict(
      'readiness',
      { verdicts: [verdicts], applications: [application()], loop: turns },
      { exclude: [], only: 'nothing' }
    ).checks,
    []
  )

  const left = {
    readiness: verdict('readiness', check('started'), check('shutdown')),
    liveness: verdict('liveness', check('ping'))
  } as never
  const known = { verdicts: [left], applications: [application({ phase: 'announcing', unreadyFrom: Date.now() - 1 })], loop: turns }
  const failing = buildVerdict('readiness', known, question)
  t.equal(failing.ok, false, 'the end counts before a slow check has let the verdict follow')
  t.match(failing.checks.find(({ name }) => name === 'shutdown'), { ok: false, output: 'process is shutting down' })
  t.equal(buildVerdict('readiness', known, { exclude: ['shutdown'], only: undefined }).ok, true)
  t.equal(buildVerdict('readiness', known, { exclude: [], only: 'started' }).ok, true)
  t.equal(buildVerdict('liveness', known, question).ok, true)
  t.equal(
    buildVerdict('readiness', {
      ...known,
      applications: [application({ phase: 'announcing', unreadyFrom: Date.now() + 60_000 })]
    }, question).ok,
    true,
    'not before readinessDelay'
  )
  t.same(
    buildVerdict('readiness', {
      ...known,
      verdicts: [left, left],
      applications: [application(), ...known.applications]
    }, question).checks.filter(({ ok }) => !ok).map(({ name }) => name),
    ['shutdown-2']
  )
})

t.test('metrics off the loop', async (t) => {
  let now = 1000
  let asked = 0
  const live =
    { phase: 'closing', ready: true, requests: 7, deadline: 1_700_000_000_500, silence: 1234, blocked: true } as const
  const samples = {
    ready: 0,
    requests_in_flight: 2,
    holds: 3,
    event_loop_silence_seconds: 0,
    event_loop_blocked: 0,
    metrics_age_seconds: 0,
    deadline_timestamp_seconds: 0
  }
  const build = (registry: Registry<never>): void => {
    registry.setDefaultLabels({ app: 'a} b' })
    for (const [name, value] of Object.entries(samples)) {
      new Gauge({ name: `fastify_graceful_${name}`, help: name, registers: [registry] }).set(value)
    }
    const phase =
      new Gauge({ name: 'fastify_graceful_phase', help: 'phase', labelNames: ['phase'], registers: [registry] })
    for (const name of ['running', 'closing']) phase.set({ phase: name }, name === 'running' ? 1 : 0)
    new Gauge({ name: 'ready', help: "somebody else's", registers: [registry] }).set(5)
  }
  for (const type of [Registry.PROMETHEUS_CONTENT_TYPE, Registry.OPENMETRICS_CONTENT_TYPE]) {
    const registry = new Registry<never>()
    registry.setContentType(type as never)
    build(registry)
    const text = await registry.metrics()
    const scrape = new Scrape(() => now, () => { asked++ })
    t.equal(await scrape.read(false, () => live), undefined, 'nothing yet')
    scrape.refresh()
    scrape.refresh()
    t.equal(asked, 1, 'asked once')
    scrape.receive({ text, type })
    now += 2500
    const labels = '{app="a} b"}'
    const stale = await scrape.read(false, () => live)
    const expected = text
      .replace(`_graceful_ready${labels} 0`, `_graceful_ready${labels} 1`)
      .replace('in_flight{app="a} b"} 2', 'in_flight{app="a} b"} 7')
      .replace(`silence_seconds${labels} 0`, `silence_seconds${labels} 1.234`)
      .replace(`blocked${labels} 0`, `blocked${labels} 1`)
      .replace(`age_seconds${labels} 0`, `age_seconds${labels} 2.5`)
      .replace(`deadline_timestamp_seconds${labels} 0`, `deadline_timestamp_seconds${labels} 1700000000.5`)
      .replace('phase="running",app="a} b"} 1', 'phase="running",app="a} b"} 0')
      .replace('phase="closing",app="a} b"} 0', 'phase="closing",app="a} b"} 1')
    t.strictSame(stale, { text: expected, type }, 'what the thread knows, and all else as it was')
    const reading = scrape.read(true, () => ({ ...live, silence: 0, blocked: false }))
    t.equal(asked, 2)
    scrape.receive({ text, type })
    t.strictSame(await reading, { text, type }, 'a fresh one is left as it is')
    const late = scrape.read(true, () => live)
    now += 100
    t.match(await late, { text: /age_seconds\{.*\} 0\.1$/m }, 'one that does not come is not waited for')
    asked = 0
  }
})

t.test('all who want to hear that time goes on share one timer', async (t) => {
  let timers = 0
  const hook = createHook({ init: (_id, type) => { if (type === 'Timeout') timers++ } }).enable()
  t.teardown(() => { hook.disable() })
  const heard = [0, 0]
  const stops = heard.map((_, index) => onTick(() => { heard[index]! += 1 }))
  t.equal(timers, 1)
  const start = performance.now()
  while (heard[1]! < 3) await setImmediate()
  t.equal(heard[0], 3)
  t.ok(performance.now() - start > 2.5 * tickInterval)
  stops[0]!()
  stops[0]!()
  while (heard[1]! < 4) await setImmediate()
  t.equal(heard[0], 3, 'who has left is not called')
  stops[1]!()
  for (const end = performance.now() + 3 * tickInterval; performance.now() < end;) await setImmediate()
  t.equal(heard[1], 4)
  t.equal(timers, 1)
  onTick(() => {})()
  t.equal(timers, 2, 'the next one starts it again')
})
