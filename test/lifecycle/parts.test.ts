import t from 'tap'
import type { Phase } from '../../lib/lifecycle/phase.ts'
import { Holds } from '../../lib/lifecycle/holds.ts'
import { PhaseHooks } from '../../lib/lifecycle/hooks.ts'
import { completeReport, draftReport } from '../../lib/lifecycle/report.ts'
import type { ReportDraft } from '../../lib/lifecycle/report.ts'
import { systemClock } from '../../lib/clock.ts'
import { BackgroundWork } from '../../lib/lifecycle/participants.ts'
import { FakeClock, settled } from '../support/clock.ts'
import { noTraffic } from '../support/report.ts'
import { thenable } from '../support/thenable.ts'

type Loose = any // oxlint-disable-line typescript/no-explicit-any -- wrong arguments are the subject

function buildHooks (): { clock: FakeClock, hooks: PhaseHooks, failures: string[], wakes: () => number } {
  const clock = new FakeClock()
  const failures: string[] = []
  let wakes = 0
  return {
    clock,
    failures,
    wakes: () => wakes,
    hooks: new PhaseHooks(clock, ({ name, message }) => failures.push(`${name}: ${message}`), () => wakes++)
  }
}

function buildWork (): { work: BackgroundWork, log: string[] } {
  const log: string[] = []
  return { log, work: new BackgroundWork(() => log.push('settled'), ({ name, message }) => log.push(`${name}: ${message}`)) }
}

const never = (): Promise<void> => new Promise(() => {})

t.test('hooks', async (t) => {
  t.test('refuse wrong arguments and name them', async (t) => {
    const { hooks } = buildHooks()
    const add = hooks.add.bind(hooks) as Loose
    for (const [parameters, message] of [
      [
        ['running', () => {}],
        /phase of a hook \('addHook'\) must be one of announcing, closing, draining, terminated, got "running" \(string\)/
      ],
      [['onClose', () => {}], /got "onClose"/],
      [[undefined, () => {}], /got undefined \(undefined\)/],
      [['closing'], /handler of a hook for 'closing' must be a function, got undefined/],
      [['closing', () => {}, 5], /options of 'addHook' must be an object, got 5 \(number\)/],
      [['closing', () => {}, null], /options of 'addHook' must be an object, got null/],
      [['closing', () => {}, { name: '' }], /name of a hook must be a non-empty string, got "" \(string\)/],
      [['closing', () => {}, { name: 5 }], /name of a hook.*got 5 \(number\)/],
      [
        ['closing', () => {}, { name: 'x', timeout: 0 }],
        /timeout of hook 'x' must be a number of milliseconds from 1.*got 0 \(number\)/
      ],
      [['closing', () => {}, { timeout: -1 }], /timeout of hook 'anonymous hook'/],
      [['closing', () => {}, { timeout: Number.NaN }], /got NaN/],
      [['closing', () => {}, { timeout: Infinity }], /got Infinity/],
      [['closing', () => {}, { timeout: 2 ** 31 }], /from 1 to 2147483647/],
      [['closing', () => {}, { timeout: '100' }], /got "100" \(string\)/]
    ] as Array<[unknown[], RegExp]>) {
      t.throws(() => add(...parameters), { code: 'FST_GRACEFUL_INVALID_ARGUMENT', message })
    }
  })

  t.test('are named after their function unless they have a name', async (t) => {
    const { hooks } = buildHooks()
    hooks.add('draining', never)
    hooks.add('draining', () => new Promise(() => {}))
    hooks.add('draining', never, { name: 'given' })
    hooks.start('draining', 'SIGTERM')
    t.same(hooks.stalls().map(({ name }) => name), ['never', 'anonymous hook', 'given'])
    hooks.abandon()
    t.same(hooks.stalls(), [])
  })

  t.test('tell once how they ended, whatever comes later', async (t) => {
    const { clock, hooks, failures, wakes } = buildHooks()
    let reject: ((error: Error) => void) | undefined
    let signal: AbortSignal | undefined
    hooks.add('draining', (context) => {
      ({ signal } = context)
      return new Promise((_resolve, _reject) => { reject = _reject })
    }, { name: 'late', timeout: 100 })
    hooks.start('draining', 'SIGTERM')
    await clock.advance(100)
    t.same(failures, ['late: did not finish within 100 ms'])
    t.ok(signal?.aborted)
    reject?.(new Error('late'))
    await settled()
    t.same(failures.length, 1)
    t.equal(wakes(), 1)
    hooks.start('draining', 'SIGTERM')
    hooks.abandon()
    reject?.(new Error('abandoned'))
    await clock.advance(1000)
    t.equal(failures.length, 1)
    t.equal(clock.timers, 0)
  })

  t.test('that end in time are not aborted', async (t) => {
    const { clock, hooks } = buildHooks()
    const signals: AbortSignal[] = []
    hooks.add('draining', async ({ signal }) => { signals.push(signal) }, { timeout: 100 })
    hooks.add('draining', ({ signal }) => { signals.push(signal) })
    hooks.start('draining', 'SIGTERM')
    await clock.advance(200)
    hooks.abandon()
    t.same(signals.map(({ aborted }) => aborted), [false, false])
    t.equal(clock.timers, 0)
  })

  t.test('of other phases do not run', async (t) => {
    const { hooks } = buildHooks()
    const ran: string[] = []
    for (const phase of ['announcing', 'closing'] as const) hooks.add(phase, () => { ran.push(phase) })
    hooks.start('closing', 'SIGTERM')
    t.same(ran, ['closing'])
  })
})

