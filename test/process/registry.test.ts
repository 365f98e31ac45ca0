import { runInThisContext } from 'node:vm'
import t from 'tap'
import type { EarlySignals } from '../../lib/process/shared.ts'
import { foreignListeners } from '../../lib/process/listener-name.ts'
import { openHandles, systemHost } from '../../lib/process/host.ts'
import { sharedExpression, sharedState, sharedVersion } from '../../lib/process/shared.ts'
import { createServer } from 'node:net'
import { FakeProcess, settled } from './fakes.ts'

const ours = (): void => {}
const count = (fake: FakeProcess): number => fake.emitter.listenerCount('uncaughtException')

t.test('registry', async (t) => {
  t.test('1000 applications that come and go leave nothing', async (t) => {
    const fake = new FakeProcess()
    fake.channelCount = 0
    fake.emitter.setMaxListeners(1)
    for (let i = 0; i < 1000; i++) {
      const { membership, lifecycle } = fake.join()
      membership.listening()
      lifecycle.close()
      await lifecycle.done
    }
    await settled()
    t.equal(fake.registry.size, 0)
    t.equal(fake.listeners(), 0)
    t.same(fake.exits, [])
    t.equal(fake.clock.pending, 0)
  })

  t.test('where somebody develops the service its end is fast, and a second Ctrl-C exits at once', async (t) => {
    for (const [overrides, terminal, signal, isFast, exits] of [
      [{ developer: 'tsx watch', isTrial: true }, false, 'SIGTERM', true, []],
      [{ developer: 'nodemon', isTrial: true }, false, 'SIGINT', true, [130]],
      [{ developer: 'node --watch', isTrial: false }, true, 'SIGINT', true, []],
      [{ isTrial: true }, true, 'SIGINT', true, [130]],
      [{ isTrial: true }, false, 'SIGINT', undefined, []],
      [{ isTrial: false }, true, 'SIGINT', undefined, []]
    ] as const) {
      const fake = new FakeProcess(overrides)
      fake.terminal = terminal
      const { lifecycle } = fake.join()
      fake.signal(signal)
      fake.signal(signal, 400)
      fake.signal(signal, 200)
      t.equal(lifecycle.request?.isFast, isFast, `${signal} ${JSON.stringify(overrides)}`)
      t.same(fake.exits, exits)
    }
  })

  t.test('who hides from listeners(), as the relay of tsx does, hears of the signal at once', async (t) => {
    const fake = new FakeProcess()
    const heard: string[] = []
    const hidden = (): unknown => heard.push('hidden')
    const { listeners } = fake.emitter
    fake.emitter.listeners = (event) => Reflect.apply(listeners, fake.emitter, [event]).filter((one) => one !== hidden)
    fake.emitter.prependListener('SIGTERM', hidden)
    fake.emitter.on('SIGTERM', () => heard.push('shown'))
    const { lifecycle } = fake.join({ otherListeners: 'after' })
    fake.emitter.prependListener('SIGINT', hidden)
    await settled()
    fake.signal('SIGINT')
    fake.signal('SIGTERM')
    t.same(heard, ['hidden', 'hidden'])
    t.ok(lifecycle.request)
  })

  t.test('a listener of `once` that was called is no longer listed', async (t) => {
    const fake = new FakeProcess()
    const heard: unknown[] = []
    const first = (name: unknown): unknown => heard.push(name)
    const each = (name: unknown): unknown => heard.push(name)
    fake.emitter.once('SIGTERM', first)
    fake.emitter.on('SIGTERM', each)
    const { lifecycle, membership } = fake.join({ otherListeners: 'after' })
    await settled()
    fake.signal('SIGTERM')
    await settled()
    t.same(heard, [], 'held back')
    lifecycle.phase = 'terminated'
    membership.releaseOthers()
    t.same(heard, ['SIGTERM', 'SIGTERM'])
    t.same([first, each].map((one) => fake.emitter.listenerCount('SIGTERM', one)), [0, 1])
  })

  // Scenario (Several applications and other packages): Eleven applications, and a thousand, leave no listener and no
  // warning
  t.test('one listener per signal, however many applications', async (t) => {
    const fake = new FakeProcess()
    const members = Array.from({ length: 11 }, () => fake.join())
    for (const { membership } of members) membership.listening()
    for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP', 'exit', 'uncaughtException', 'unhandledRejection']) {
      t.equal(fake.emitter.listenerCount(name), 1, name)
    }
    for (const { lifecycle } of members) lifecycle.close()
    t.equal(fake.listeners(), 0)
    t.equal(fake.registry.size, 0)
  })

  t.test('listeners follow the members that are left', async (t) => {
    const fake = new FakeProcess()
    const first = fake.join({ signals: { SIGTERM: 'shutdown', SIGUSR9: 'shutdown' } })
    const second = fake.join({ signals: { SIGHUP: 'restart', SIGTERM: false }, crash: false })
    second.membership.listening()
    t.equal(fake.emitter.listenerCount('uncaughtException'), 0, 'crash: false installs none')
    first.membership.listening()
    t.equal(fake.emitter.listenerCount('uncaughtException'), 1)
    t.match(first.log.at('debug'), [/SIGUSR9 does not exist on this platform/])
    first.lifecycle.close()
    t.strictSame(
      fake.emitter.eventNames().map(String).toSorted((a, b) => a.localeCompare(b)),
      ['exit', 'removeListener', 'SIGHUP']
    )
    second.lifecycle.close()
    t.equal(fake.listeners(), 0)
  })

  t.test('a signal that cannot be listened for is a warning', async (t) => {
    const fake = new FakeProcess({ signalNumber: () => 9 })
    fake.emitter.prependListener('newListener', (name) => { if (name === 'SIGKILL') throw new Error('EINVAL') })
    const { log, lifecycle } = fake.join({ signals: { SIGKILL: 'shutdown' } })
    t.match(log.at('warn'), [/SIGKILL cannot be listened for/])
    lifecycle.close()
  })

  t.test('in a worker thread: no listeners, no exit', async (t) => {
    const fake = new FakeProcess({ mainThread: false })
    const { lifecycle, membership } = fake.join()
    membership.listening()
    t.equal(fake.listeners(), 0)
    void lifecycle.shutdown({ kind: 'shutdown', reason: 'api' })
    lifecycle.finish()
    await settled()
    t.same(fake.exits, [])
    t.equal(fake.registry.size, 0)
  })

  t.test('the process-wide state is shared by key and version', async (t) => {
    t.equal(sharedState(), sharedState())
    t.equal(sharedState(), (globalThis as Record<symbol, unknown>)[Symbol.for('fastify-graceful.process')])
    const key = Symbol.for('fastify-graceful.process')
    const holder = globalThis as unknown as Record<symbol, { version: number } | undefined>
    const before = holder[key]
    for (const version of [1, sharedVersion + 1]) {
      holder[key] = { version }
      t.teardown(() => { holder[key] = before })
      const own = sharedState()
      t.equal(own.version, sharedVersion, 'a state of another shape is left alone')
      t.equal(sharedState(), own)
      t.equal(runInThisContext(sharedExpression), own, 'and is what the watchdog finds')
    }
    holder[key] = before
    t.equal(runInThisContext(sharedExpression), before)
  })
})

