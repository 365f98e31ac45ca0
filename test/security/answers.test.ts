// oxlint-disable typescript/only-throw-error, typescript/prefer-promise-reject-errors -- others do
import { constants } from 'node:buffer'
import t from 'tap'
import type { Test } from 'tap'
import type { Health } from '../../lib/health/health.ts'
import type { CheckOptions } from '../../lib/health/options.ts'
import type { Participant } from '../../lib/lifecycle/participants.ts'
import { makeHealth } from '../health/support.ts'
import { build } from '../support/app.ts'

/** The longest text that there is. It is put together of parts, and takes memory as soon as somebody looks into it. */
const endless = (): string => 'x'.repeat(constants.MAX_STRING_LENGTH)

/** An object in an object, and so on. */
function deep (levels: number): object {
  let object = {}
  for (let level = 0; level < levels; level++) object = { inner: object }
  return object
}

/** What somebody may answer, throw or reject with. */
const values: Array<[name: string, make: () => unknown]> = [
  ['the longest text', endless],
  ['a list of four billion', () => Object.assign([], { length: 2 ** 32 - 1 })],
  ['a list without an end', () => new Proxy([], { get: (_, key) => key === 'length' ? Infinity : undefined })],
  ['a deep object', () => deep(100_000)],
  ['an object of many properties', () => Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [index, 'x']))],
  ['an object with long texts in it', () => ({ ['x'.repeat(100_000)]: endless(), last: endless() })],
  ['a large buffer', () => Buffer.alloc(64 * 2 ** 20, 'x')],
  ['a large typed array', () => new Float64Array(8 * 2 ** 20)],
  ['an object that gives the longest text for JSON', () => ({ toJSON: endless })],
  ['an error with the longest text', () => Object.assign(new Error('long'), { message: endless() })],
  ['an error that one of these has caused', () =>
    new Error('short', { cause: Object.assign(new Error('long'), { message: endless() }) })],
  ['a symbol with a long name', () => Symbol('x'.repeat(1_000_000))]
]

/** What all of it may come to: characters of a line of the log, lines, characters of an answer, memory, time. */
const bounds = { line: 8000, lines: 60, answer: 12_000, megabytes: 96, processor: 2000 }

const cost = (): { megabytes: number, processor: number } => {
  const { user, system } = process.cpuUsage()
  const { heapUsed, external } = process.memoryUsage()
  return { megabytes: (heapUsed + external) / 2 ** 20, processor: (user + system) / 1000 }
}

/** Answers a few times, so that the phases end. */
function few (answer: () => unknown): Participant {
  let times = 0
  return (() => times++ < 3 ? answer() : false) as Participant
}

for (const [name, make] of values) {
  // Scenario (Attacks, and failures of the plugin's own code): The longest text there is, lists without an end, deep
  // objects, large buffers: answered, thrown and rejected by participants, checks, hooks and work; another failure each
  // time; thousands that ask for a check that is slow, or hangs, whatever its `ttl`
  t.test(`wherever somebody answers, throws or rejects with ${name}`, async (t) => {
    const lines: string[] = []
    const app = build(
      { gracePeriod: 3000, crash: false, probes: { expose: true } },
      { logger: { level: 'info', stream: { write: (line: string) => { lines.push(line) } } } }
    )
    const value = make()
    const before = cost()
    await app.register(async () => {})
    const { graceful } = app
    graceful.addCheck('throws', () => { throw value }, { ttl: 0 })
    graceful.addCheck('rejects', async () => Promise.reject(value), { ttl: 0 })
    graceful.addCheck('answers', () => value, { ttl: 0 })
    graceful.stall('answers', few(() => value))
    graceful.stall('answers later', few(async () => value))
    graceful.stall('throws', few(() => { throw value }))
    graceful.stall('rejects', few(async () => Promise.reject(value)))
    graceful.addHook('announcing', () => { throw value }, { name: 'hook' })
    graceful.addHook('closing', async () => Promise.reject(value), { name: 'later hook' })
    graceful.waitUntil(Promise.reject(value), { name: 'work' })
    const reason = typeof value === 'string' ? value : 'reason'
    const hold = graceful.hold(reason)
    if (typeof value === 'string') {
      graceful.waitUntil(Promise.reject(value), { name: value })
      graceful.stall(value, few(() => { throw value }))
    }
    await app.ready()
    const answers = [
      (await app.inject('/readyz?verbose')).body,
      (await app.inject({ url: '/readyz', headers: { accept: 'application/json' } })).body,
      JSON.stringify(graceful.status())
    ]
    hold.release()
    const report = await graceful.shutdown({ reason })
    answers.push(JSON.stringify(report), JSON.stringify(graceful.status()))
    const after = cost()
    for (const answer of answers) t.ok(answer.length < bounds.answer, `an answer of ${answer.length} characters`)
    const longest = Math.max(...lines.map(({ length }) => length))
    t.ok(longest < bounds.line, `the longest of ${lines.length} lines has ${longest} characters`)
    t.ok(lines.length < bounds.lines, `${lines.length} lines`)
    t.ok(after.megabytes - before.megabytes < bounds.megabytes, `${after.megabytes - before.megabytes} MiB more`)
    t.ok(after.processor - before.processor < bounds.processor, `${after.processor - before.processor} ms of a processor`)
    const failed = report.failures.map((failure) => failure.name)
    for (const who of ['throws', 'rejects', 'hook', 'later hook']) t.ok(failed.includes(who), `${who} is named`)
  })
}