t.test('background work', async (t) => {
  t.test('refuses what is no promise', async (t) => {
    const { work } = buildWork()
    const track = work.track.bind(work) as Loose
    for (const given of [undefined, null, 5, {}, () => {}]) {
      t.throws(() => track(given), {
        code: 'FST_GRACEFUL_INVALID_ARGUMENT',
        message: /work given to 'waitUntil' must be a promise/
      })
    }
    for (const name of ['', 5, null]) {
      t.throws(() => track(Promise.resolve(), { name }), {
        code: 'FST_GRACEFUL_INVALID_ARGUMENT',
        message: /name of work given to 'waitUntil' must be a non-empty string/
      })
    }
    for (const options of ['mail', null, 5]) {
      t.throws(() => track(Promise.resolve(), options), {
        code: 'FST_GRACEFUL_INVALID_ARGUMENT',
        message: /options of 'waitUntil' must be an object/
      })
    }
    t.equal(work.size, 0, 'and does not count it')
    track(Promise.resolve(), undefined)
    t.equal(work.size, 1)
  })

  t.test('wakes the machine with the last of it', async (t) => {
    const { work, log } = buildWork()
    work.track(Promise.resolve())
    work.track(new Promise((resolve) => { setImmediate(resolve) }), { name: 'slower' })
    await settled()
    await settled()
    t.same(log, ['settled'])
    t.equal(work.size, 0)
  })

  t.test('takes any thenable, a broken one too', async (t) => {
    const { work, log } = buildWork()
    work.track(thenable<void>((resolve) => { resolve() }), { name: 'thenable' })
    work.track(thenable(() => { throw new Error('broken') }), { name: 'broken' })
    // oxlint-disable-next-line prefer-promise-reject-errors
    work.track(Promise.reject(new Error('rejected')), { name: 'rejected' })
    await settled()
    t.equal(work.size, 0)
    t.same(log.filter((line) => line !== 'settled').toSorted(), ['broken: broken', 'rejected: rejected'])
  })
})

t.test('holds', async (t) => {
  let changes = 0
  const holds = new Holds({ changed: () => changes++, failed: () => {}, after: () => () => {}, started: () => true })
  t.throws(() => holds.add(''), {
    code: 'FST_GRACEFUL_INVALID_ARGUMENT',
    message: /reason given to 'hold' must be a non-empty string/
  })
  t.throws(() => holds.add(undefined as Loose), { code: 'FST_GRACEFUL_INVALID_ARGUMENT' })
  const first = holds.add('warming up')
  const second = holds.add('warming up')
  t.same(holds.reasons(), ['warming up', 'warming up'], 'one holder each')
  first.release()
  first.release()
  t.same(holds.reasons(), ['warming up'])
  second[Symbol.dispose]()
  t.same(holds.reasons(), [])
  t.equal(changes, 4)
})