t.test('signals', async (t) => {
  const table: Array<[signal: string, terminal: boolean, expected: object]> = [
    ['SIGTERM', false, { kind: 'shutdown', reason: 'SIGTERM', exitCode: 0, announce: true }],
    ['SIGTERM', true, { kind: 'shutdown', reason: 'SIGTERM', exitCode: 0, announce: true }],
    ['SIGINT', false, { kind: 'shutdown', reason: 'SIGINT', exitCode: 0, announce: true }],
    ['SIGINT', true, { kind: 'shutdown', reason: 'SIGINT', exitCode: 0, announce: false }],
    ['SIGHUP', true, { kind: 'restart', reason: 'SIGHUP', exitCode: 75, announce: true }]
  ]
  for (const [signal, terminal, expected] of table) {
    t.test(`${signal} ${terminal ? 'with' : 'without'} a terminal`, async (t) => {
      const fake = new FakeProcess()
      fake.terminal = terminal
      const { lifecycle } = fake.join({ restartExitCode: 75 })
      fake.signal(signal)
      t.strictSame(lifecycle.requests, [expected])
      lifecycle.finish()
      await settled()
      t.strictSame(fake.exits, [signal === 'SIGHUP' ? 75 : 0])
    })
  }

  t.test('each application by its own map', async (t) => {
    const fake = new FakeProcess()
    const one = fake.join({ signals: { SIGHUP: 'shutdown' } })
    const two = fake.join({ signals: { SIGHUP: 'ignore' } })
    const three = fake.join({ signals: { SIGTERM: 'shutdown' } })
    fake.signal('SIGHUP')
    t.match(one.lifecycle.request, { kind: 'shutdown', reason: 'SIGHUP' })
    t.equal(two.lifecycle.ending, false)
    t.match(two.log.at('warn'), [/SIGHUP ignored: .*rolling restart.*'signals.SIGHUP'/])
    t.equal(three.lifecycle.ending, false)
    three.membership.listening()
    one.lifecycle.finish()
    await settled()
    t.same(fake.exits, [], 'the others live on')
  })

  t.test("'ignore' does nothing, however often, and is no first signal", async (t) => {
    const fake = new FakeProcess()
    const { lifecycle, log } = fake.join({ signals: { SIGHUP: 'ignore', SIGTERM: 'shutdown' } })
    fake.signal('SIGHUP')
    fake.signal('SIGHUP', 10)
    fake.signal('SIGHUP', 1500)
    t.equal(lifecycle.ending, false)
    t.equal(log.at('warn').length, 2)
    fake.signal('SIGTERM')
    t.equal(lifecycle.ending, true)
    t.equal(lifecycle.hurried, 0)
  })

  t.test('duplicate, fast, immediate', async (t) => {
    const fake = new FakeProcess()
    const members = [fake.join(), fake.join()]
    fake.signal('SIGTERM')
    fake.signal('SIGTERM', 30)
    fake.signal('SIGTERM', 969)
    t.strictSame(members.map(({ lifecycle }) => lifecycle.hurried), [0, 0], '999 ms after the first it is a duplicate')
    fake.signal('SIGTERM', 1)
    t.strictSame(members.map(({ lifecycle }) => lifecycle.hurried), [1, 1], 'a second after it, it is not')
    t.strictSame(members.map(({ lifecycle }) => lifecycle.requests.length), [1, 1])
    fake.signal('SIGTERM', 500)
    t.same(fake.exits, [], 'a duplicate of the second')
    fake.signal('SIGTERM', 500)
    t.same(fake.exits, [143])
    t.equal(fake.shared.exiting, true)
    t.match(members[0]?.log.at('error'), [/third time: exiting at once with code 143/])
  })

  t.test('another signal counts at once', async (t) => {
    const fake = new FakeProcess()
    const { lifecycle } = fake.join()
    fake.signal('SIGTERM')
    fake.signal('SIGINT', 10)
    t.equal(lifecycle.hurried, 1)
    fake.signal('SIGHUP', 10)
    t.same(fake.exits, [129])
  })

  t.test('a shutdown that began otherwise counts as no signal', async (t) => {
    const fake = new FakeProcess()
    const { lifecycle } = fake.join()
    void lifecycle.shutdown({ kind: 'shutdown', reason: 'admin' })
    fake.signal('SIGTERM')
    t.equal(lifecycle.hurried, 0)
    t.equal(lifecycle.request?.reason, 'admin')
    fake.signal('SIGTERM', 1000)
    t.equal(lifecycle.hurried, 1)
  })

  t.test('without exit the third signal exits nothing either', async (t) => {
    const fake = new FakeProcess()
    const { lifecycle } = fake.join({ exit: false })
    for (let i = 0; i < 4; i++) fake.signal('SIGTERM', 1000)
    t.equal(lifecycle.hurried, 1)
    lifecycle.finish()
    await settled()
    t.same(fake.exits, [])
    t.equal(fake.listeners(), 0)
  })

  t.test('who joins late is shut down at once, as fast as the others', async (t) => {
    const fake = new FakeProcess()
    fake.join()
    fake.signal('SIGTERM')
    const late = fake.join()
    t.equal(late.lifecycle.ending, false, 'not before the caller has its membership')
    await settled()
    t.match(late.lifecycle.request, { kind: 'shutdown', reason: 'SIGTERM' })
    t.equal(late.lifecycle.hurried, 0)
    fake.signal('SIGTERM', 1000)
    const later = fake.join()
    const gone = fake.join()
    gone.lifecycle.close()
    await settled()
    t.equal(later.lifecycle.hurried, 1)
    t.same(gone.lifecycle.requests.map(({ kind }) => kind), ['close'], 'who is closed by then is left alone')
  })

  t.test('after an end without exit, signals count from one again', async (t) => {
    const fake = new FakeProcess()
    const first = fake.join({ exit: false })
    fake.signal('SIGTERM')
    first.lifecycle.finish()
    await settled()
    const second = fake.join({ exit: false })
    await settled()
    t.equal(second.lifecycle.ending, false)
    fake.signal('SIGTERM')
    t.equal(second.lifecycle.ending, true)
    t.equal(second.lifecycle.hurried, 0)
  })

  t.test('our listener runs before those that were there', async (t) => {
    const fake = new FakeProcess()
    const order: string[] = []
    fake.emitter.on('SIGTERM', () => order.push(`theirs ${lifecycle.ending}`))
    const { lifecycle } = fake.join()
    fake.signal('SIGTERM')
    t.strictSame(order, ['theirs true'])
  })

  t.test('early signals go to the first that acts on them', async (t) => {
    const fake = new FakeProcess()
    const early: EarlySignals = {
      listeners: new Map(),
      first: { signal: 'SIGTERM', at: 0 },
      take () {
        const { first } = this
        this.first = undefined
        return first
      }
    }
    fake.shared.early = early
    fake.clock.turn(400)
    const deaf = fake.join({ signals: { SIGINT: 'shutdown' } })
    await settled()
    t.equal(deaf.lifecycle.ending, false)
    t.ok(early.first, 'not taken')
    const { lifecycle } = fake.join()
    await settled()
    t.equal(lifecycle.request?.reason, 'SIGTERM')
    t.equal(early.first, undefined)
    fake.signal('SIGTERM', 500)
    t.equal(lifecycle.hurried, 0, 'a duplicate of the remembered one')
    fake.signal('SIGTERM', 200)
    t.equal(lifecycle.hurried, 1)
  })

  t.test('the IPC message acts as SIGTERM, and never keeps the process', async (t) => {
    const fake = new FakeProcess()
    fake.channelCount = 1
    const { lifecycle } = fake.join()
    const quiet = fake.join({ signals: {} })
    t.equal(fake.channelCount, 0, 'given back')
    for (const message of [null, 'other', { type: 'other' }, 7, undefined]) fake.emitter.emit('message', message)
    t.equal(lifecycle.ending, false)
    fake.emitter.emit('message', { type: 'shutdown' })
    t.match(lifecycle.request, { kind: 'shutdown', reason: 'SIGTERM' })
    fake.emitter.emit('message', 'shutdown')
    t.equal(lifecycle.hurried, 0)
    t.equal(quiet.lifecycle.ending, false)

    for (const [message, expected] of [
      [{ type: 'shutdown', signal: 'SIGINT' },
        { kind: 'shutdown', reason: 'SIGINT', exitCode: 0, announce: true }],
      [{ type: 'shutdown', signal: 'SIGUSR2' },
        { kind: 'shutdown', reason: 'SIGTERM', exitCode: 0, announce: true }],
      [{ type: 'shutdown', elapsed: 3000 },
        { kind: 'shutdown', reason: 'SIGTERM', exitCode: 0, announce: true, at: -3000 }],
      [{ type: 'shutdown', elapsed: -3000 },
        { kind: 'shutdown', reason: 'SIGTERM', exitCode: 0, announce: true, at: 0 }],
      [{ type: 'shutdown', signal: 'SIGTERM', replaced: true },
        { kind: 'shutdown', reason: 'replaced', replaced: true, exitCode: 0, announce: false }]
    ] as const) {
      const supervised = new FakeProcess()
      supervised.channelCount = 1
      const child = supervised.join()
      supervised.emitter.emit('message', message)
      t.strictSame(child.lifecycle.request, { at: 0, ...expected }, 'what a supervisor adds')
    }

    const both = new FakeProcess()
    both.channelCount = 1
    const twice = both.join()
    const order = (count: number): boolean =>
      both.emitter.emit('message', { type: 'shutdown', signal: 'SIGTERM', count })
    for (const come of [() => order(1), () => both.emitter.emit('SIGTERM'), () => order(1)]) {
      come()
      both.clock.turn(2000)
    }
    t.equal(twice.lifecycle.hurried, 0, 'the order of a parent that counts, and the signal itself, are one')
    both.emitter.emit('SIGINT')
    both.clock.turn(2000)
    order(2)
    t.equal(twice.lifecycle.hurried, 1, 'so are the second ones')
    t.strictSame(both.exits, [])

    const other = new FakeProcess()
    other.channelCount = 1
    const member = other.join()
    member.lifecycle.close()
    t.equal(other.channelCount, 1, 'taken again before the listener is removed')
    t.equal(other.listeners(), 0)
    const silent = new FakeProcess()
    silent.channelCount = 1
    silent.join({ signals: { SIGINT: 'shutdown' } })
    t.equal(silent.emitter.listenerCount('message'), 0, 'nobody acts on SIGTERM')
  })
})

