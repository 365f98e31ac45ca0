import { readFileSync } from 'node:fs'
import t from 'tap'
import { connectListeners, finishSteps } from '../../lib/application/wiring.ts'
import type { ListenerParts } from '../../lib/application/wiring.ts'
import type { Membership } from '../../lib/process/types.ts'
import { Faults } from '../../lib/util/faults.ts'
import { Heartbeat } from '../../lib/watchdog/heartbeat.ts'
import { FakeProcess, settled } from '../process/fakes.ts'
import { World } from '../support/lifecycle.ts'

/** What one application is tried with. */
interface Given {
  /** The call that throws. */
  throws?: string
  /** Calls that take their time. */
  slow?: Partial<Record<string, () => void>>
  flush?: () => Promise<void>
  exit?: boolean
}

interface Made {
  world: World
  fake: FakeProcess
  /** Who was called, in order. */
  heard: string[]
  faults: string[]
  /** Lets the end come to its own end, and answers what was heard since the report was made. */
  end: () => Promise<string[]>
}

/** A real lifecycle and a real registry, and between them rooms that write down when they hear of what. */
function make ({ throws, slow = {}, flush = async () => {}, exit = true }: Given = {}): Made {
  const heard: string[] = []
  const faults: string[] = []
  const fake = new FakeProcess()
  const call = (name: string) => (): void => {
    heard.push(name)
    slow[name]?.()
    if (name === throws) throw new Error(`${name} is broken`)
  }
  const world = new World()
  const { lifecycle } = world
  const log = { debug () {}, info () {}, warn () {}, error () {}, fatal () {} }
  const membership: Membership = fake.registry.join({
    name: 'application 1',
    lifecycle,
    log,
    signals: { SIGTERM: 'shutdown' },
    restartExitCode: 0,
    exit,
    crash: true,
    flush: async () => {
      heard.push('flush')
      await flush()
    },
    flushTimeout: 1000
  })
  const draining = new AbortController()
  draining.signal.addEventListener('abort', () => heard.push('app.graceful.signal'))
  const rooms = {
    root: { server: { listening: true } },
    settings: {},
    lifecycle,
    draining,
    traffic: {
      announce: call('traffic.announce'),
      drain: call('traffic.drain'),
      endings: {},
      listeners: { open: true, finish: call('traffic.listeners.finish'), release: call('traffic.listeners.release') }
    },
    order: { close: call('order.close'), drain: call('order.drain'), stop: call('order.stop') },
    telemetry: { phase: call('telemetry.phase'), cut: call('telemetry.cut'), report: call('telemetry.report') },
    message: { enter: call('message.enter'), requested: call('message.requested'), finish: call('message.finish') },
    shutdownLog: {
      requested: call('log.requested'), phase: call('log.phase'), failed () {}, report: call('log.report')
    },
    watchHandle: {
      changed: call('watchdog.changed'), farewell: call('watchdog.farewell'), leave: call('watchdog.leave')
    },
    health: { stop: call('health.stop') },
    holds: { stop: call('holds.stop') },
    viewers: { size: 1, finish: call('viewers.finish') },
    status: () => ({}),
    publicStatus: () => ({}),
    faults: new Faults({ error: (_fields, message) => { faults.push(message) } }),
    membership: {
      ...membership,
      leave: (...told: Parameters<Membership['leave']>) => {
        call('leave')()
        membership.leave(...told)
      }
    }
  }
  lifecycle.on('report', () => heard.push('report'))
  connectListeners(rooms as unknown as ListenerParts)
  const end = async (): Promise<string[]> => {
    membership.listening()
    fake.signal('SIGTERM')
    void lifecycle.done.then(() => heard.push('whoever awaits it'))
    await world.finish()
    await settled()
    return heard.slice(heard.indexOf('report') + 1)
  }
  return { world, fake, heard, faults, end }
}

const phaseListeners = (...calls: string[]): string[] =>
  ['telemetry.phase', ...calls, 'message.enter', 'log.phase', 'watchdog.changed']

/** The whole story of an end, as it is heard. */
const story = [
  ...phaseListeners('traffic.announce'),
  ...phaseListeners('order.close'),
  ...phaseListeners('traffic.drain', 'order.drain', 'app.graceful.signal'),
  'telemetry.cut',
  ...phaseListeners('traffic.listeners.finish', 'traffic.listeners.release', 'order.stop'),
  'report'
]
const last = [
  'health.stop', 'holds.stop', 'log.report', 'message.finish', 'viewers.finish', 'telemetry.report',
  'watchdog.farewell', 'leave', 'whoever awaits it', 'flush'
]

