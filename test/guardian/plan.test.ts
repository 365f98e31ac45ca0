import t from 'tap'
import { planEnd } from '../../lib/guardian/plan.ts'
import type { WardState } from '../../lib/guardian/protocol.ts'
import { Watch } from '../../lib/guardian/watch.ts'
import { buildVerdict } from '../../lib/guardian/answers.ts'

const ward = (given: Partial<WardState> = {}): WardState => ({
  name: 'application 1', phase: 'running', since: 0, ready: true, started: true, open: true, ending: false, exit: true, kind: undefined, reason: undefined,
  startedAt: undefined, graceStart: undefined, gracePeriod: 30_000, preStop: 0, reserve: 2000, announceMax: 18_000, signals: ['SIGTERM'], stalls: [], requests: [], ...given
})
const heard = { signals: [], prestop: undefined }
const signal = (name: string, at: number, count = 1): { name: string, at: number, count: number } => ({ name, at, count })
const check = (name: string, ok = true): object => ({ name, ok, excluded: false, duration: 1, age: 1, time: 0 })
const verdict = (kind: string, ...checks: object[]): object => ({ kind, ok: true, checks, warnings: [] })

t.test('when the process has to be gone', async (t) => {
  t.equal(planEnd([], heard), undefined)
  t.equal(planEnd([ward()], heard), undefined, 'nobody asked for it')
  t.equal(planEnd([ward({ graceStart: 0 })], heard), undefined, 'nor does a drain')
  t.same(planEnd([ward({ ending: true, graceStart: 1000 })], heard), { hung: 28_750, turning: 30_200, last: 30_900, exitCode: 1 }, 'before the reserve, and one that turns has most of it')
  t.same(planEnd([ward({ ending: true, graceStart: 0, gracePeriod: 3000, reserve: 300 })], heard), { hung: 2150, turning: 2880, last: 2940, exitCode: 1 }, 'the kill needs 600 ms')
  const least = planEnd([ward({ ending: true, graceStart: 0, gracePeriod: 1000, reserve: 100 })], heard)!
  t.ok(least.hung > 600 && least.last < 1000, 'of the shortest grace period, too')
  t.equal(planEnd([ward({ ending: true, exit: false, graceStart: 0 })], heard), undefined, 'exit: false')
})

t.test('a signal that the main thread has not heard', async (t) => {
  t.equal(planEnd([ward()], { ...heard, signals: [signal('SIGTERM', 5000)] })?.hung, 5000 + 27_750)
  t.equal(planEnd([ward({ preStop: 4000 })], { ...heard, signals: [signal('SIGTERM', 5000)] })?.hung, 1000 + 27_750)
  t.equal(planEnd([ward()], { ...heard, signals: [signal('SIGUSR2', 5000)] }), undefined, 'that nobody acts on')
  t.equal(planEnd([ward()], { prestop: 1000, signals: [] }), undefined, 'a call alone ends nothing')
  t.equal(planEnd([ward()], { prestop: 1000, signals: [signal('SIGTERM', 5000)] })?.hung, 1000 + 27_750, 'but it has started the clock')
  t.equal(planEnd([ward({ graceStart: 1000 })], { ...heard, signals: [signal('SIGTERM', 5000)] })?.hung, 1000 + 27_750)
  t.equal(planEnd([ward({ graceStart: 1000 })], { ...heard, signals: [signal('SIGTERM', 50_000)] })?.hung, 50_000 + 27_750, 'unless it is over')
  t.equal(planEnd([ward({ ending: true, graceStart: 0 })], { ...heard, signals: [signal('SIGTERM', 9000, 2)] })?.hung, 13_000, 'a second one shortens it')
  t.match(planEnd([ward({ ending: true, graceStart: 0 })], { ...heard, signals: [signal('SIGTERM', 9000, 2), signal('SIGINT', 9500, 3)] }), { hung: 9500, exitCode: 130 }, 'a third ends it')
})

t.test('several applications', async (t) => {
  const ending = ward({ ending: true, graceStart: 0 })
  t.equal(planEnd([ending, ward()], heard), undefined, 'one that serves keeps the process')
  t.equal(planEnd([ending, ward({ open: false })], heard)?.hung, 27_750, 'one that merely exists does not')
  t.equal(planEnd([ending, ward({ ending: true, graceStart: 0, gracePeriod: 60_000 })], heard)?.hung, 57_750, 'the latest counts')
  t.equal(planEnd([ending, ward({ ending: true, exit: false, graceStart: 0, gracePeriod: 60_000 })], heard)?.hung, 57_750, 'whoever it is')
  t.equal(planEnd([ward(), ward({ signals: [] })], { ...heard, signals: [signal('SIGTERM', 0)] }), undefined)
})

t.test('the watch', async (t) => {
  const watch = new Watch(2000, 0)
  t.equal(watch.look(0, 2000, 2000), undefined)
  t.same(watch.look(0, 2100, 2100), { change: 'stalled', age: 2100 })
  t.equal(watch.stalled, true)
  t.equal(watch.look(0, 9000, 2200), undefined, 'once')
  t.same(watch.look(9050, 9100, 9100), { change: 'recovered', duration: 9050 })
  t.equal(watch.stalled, false)
  t.equal(watch.look(9050, 60_000, 10_000), undefined, 'a process that was stopped held both threads')
  t.equal(watch.silence(9050, 60_500), 500)
  t.same(watch.look(9050, 62_100, 62_100), { change: 'stalled', age: 2100 }, 'and what comes after it counts')
})

t.test('verdicts', async (t) => {
  const verdicts = { readiness: verdict('readiness', check('started')), liveness: verdict('liveness', check('ping')), startup: verdict('startup', check('started')) } as never
  const turns = { silence: 0, stalled: false, dead: false }
  const question = { exclude: [], only: undefined }
  t.equal(buildVerdict('readiness', [verdicts], turns, question).ok, true)
  t.equal(buildVerdict('readiness', [], turns, question).ok, false, 'not before the main thread has said so')
  t.equal(buildVerdict('readiness', [verdicts], { ...turns, stalled: true }, question).ok, false)
  t.equal(buildVerdict('readiness', [verdicts], { ...turns, stalled: true }, { ...question, exclude: ['event-loop'] }).ok, true)
  t.equal(buildVerdict('liveness', [verdicts], { ...turns, stalled: true }, question).ok, true)
  t.equal(buildVerdict('liveness', [verdicts], { silence: 40_000, stalled: true, dead: true }, question).ok, false)
  t.equal(buildVerdict('startup', [verdicts], { silence: 40_000, stalled: true, dead: true }, question).ok, true)
  t.same(buildVerdict('readiness', [verdicts, verdicts], turns, question).checks.map(({ name }) => name), ['started-1', 'started-2', 'event-loop'])
  t.same(buildVerdict('readiness', [verdicts], turns, { exclude: [], only: 'nothing' }).checks, [])
})