t.test('barrier', async (t) => {
  const fake = new FakeProcess()
  const one = fake.join()
  const two = fake.join()
  fake.signal('SIGTERM')
  const cases: Array<[mine: string, other: string, clear: boolean, waits: boolean]> = [
    ['announcing', 'announcing', false, true],
    ['announcing', 'announcing', true, false],
    ['announcing', 'closing', false, false],
    ['closing', 'announcing', true, true],
    ['draining', 'closing', true, true],
    ['draining', 'draining', false, true],
    ['draining', 'terminated', false, false],
    ['terminated', 'draining', false, false],
    ['terminated', 'terminated', false, false]
  ]
  for (const [mine, other, clear, waits] of cases) {
    Object.assign(one.lifecycle, { phase: mine })
    Object.assign(two.lifecycle, { phase: other, clear })
    t.equal(
      one.membership.others(),
      waits ? `app 2 is in phase '${other}'` : undefined,
      `${mine}, the other ${other} and ${clear ? '' : 'not '}clear`
    )
  }

  t.test('who does not end, or is merely closed, holds nobody', async (t) => {
    const fake = new FakeProcess()
    const one = fake.join()
    const two = fake.join()
    void one.lifecycle.shutdown({ kind: 'shutdown', reason: 'api' })
    t.equal(one.membership.others(), undefined)
    void two.lifecycle.shutdown({ kind: 'close', reason: 'close' })
    t.equal(one.membership.others(), undefined)
    t.equal(two.membership.others(), undefined)
  })
})