// Scenario, too: The longest text there is…
t.test('who fails with another message each time crowds nobody out', async (t) => {
  const lines: string[] = []
  const app = build(
    { gracePeriod: 3000, crash: false },
    { logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } }
  )
  await app.ready()
  let asked = 0
  const { graceful } = app
  graceful.stall('endless', () => { throw new Error(`${asked++}`) })
  graceful.stall('endless, later', async () => { throw new Error(`${asked++}`) })
  graceful.stall('patient', (_phase, elapsed) => elapsed < 400)
  graceful.addHook('terminated', () => { throw new Error('once') }, { name: 'hook' })
  const { failures } = await graceful.shutdown()
  t.ok(asked > 20, `asked ${asked} times`)
  t.same(failures.filter(({ name }) => name === 'endless').length, 10)
  t.ok(failures.some(({ name }) => name === 'hook'), 'the hook is named')
  t.ok(lines.length < 30, `${lines.length} lines`)
})

/** How many ask at the same time, and how many of them wait. */
const crowd = { asks: 2500, waits: 1000 }

type Flood = ReturnType<typeof makeHealth> & { runs: () => number, atOnce: () => number, settle: () => void }

/** A check that answers when it is told to. */
function makeFlood (options: CheckOptions): Flood {
  const made = makeHealth()
  let runs = 0
  let underWay = 0
  let atOnce = 0
  const waiting: Array<() => void> = []
  made.health.addCheck('db', async () => {
    runs++
    atOnce = Math.max(atOnce, ++underWay)
    await new Promise<void>((resolve) => { waiting.push(resolve) })
    underWay--
  }, options)
  return { ...made, runs: () => runs, atOnce: () => atOnce, settle: () => waiting.pop()?.() }
}

/** Asks as often as a crowd does, and answers how many were told at once. */
async function ask (t: Test, flood: Flood, expected: { ok: boolean, told: number }): Promise<void> {
  const { health, clock } = flood
  let told = 0
  let ok = 0
  const asked = Array.from({ length: crowd.asks }, async () => {
    const verdict = await health.verdict('readiness')
    told++
    if (verdict.ok) ok++
  })
  await clock.pass(0)
  t.equal(told, expected.told, 'so many are answered at once')
  t.equal(ok, expected.ok ? told : 0)
  t.ok(clock.timers <= crowd.waits + 2, `${clock.timers} timers`)
  flood.settle()
  await clock.pass(0)
  await Promise.all(asked)
  t.equal(told, crowd.asks, 'and in the end everybody')
  t.equal(flood.atOnce(), 1, 'one run at a time')
}