const facts = (given: Partial<ReportDraft> = {}): Omit<ReportDraft, 'verdict'> => ({
  kind: 'shutdown',
  reason: 'SIGTERM',
  exitCode: 0,
  startedAt: 1,
  duration: 1234.6,
  announcedBefore: 0,
  gracePeriod: 30_000,
  hurried: undefined,
  phases: [],
  traffic: noTraffic(),
  cut: { requests: [], streams: 0, upgraded: 0, connections: [], byOthers: [], waiting: [] },
  failures: [],
  ...given
})

const say = (given: Partial<ReportDraft>): string => completeReport(draftReport(facts(given)), []).summary

t.test('report', async (t) => {
  const cut = { requests: [], streams: 0, upgraded: 0, connections: [], byOthers: [], waiting: [] as string[] }
  const request = { method: 'GET', route: '/slow', age: 5 }
  const failure = { name: 'pool', message: 'no route', phase: 'draining' as Phase }

  t.test('verdict and exit code', async (t) => {
    for (const [name, given, verdict, exitCode] of [
      ['all was served', {}, 'clean', 0],
      ['a code of its own', { exitCode: 3 }, 'clean', 3],
      ['a request was cut', { cut: { ...cut, requests: [request] } }, 'cut', 1],
      ['a request was cut and there is a code', { cut: { ...cut, requests: [request] }, exitCode: 7 }, 'cut', 7],
      ['a participant was cut', { cut: { ...cut, waiting: ['queue'] } }, 'cut', 1],
      ['streams were cut', { cut: { ...cut, streams: 3 } }, 'cut', 0],
      ['sockets were cut', { cut: { ...cut, upgraded: 3, connections: [], byOthers: [] } }, 'cut', 0],
      ['something failed', { failures: [failure] }, 'failed', 1],
      ['something failed and streams were cut', { failures: [failure], cut: { ...cut, streams: 1 } }, 'failed', 1],
      ['a crash', { kind: 'crash' }, 'failed', 1],
      ['a crash with a code', { kind: 'crash', exitCode: 9 }, 'failed', 9],
      ['a restart', { kind: 'restart', exitCode: 5 }, 'clean', 5]
    ] as Array<[string, Partial<ReportDraft>, string, number]>) {
      t.match(draftReport(facts(given)), { verdict, exitCode }, name)
    }
  })

  t.test('one sentence for a human', async (t) => {
    t.equal(say({}), 'shutdown by SIGTERM in 1235 ms, nothing cut')
    t.match(
      say({
        cut: {
          requests: [request],
          streams: 2,
          upgraded: 1,
          connections: [],
          byOthers: [],
          waiting: ['queue', 'mail']
        },
        failures: [failure],
        traffic: { ...noTraffic(), lateArrivals: 4 }
      }),
      /^shutdown by SIGTERM in 1235 ms; 1 request cut; no longer waited for: queue, mail; 2 streams and 1 upgraded socket cut; 4 connections came late; failed: pool \(no route\)$/
    )
    t.equal(
      say({ hurried: 'draining' }),
      "shutdown by SIGTERM in 1235 ms, hurried by a second signal in phase 'draining', nothing cut"
    )
    t.match(
      say({ cut: { ...cut, streams: 1 }, traffic: { ...noTraffic(), lateArrivals: 1 } }),
      /; 1 stream and 0 upgraded sockets cut; 1 connection came late$/
    )
    t.notMatch(say({ kind: 'crash' }), /nothing cut; /)
  })

  t.test('keeps the facts and carries the advice', async (t) => {
    const given = facts()
    const report = completeReport(draftReport(given), ['raise it'])
    t.match(report, given)
    t.same(report.advice, ['raise it'])
    t.same(JSON.parse(JSON.stringify(report)).cut, cut, 'plain data')
  })
})

t.test('the clock of the machine', async (t) => {
  const before = systemClock.now()
  t.ok(Math.abs(systemClock.epoch() - Date.now()) < 1000)
  await new Promise<void>((resolve) => { systemClock.after(1, resolve) })
  t.ok(systemClock.now() >= before)
  await new Promise<void>((resolve) => { systemClock.after(0, resolve) })
  for (const delay of [0, 1]) systemClock.after(delay, () => t.fail('cancelled'))()
  await new Promise<void>((resolve) => { systemClock.after(5, resolve) })
})