t.test('exit', async (t) => {
  t.test('when the last is done, with the first code that is not 0', async (t) => {
    const fake = new FakeProcess()
    const members = [fake.join(), fake.join(), fake.join()] as const
    fake.signal('SIGTERM')
    members[0].lifecycle.finish(0)
    await settled()
    members[2].lifecycle.finish(3)
    await settled()
    t.same(fake.exits, [])
    t.equal(fake.emitter.listenerCount('SIGTERM'), 1)
    fake.open = ['server on 127.0.0.1:1']
    members[1].lifecycle.finish(2)
    await settled()
    t.same(fake.exits, [3])
    t.equal(fake.shared.exiting, true)
    for (const { flushed } of members) t.equal(flushed(), 1)
    t.match(members[0].log.lines.find(({ level }) => level === 'debug'), {
      fields: { handles: ['server on 127.0.0.1:1'] }
    })
  })

  // Scenario (Several applications and other packages): One application ends while another one is open (exiting)
  t.test('not while another application is open, whose close then counts', async (t) => {
    const fake = new FakeProcess()
    const one = fake.join()
    const two = fake.join({ exit: false })
    const three = fake.join()
    two.membership.listening()
    three.membership.listening()
    fake.join()
    void one.lifecycle.shutdown({ kind: 'shutdown', reason: 'admin' })
    one.lifecycle.finish()
    await settled()
    t.same(fake.exits, [])
    void two.lifecycle.shutdown({ kind: 'close', reason: 'close' })
    three.lifecycle.close()
    await settled()
    t.same(fake.exits, [], 'its report is not there yet')
    two.lifecycle.finish(1)
    await settled()
    t.same(fake.exits, [1])
  })

  // Scenario, too: The application is closed without an exit (exiting)
  t.test('a plain close never exits', async (t) => {
    const fake = new FakeProcess()
    const { lifecycle } = fake.join()
    void lifecycle.shutdown({ kind: 'close', reason: 'close' })
    lifecycle.finish(1)
    await settled()
    t.same(fake.exits, [])
    t.equal(fake.listeners(), 0)
  })

  t.test('the listeners stay until the exit', async (t) => {
    const fake = new FakeProcess()
    const { lifecycle } = fake.join()
    fake.signal('SIGTERM')
    t.equal(fake.emitter.listenerCount('SIGTERM'), 1)
    lifecycle.finish()
    await settled()
    t.same(fake.exits, [0])
    t.equal(fake.emitter.listenerCount('SIGTERM'), 1, 'a third signal during the flush still works')
  })

  // Scenario (Signals and exit): The report is the last line, also where a signal comes while the logs are flushed
  t.test('a signal that comes after the report says nothing, but the third one, which exits at once', async (t) => {
    const fake = new FakeProcess()
    const { lifecycle, log } = fake.join({
      flush: () => new Promise<void>(() => {}),
      signals: { SIGTERM: 'shutdown', SIGINT: 'shutdown', SIGHUP: 'ignore' }
    })
    fake.signal('SIGTERM')
    lifecycle.finish()
    await settled()
    fake.signal('SIGHUP')
    fake.signal('SIGINT')
    t.same(['info', 'warn', 'error'].flatMap((level) => log.at(level)), [])
    t.same(fake.exits, [])
    fake.signal('SIGTERM', 1000)
    t.same(fake.exits, [143])
    t.equal(log.at('error').length, 1)
  })

  for (const [what, flush] of [
    ['hangs', () => new Promise<void>(() => {})],
    ['throws', () => { throw new Error('x') }],
    ['rejects', () => Promise.reject(new Error('x'))]
  ] as const) {
    // Scenario (Logs): A flush that hangs, throws or rejects
    t.test(`a flush that ${what} does not keep the process`, async (t) => {
      const fake = new FakeProcess()
      const { lifecycle } = fake.join({ flush, flushTimeout: 700 })
      fake.signal('SIGTERM')
      lifecycle.finish()
      await settled()
      if (what === 'hangs') {
        t.same(fake.exits, [])
        fake.clock.turn(700)
        await settled()
      }
      t.same(fake.exits, [0])
      t.equal(fake.clock.pending, 0)
    })
  }

  // Scenario, too: A logger that throws does not stop the end
  t.test('nor does a logger or a list of handles that throws', async (t) => {
    const fake = new FakeProcess({ handles: () => { throw new Error('no list') } })
    const { lifecycle, log } = fake.join()
    log.debug = log.error = log.fatal = () => { throw new Error('EPIPE') }
    fake.signal('SIGTERM')
    lifecycle.finish()
    await settled()
    t.same(fake.exits, [0])
    const other = new FakeProcess()
    const member = other.join()
    member.log.error = () => { throw new Error('EPIPE') }
    other.signal('SIGTERM')
    other.signal('SIGTERM', 1000)
    t.throws(() => other.signal('SIGTERM', 1000), 'EPIPE')
    t.same(other.exits, [143])
  })

  // Scenario, too: Somebody exits in the midst of the end (exiting)
  t.test("somebody else's exit is named", async (t) => {
    const fake = new FakeProcess()
    const { lifecycle, log } = fake.join()
    const other = fake.join()
    fake.emitter.emit('exit', 0)
    t.same(log.at('error'), [], 'no shutdown is under way')
    fake.signal('SIGTERM')
    lifecycle.phase = 'draining'
    fake.emitter.emit('exit', 7)
    t.match(log.at('error'), [
      /exits with code 7 in the midst of its shutdown \(phase 'draining' of app 1, 'announcing' of app 2\)/
    ])
    lifecycle.finish()
    other.lifecycle.finish()
    await settled()
    fake.emitter.emit('exit', 0)
    t.equal(log.at('error').length, 1, 'ours is not')
  })
})