// Scenario, too: The longest text there is…
t.test('however many ask, one run is under way, and a bounded number waits for it', async (t) => {
  const rows: Array<[name: string, options: CheckOptions, later: number]> = [
    ['ttl: 0', { ttl: 0 }, crowd.asks - crowd.waits],
    ['a short ttl', { ttl: 100 }, crowd.asks - crowd.waits],
    ['not critical', { ttl: 0, critical: false }, crowd.asks - crowd.waits],
    ['an interval, whose last result is good at any age', { interval: 1000, timeout: 500 }, crowd.asks]
  ]
  for (const [name, options, later] of rows) {
    await t.test(name, async (t) => {
      const flood = makeFlood(options)
      const isCritical = options.critical !== false
      await ask(t, flood, { ok: !isCritical, told: crowd.asks - crowd.waits })
      t.equal(flood.runs(), 1, 'the first run')
      await flood.clock.pass(options.interval ?? 200)
      await ask(t, flood, { ok: true, told: later })
      t.equal(flood.runs(), 2, 'the second')
      flood.health.stop()
    })
  }
})

// Scenario, too: The longest text there is…
t.test('a run that hangs keeps nobody, and is not begun again', async (t) => {
  for (const options of [{ ttl: 0 }, { ttl: 100 }, { interval: 100 }]) {
    const { health, clock, runs, settle } = makeFlood({ ...options, timeout: 300 })
    const first = health.verdict('readiness')
    await clock.pass(300)
    t.notOk((await first).ok)
    for (let times = 0; times < 2; times++) {
      const asked = Array.from({ length: crowd.asks }, async () => health.verdict('readiness'))
      t.ok((await Promise.all(asked)).every(({ ok }) => !ok))
      await clock.pass(1000)
    }
    t.equal(runs(), 1)
    settle()
    health.stop()
  }
})

// Scenario, too: The longest text there is…
t.test('who asks without a pause has no check run without one, and a kubelet waits a tenth of a second at most for what is new', async (t) => {
  const rows: Array<[name: string, options: CheckOptions, ask: (health: Health) => unknown]> = [
    ['ttl: 0', { ttl: 0 }, async (health) => health.verdict('readiness')],
    ['a ttl that is next to nothing', { ttl: 1 }, async (health) => health.verdict('readiness')],
    ['not critical', { ttl: 0, critical: false }, async (health) => health.verdict('readiness')],
    ['one check alone', { ttl: 0 }, async (health) => health.verdict('readiness', { only: 'db' })],
    ['a probe of another kind', { ttl: 0, kinds: ['readiness', 'liveness'] }, async (health) => health.verdict('liveness')],
    ['the last readiness, read again and again', { ttl: 1 }, (health) => health.ready()]
  ]
  for (const [name, options, ask] of rows) {
    await t.test(name, async (t) => {
      const { health, clock } = makeHealth()
      const begun: number[] = []
      health.addCheck('db', () => { begun.push(clock.now()) }, options)
      for (let second = 0; second < 10; second++) {
        for (let asks = 0; asks < 200; asks++) {
          void ask(health)
          await clock.pass(5)
        }
        const asked = clock.now()
        let told: number | undefined
        void health.verdict('readiness').then(() => { told = clock.now() })
        await clock.pass(100)
        t.ok(told !== undefined && told <= asked + 100, 'a kubelet is answered')
        t.ok(begun.at(-1)! >= asked - (options.ttl ?? 0), 'with what is new')
      }
      t.ok(begun.length <= 10 + 11 * 10, `${begun.length} runs in 11 s`)
      health.stop()
      t.equal(clock.timers, 0)
    })
  }
})

// Scenario, too: The longest text there is…
t.test('several who probe at the usual pace wait for no run but their own', async (t) => {
  const { health, clock } = makeHealth()
  let runs = 0
  health.addCheck('db', () => { runs++ }, { ttl: 0 })
  for (let second = 0; second < 5; second++) {
    for (let asks = 0; asks < 10; asks++) {
      await health.verdict('readiness')
      t.equal(runs, second * 10 + asks + 1)
    }
    await clock.pass(1000)
  }
  const waiting = Array.from({ length: 11 }, async () => health.verdict('readiness', { only: 'db' }))
  await clock.pass(0)
  for (let asks = 0; asks < 9; asks++) await health.verdict('readiness')
  const late = health.verdict('readiness')
  health.stop()
  t.notOk((await late).ok, 'who waits for a run when checks stop is told so')
  await Promise.all(waiting)
  t.equal(clock.timers, 0)
})