// Scenario (Logs): Who hears of an end, and in which order: log, termination message, viewers, metrics, watchdog, exit
t.test('who hears of an end, and in which order', async (t) => {
  const { heard, fake, end } = make()
  await end()
  t.same(heard, [...story, ...last])
  t.same(fake.exits, [0])
  const embedded = make({ exit: false })
  t.same(await embedded.end(), [
    ...last.slice(0, -3), 'watchdog.leave', 'leave', 'whoever awaits it'
  ], 'where the process goes on, the watchdog is left, and nothing is flushed')
  t.same(embedded.fake.exits, [])
})

// Scenario, too: Who hears of an end, and in which order…
t.test('an end that is asked for in a drain by hand', async (t) => {
  const { world, heard, end } = make()
  world.lifecycle.drain()
  await end()
  t.same(heard, [
    ...phaseListeners('traffic.announce'), 'message.requested', 'log.requested',
    ...story.slice(phaseListeners('').length), ...last
  ])
})

// Scenario (Logs): One who hears of an end throws, or takes its time
t.test('a last step that throws stops none of the others, nor the exit', async (t) => {
  for (const throws of last.slice(0, -3)) {
    const { fake, faults, end } = make({ throws })
    t.same(await end(), last, `${throws} throws`)
    t.match(faults, [new RegExp(`the last step '.+' of the plugin has failed.*: ${throws} is broken`)])
    t.same(fake.exits, [0])
  }
})

/** What a room does not do of its part because a call of it has failed is its own matter. */
const ofOthers = (name: string): boolean => !/^(?:traffic|order|app)\b/.test(name)

// Scenario, too: One who hears of an end throws, or takes its time
t.test('a listener that throws stops none of the others, and is named', async (t) => {
  for (const throws of new Set(story.filter((name) => !['app.graceful.signal', 'report'].includes(name)))) {
    const { world, heard, fake, end } = make({ throws })
    await end()
    t.same(heard.filter(ofOthers), [...story, ...last].filter(ofOthers), `${throws} throws`)
    t.match(world.lifecycle.report?.failures[0], { name: /^listener of /, message: `${throws} is broken` })
    t.same(fake.exits, [1])
  }
})

// Scenario, too: One who hears of an end throws, or takes its time
t.test('what takes its time is bounded', async (t) => {
  t.test('logs that cannot be flushed', async (t) => {
    const { fake, end } = make({ flush: () => new Promise(() => {}) })
    t.same(await end(), last)
    t.same(fake.exits, [], 'they have a second')
    fake.clock.turn(999)
    await settled()
    t.same(fake.exits, [])
    fake.clock.turn(1)
    await settled()
    t.same(fake.exits, [0])
  })

  t.test('a thread of the watchdog that does not answer', async (t) => {
    const heartbeat = new Heartbeat()
    const { fake, end } = make({ slow: { 'watchdog.farewell': () => heartbeat.awaitFarewell(50) } })
    const start = performance.now()
    t.same(await end(), last)
    t.ok(performance.now() - start >= 50, 'it was waited for')
    t.same(fake.exits, [0])
  })

  t.test('whoever awaits the end and never goes on', async (t) => {
    const { world, fake, end } = make()
    void world.lifecycle.done.then(() => new Promise(() => {}))
    t.same(await end(), last)
    t.same(fake.exits, [0])
  })
})

t.test('the process does not exit before the last of its applications has heard of its end', async (t) => {
  const { world, fake, heard, end } = make()
  const other = fake.join()
  other.membership.listening()
  await end()
  t.same(heard.at(-1), 'whoever awaits it')
  t.same(fake.exits, [])
  t.ok(world.lifecycle.report)
  other.lifecycle.finish()
  await settled()
  t.same(heard.at(-1), 'flush')
  t.same(fake.exits, [0])
})

t.test('the documentation has the same steps in the same order', async (t) => {
  const text = readFileSync(new URL('../../docs/architecture.md', import.meta.url), 'utf8')
  const [, table = ''] = /\*\*The end is over\*\*[^]*?\n((?:\|.*\|\n)+)/.exec(text) ?? []
  const named = [...table.matchAll(/^\| \d+ \| ([^|]+) \|/gm)].map(([, name]) => name)
  t.same(named, finishSteps.map(([name]) => name))
})