// Scenario (Signals and exit): A rejection with `undefined` (exiting)
t.test('crash', async (t) => {
  for (const [event, error, reason] of [
    ['uncaughtException', new Error('boom'), 'uncaughtException: boom'],
    ['unhandledRejection', new Error('boom'), 'unhandledRejection: boom'],
    ['unhandledRejection', undefined, 'unhandledRejection: undefined']
  ] as const) {
    t.test(`${reason} shuts all down`, async (t) => {
      const fake = new FakeProcess()
      const one = fake.join()
      const two = fake.join({ exit: false })
      one.membership.listening()
      fake.emitter.emit(event, error)
      t.match(one.log.lines[0], { level: 'fatal', message: `${reason}, shutting down`, fields: { err: error } })
      for (const { lifecycle } of [one, two]) t.strictSame(lifecycle.requests, [{ kind: 'crash', reason, exitCode: 1 }])
      one.lifecycle.finish()
      two.lifecycle.finish()
      await settled()
      t.same(fake.exits, [1])
    })
  }

  // Scenario, too: A crash while the service ends (close-with-grace, exiting)
  t.test('during a shutdown it is a failure', async (t) => {
    const fake = new FakeProcess()
    const { lifecycle, log, membership } = fake.join()
    fake.signal('SIGTERM')
    const seen: unknown[] = []
    const remove = membership.onUncaught((error) => seen.push(error))
    const error = new Error('late')
    fake.emitter.emit('uncaughtException', error)
    fake.emitter.emit('uncaughtException', error)
    t.strictSame(log.at('fatal'), ['uncaughtException: late, during the shutdown'], 'the same one is logged once')
    t.match(lifecycle.failures, [{ name: 'uncaughtException', message: 'late' }, {}])
    fake.emitter.emit('unhandledRejection', error)
    t.strictSame(seen, [error, error], 'a rejection is not an uncaught exception')
    remove()
    fake.emitter.emit('uncaughtException', new Error('x'))
    t.equal(seen.length, 2)
    lifecycle.finish()
    await settled()
    t.same(fake.exits, [1])
  })

  t.test('while the logs are flushed it still makes the code 1', async (t) => {
    const fake = new FakeProcess()
    let flushed!: () => void
    const { lifecycle, log } = fake.join({ flush: () => new Promise((resolve) => { flushed = resolve }) })
    fake.signal('SIGTERM')
    lifecycle.finish()
    await settled()
    log.fatal = () => { throw new Error('EPIPE') }
    fake.emitter.emit('uncaughtException', new Error('x'))
    flushed()
    await settled()
    t.same(fake.exits, [1])
  })

  t.test('during a plain close the process ends as well', async (t) => {
    const fake = new FakeProcess()
    const { lifecycle, membership } = fake.join()
    membership.listening()
    void lifecycle.shutdown({ kind: 'close', reason: 'close' })
    fake.emitter.emit('uncaughtException', new Error('x'))
    lifecycle.finish()
    await settled()
    t.same(fake.exits, [1])
  })

  t.test('handlers exist from listening on, or from the signal on', async (t) => {
    const booting = new FakeProcess()
    booting.join()
    t.equal(count(booting), 0)
    booting.signal('SIGTERM')
    t.equal(count(booting), 1)
    const late = new FakeProcess()
    const { lifecycle, membership } = late.join()
    lifecycle.close()
    membership.listening()
    t.equal(count(late), 0, 'who has left cannot listen')
    const embedded = new FakeProcess()
    embedded.join({ exit: false }).membership.listening()
    embedded.signal('SIGTERM')
    t.equal(count(embedded), 0)
    const two = new FakeProcess()
    const one = two.join()
    const other = two.join({ exit: false })
    two.signal('SIGTERM')
    other.lifecycle.finish()
    await settled()
    t.equal(count(two), 1, 'the other is not done')
    t.equal(one.lifecycle.ending, true)
  })

  t.test('--unhandled-rejections=warn is respected', async (t) => {
    const fake = new FakeProcess({ rejectionsAreFatal: () => false })
    fake.join().membership.listening()
    t.equal(fake.emitter.listenerCount('unhandledRejection'), 0)
    t.equal(fake.emitter.listenerCount('uncaughtException'), 1)
    const before = process.execArgv
    t.teardown(() => { process.execArgv = before })
    for (const [flag, fatal] of [
      ['--unhandled-rejections=warn', false],
      ['--unhandled-rejections=none', false],
      ['--unhandled-rejections=strict', true],
      ['--unhandled-rejections=throw', true]
    ] as const) {
      process.execArgv = [flag]
      t.equal(systemHost.rejectionsAreFatal(), fatal, flag)
    }
  })
})

