import t from 'tap'
import { Notifier } from '../../../lib/platform/systemd/notifier.ts'
import type { NotifierParts, View } from '../../../lib/platform/systemd/notifier.ts'
import type { Message } from '../../../lib/platform/systemd/sender.ts'
import { FakeClock } from '../../support/clock.ts'

/** A notifier on a clock that is turned by hand. */
function make (parts: Partial<NotifierParts> = {}): {
  clock: FakeClock, view: View, sent: Message[], notifier: Notifier
} {
  const clock = new FakeClock()
  const view: View = { state: 'starting', status: 'Booting', left: Infinity }
  const sent: Message[] = []
  const notifier = new Notifier({
    view: () => ({ ...view }),
    send: (message) => { sent.push(message) },
    now: () => clock.now(),
    monotonic: () => BigInt(Math.round(clock.now())) * 1000n,
    after: (delay, callback) => clock.after(delay, callback),
    statusInterval: 1000,
    extendsTimeout: false,
    watchdog: undefined,
    isAlive: () => true,
    ...parts
  })
  return { clock, view, sent, notifier }
}

// Scenario (systemd): READY=1 is told once, not before the service listens and is ready, also where it is not ready
// later; STOPPING=1 once, and nothing takes it back
t.test('each state is told once, in its order', async (t) => {
  const { clock, view, sent, notifier } = make()
  notifier.look()
  t.same(sent, [{ STATUS: 'Booting' }])
  await clock.advance(2000)
  t.equal(sent.length, 1, 'not before it is ready')
  Object.assign(view, { state: 'running', status: 'Ready' })
  await clock.advance(250)
  t.same(sent.slice(1), [{ READY: 1, STATUS: 'Ready' }])
  Object.assign(view, { state: 'starting', status: 'Not ready: check db' })
  await clock.advance(10_000)
  Object.assign(view, { state: 'running', status: 'Ready' })
  await clock.advance(10_000)
  t.same(sent.slice(2), [{ STATUS: 'Not ready: check db' }, { STATUS: 'Ready' }])
  Object.assign(view, { state: 'stopping', status: 'Phase 1' })
  notifier.look()
  notifier.look()
  t.same(sent.slice(4), [{ STOPPING: 1, STATUS: 'Phase 1' }])
  Object.assign(view, { state: 'running', status: 'Phase 4' })
  await clock.advance(10_000)
  t.same(sent.slice(5), [{ STATUS: 'Phase 4' }])
  notifier.stop()
  view.status = 'gone'
  await clock.advance(10_000)
  t.equal(sent.length, 6)
})

// Scenario (systemd): A reload is told with its time, and its end with READY=1; a service that is replaced before it was
// ever ready is still starting
t.test('a reload', async (t) => {
  const { clock, view, sent, notifier } = make()
  Object.assign(view, { state: 'reloading', status: 'Reloading' })
  notifier.look()
  t.same(sent, [{ STATUS: 'Reloading' }], 'no reload of what has not started')
  view.state = 'running'
  notifier.look()
  await clock.advance(1234)
  view.state = 'reloading'
  notifier.look()
  notifier.look()
  view.state = 'running'
  notifier.look()
  t.same(sent.slice(1), [
    { READY: 1 }, { RELOADING: 1, MONOTONIC_USEC: BigInt(Math.round(clock.now())) * 1000n }, { READY: 1 }
  ])
})

// Scenario (systemd): The status is told where it is new, and at most once a second; a change of state is not kept for it
t.test('the status is bounded in rate', async (t) => {
  const { clock, view, sent, notifier } = make()
  view.state = 'running'
  notifier.look()
  for (let count = 1; count <= 100; count++) {
    view.status = `${count} requests`
    notifier.look()
    await clock.advance(50)
  }
  await clock.advance(1000)
  const texts = sent.flatMap(({ STATUS }) => STATUS ?? [])
  t.ok(texts.length >= 5 && texts.length <= 7, `${texts.length} texts in 6 s`)
  t.equal(texts.at(-1), '100 requests', 'the last one is not lost')
  view.status = 'other'
  notifier.look()
  view.status = 'the end'
  view.state = 'stopping'
  notifier.look()
  t.same(sent.at(-1), { STOPPING: 1, STATUS: 'the end' })
})

// Scenario (systemd): More time is asked for only where that was wanted, while an end or a reload is under way, and
// never beyond the moment at which the process has to be gone
t.test('more time, of each kind', async (t) => {
  for (const [name, extendsTimeout, state, left, expected] of [
    ['not wanted', false, 'stopping', 60_000, []],
    ['running', true, 'running', 60_000, []],
    ['starting', true, 'starting', 60_000, []],
    ['an end', true, 'stopping', 60_000, [15_000, 15_000, 15_000, 15_000]],
    ['an end that is near', true, 'stopping', 8000, [8000, 3000]],
    ['an end that is overdue', true, 'stopping', 0, []],
    ['a reload', true, 'reloading', Infinity, [15_000, 15_000, 15_000, 15_000]]
  ] as const) {
    const { clock, view, sent, notifier } = make({ extendsTimeout })
    view.state = 'running'
    notifier.look()
    const start = clock.now()
    Object.defineProperty(view, 'left', { enumerable: true, get: () => Math.max(0, left - (clock.now() - start)) })
    view.state = state
    notifier.look()
    await clock.advance(19_000)
    const asked = sent.flatMap(({ EXTEND_TIMEOUT_USEC: time }) => time === undefined ? [] : [time / 1000])
    t.same(asked, expected, name)
  }
})

// Scenario (systemd): Without a thread that watches, systemd's watchdog is told by the event loop itself, twice in its
// time, and not while nobody is served
t.test('the event loop tells of itself where nobody else does', async (t) => {
  let isAlive = true
  const { clock, sent } = make({ watchdog: 3000, isAlive: () => isAlive })
  await clock.advance(6000)
  t.same(sent, [{ WATCHDOG: 1 }, { WATCHDOG: 1 }, { WATCHDOG: 1 }, { WATCHDOG: 1 }, { WATCHDOG: 1 }])
  isAlive = false
  await clock.advance(6000)
  t.equal(sent.length, 5)
})