// Scenario (Several applications and other packages): Listeners of others are named (exiting)
t.test('foreign listeners are named in one warning', async (t) => {
  const fake = new FakeProcess()
  fake.emitter.once('SIGTERM', function afterFirstSignal () {})
  fake.emitter.on('SIGTERM', () => ['an arrow function whose source is so long', 'that nobody reads it'])
  fake.emitter.on('SIGINT', (() => () => {})())
  fake.emitter.on('SIGUSR2', () => {})
  fake.emitter.on('SIGTERM', ours)
  fake.shared.early = { listeners: new Map([['SIGTERM', ours]]), first: undefined, take: () => undefined }
  const one = fake.join()
  const two = fake.join()
  one.membership.listening()
  two.membership.listening()
  const warnings = one.log.at('warn')
  t.equal(warnings.length, 1)
  t.match(
    warnings[0],
    /SIGTERM: afterFirstSignal, anonymous \(\(\) => \[.an arrow function.{10,40}\.\.\.\); SIGINT: anonymous \(\(\) => \{\s*\}\)/
  )
  t.notMatch(warnings[0], /SIGUSR2/)
  t.same(two.log.at('warn'), [], 'once per process')
  fake.emitter.on('SIGHUP', function later () {})
  two.membership.listening()
  t.match(two.log.at('warn'), [/SIGHUP: later/], 'unless there are new ones')
  t.same(foreignListeners(fake.host, ['SIGCONT'], new Set()), [])
})

t.test('open handles are named without content', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  const timers = [1, 2, 3].map(() => setTimeout(() => {}, 100_000))
  t.teardown(() => {
    server.close()
    for (const timer of timers) clearTimeout(timer)
  })
  await new Promise((resolve) => { server.once('listening', resolve) })
  const { port } = server.address() as { port: number }
  const handles = openHandles()
  t.ok(handles.includes(`server on 127.0.0.1:${port}`), handles.join())
  t.ok(handles.some((name) => name.endsWith('x Timeout')), handles.join())
})

t.test('the real process', async (t) => {
  t.equal(systemHost.signalNumber('SIGTERM'), 15)
  t.equal(systemHost.signalNumber('SIGNONE'), undefined)
  t.equal(typeof systemHost.terminal(), 'boolean')
  t.equal(systemHost.mainThread, true)
})
