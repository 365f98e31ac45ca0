import t from 'tap'
import { fastCap } from '../../lib/lifecycle/deadlines.ts'
import { tickInterval } from '../../lib/lifecycle/blockers.ts'
import { answerTimeout } from '../../lib/lifecycle/participants.ts'
import type { Participant, Stall } from '../../lib/lifecycle/participants.ts'
import { isAtLeast, phaseNumber, phases } from '../../lib/lifecycle/phase.ts'
import type { Phase } from '../../lib/lifecycle/phase.ts'
import type { Report } from '../../lib/lifecycle/report.ts'
import { FakeClock, settled } from '../support/clock.ts'
import { World } from '../support/lifecycle.ts'
import { thenable } from '../support/thenable.ts'

/** Participants that count how often they were asked, and in which phases. */
function recorder (answer: Participant = () => false): { ask: Participant, asked: Array<[Phase, number]> } {
  const asked: Array<[Phase, number]> = []
  return { asked, ask: (phase, elapsed) => {
    asked.push([phase, elapsed])
    return answer(phase, elapsed)
  } }
}

const codeOf = (act: () => unknown): { code?: string, message: string, statusCode?: number } => {
  try {
    act()
  } catch (error) {
    return error as { code?: string, message: string }
  }
  throw new Error('did not throw')
}

t.test('phases', async (t) => {
  t.test('are five, in order, and only go up', async (t) => {
    t.same(phases, ['running', 'announcing', 'closing', 'draining', 'terminated'])
    t.same(phases.map(phaseNumber), [0, 1, 2, 3, 4])
    t.ok(isAtLeast('draining', 'draining'))
    t.ok(isAtLeast('draining', 'closing'))
    t.notOk(isAtLeast('closing', 'draining'))
    const world = new World()
    t.equal(world.phase, 'running')
    t.equal(world.lifecycle.ending, false)
    t.equal(world.lifecycle.deadline, undefined)
    world.signal()
    t.equal(world.phase, 'announcing', 'at once, not on a tick')
    t.equal(world.lifecycle.ending, true)
    const report = await world.finish()
    t.same(world.phases, phases.slice(1))
    t.same(report.phases.map(({ phase }) => phase), phases.slice(1))
    t.same(world.calls, ['cut', 'end'])
    t.equal(world.clock.timers, 0, 'nothing is left behind')
  })

  t.test('fall through without time where nobody stalls', async (t) => {
    const world = new World()
    world.signal()
    const report = await world.finish()
    t.equal(report.duration, 0)
    t.equal(report.hurried, undefined)
    t.same(
      report.phases.map(({ endedBy, duration, stalledBy }) => [endedBy, duration, stalledBy]),
      Array.from({ length: 4 }, () => ['condition', 0, []])
    )
  })

  t.test('are dated', async (t) => {
    const world = new World()
    const born = world.lifecycle.since
    t.equal(born, world.clock.epoch())
    await world.clock.advance(700)
    t.equal(world.lifecycle.elapsed, 700)
    world.lifecycle.drain()
    t.equal(world.lifecycle.since, born + 700)
    await world.clock.advance(30)
    t.equal(world.lifecycle.elapsed, 30)
  })

  t.test('illegal moves throw and name both phases', async (t) => {
    const world = new World()
    t.match(
      codeOf(() => world.lifecycle.undrain()),
      { code: 'FST_GRACEFUL_ILLEGAL_MOVE', statusCode: 409, message: /'running' to 'running'.*only phase announcing/ }
    )
    world.lifecycle.drain()
    t.match(codeOf(() => world.lifecycle.drain()), {
      code: 'FST_GRACEFUL_ILLEGAL_MOVE',
      message: /'announcing' to 'announcing'.*needs phase running/
    })
    world.lifecycle.participants.add('gate', (phase) => phase === 'draining' || phase === 'announcing')
    world.signal()
    t.match(codeOf(() => world.lifecycle.undrain()), {
      code: 'FST_GRACEFUL_ILLEGAL_MOVE',
      message: /'announcing' to 'running'.*under way \(SIGTERM\)/
    })
    await world.reach('draining')
    t.match(codeOf(() => world.lifecycle.undrain()), { message: /'draining' to 'running'/ })
    t.match(codeOf(() => world.lifecycle.drain()), { message: /'draining' to 'announcing'/ })
    await world.finish()
    t.match(codeOf(() => world.lifecycle.drain()), { message: /'terminated' to 'announcing'/ })
  })

  t.test('listeners hear of each, and one that throws stops nobody', async (t) => {
    const world = new World()
    const heard: string[] = []
    world.lifecycle.on('phase', () => { throw new Error('deaf') })
    world.lifecycle.on('phase', (phase, previous, record) => heard.push(`${previous} -> ${phase} (${record.phase})`))
    world.signal()
    const report = await world.finish()
    t.same(heard, [
      'running -> announcing (running)',
      'announcing -> closing (announcing)',
      'closing -> draining (closing)',
      'draining -> terminated (draining)'
    ])
    t.equal(report.verdict, 'failed')
    t.equal(report.exitCode, 1)
    t.match(report.failures[0], { name: "listener of phase 'announcing'", message: 'deaf' })
  })

  t.test('that a listener asks for come when all listeners and hooks have heard of the present one', async (t) => {
    const cases: Array<[
      what: string, begin: (world: World) => void, ask: (world: World) => void, heard: string[], phase: Phase
    ]> = [
      [
        'a close in a drain by hand',
        ({ lifecycle }) => lifecycle.drain(),
        ({ lifecycle }) => void lifecycle.shutdown({ kind: 'close', reason: 'x', announce: false }),
        ['announcing', 'closing'],
        'closing'
      ],
      [
        'a close in a preStop call',
        ({ lifecycle }) => void lifecycle.prestop(),
        ({ lifecycle }) => void lifecycle.shutdown({ kind: 'close', reason: 'x', announce: false }),
        ['announcing', 'closing'],
        'closing'
      ],
      [
        'a signal in a drain by hand',
        ({ lifecycle }) => lifecycle.drain(),
        ({ lifecycle }) => void lifecycle.shutdown({ kind: 'shutdown', reason: 'x' }),
        ['announcing'],
        'announcing'
      ],
      [
        'undrain',
        ({ lifecycle }) => lifecycle.drain(),
        ({ lifecycle }) => lifecycle.undrain(),
        ['announcing', 'running'],
        'running'
      ],
      [
        'undrain, and then a signal',
        ({ lifecycle }) => lifecycle.drain(),
        ({ lifecycle }) => {
          lifecycle.undrain()
          void lifecycle.shutdown({ kind: 'shutdown', reason: 'x' })
        },
        ['announcing'],
        'announcing'
      ],
      [
        'a second close',
        ({ lifecycle }) => void lifecycle.shutdown({ kind: 'shutdown', reason: 'x' }),
        ({ lifecycle }) => void lifecycle.shutdown({ kind: 'close', reason: 'y', announce: false }),
        ['announcing'],
        'announcing'
      ]
    ]
    for (const [what, begin, ask, heard, phase] of cases) {
      const world = new World()
      const later: Phase[] = []
      const hooks: string[] = []
      let asked = false
      world.lifecycle.on('phase', (phase) => {
        if (phase !== 'announcing' || asked) return
        asked = true
        ask(world)
      })
      world.lifecycle.on('phase', (phase) => later.push(phase))
      for (const phase of ['announcing', 'closing'] as const) {
        world.lifecycle.hooks.add(phase, () => hooks.push(`${phase} in ${world.phase}`))
      }
      begin(world)
      t.same(world.phases, heard, `${what}: an earlier listener`)
      t.same(later, heard, `${what}: a later one`)
      t.same(
        hooks,
        heard.filter((phase) => phase !== 'running').map((phase) => `${phase} in ${phase}`),
        `${what}: hooks`
      )
      t.equal(world.phase, phase)
      world.lifecycle.hurry()
      if (phase !== 'running') {
        t.match((await (world.lifecycle.ending ? world.finish() : undefined))?.failures ?? [], [])
      }
    }
  })
})

t.test('floor and cap', async (t) => {
  // Scenario (Signals and exit): The end is put off for a time, or by a preStop hook (lightship, exiting)
  t.test('phase 1 has a floor, and a condition inside floor and cap ends it', async (t) => {
    const world = new World({ kubernetes: true })
    world.signal()
    t.equal(await world.reach('closing'), 5000)
    t.match(world.records.at(-1), { phase: 'announcing', duration: 5000, endedBy: 'condition' })

    const later = new World({ kubernetes: true })
    let sending = true
    later.lifecycle.observers.add('traffic', (phase) => phase === 'announcing' && sending && 'the balancer still sends')
    later.signal()
    await later.clock.advance(9000)
    t.equal(later.phase, 'announcing')
    t.same(later.stalls(), ['traffic: the balancer still sends'])
    sending = false
    t.ok(await later.reach('closing') <= tickInterval, 'on the next tick')
    t.match(later.records.at(-1), { endedBy: 'condition', stalledBy: [] })
  })

  t.test('whoever ends a wait wakes the machine at once', async (t) => {
    const world = new World()
    let busy = true
    world.lifecycle.observers.add('traffic', (phase) => phase === 'draining' && busy)
    world.signal()
    await world.reach('draining')
    await world.clock.advance(tickInterval + 3)
    busy = false
    world.lifecycle.poke()
    world.lifecycle.poke()
    await world.clock.advance(0)
    t.equal(world.phase, 'terminated')
  })

  // Scenario (Signals and exit): Somebody holds a phase, and nobody beyond its cap (lightship's beacons)
  t.test('at the cap a phase ends, whoever stalls, and the report names them', async (t) => {
    const world = new World()
    world.lifecycle.participants.add('stubborn', () => 'never')
    world.signal()
    t.equal(await world.reach('closing'), 18_000)
    t.equal(await world.reach('draining'), 500)
    t.equal(await world.reach('terminated'), 23_000 - 18_500, 'what is left until the deadline')
    const report = await world.finish()
    t.same(report.phases.map(({ phase, duration, endedBy }) => [phase, duration, endedBy]), [
      ['announcing', 18_000, 'cap'], ['closing', 500, 'cap'], ['draining', 4500, 'cap'], ['terminated', 0, 'condition']
    ])
    t.same(
      report.phases.map(({ stalledBy }) => stalledBy.map(({ name, reason }) => `${name}: ${reason}`)),
      [['stubborn: never'], ['stubborn: never'], ['stubborn: never'], []]
    )
    t.same(report.cut.waiting, ['stubborn'])
    t.equal(report.verdict, 'cut')
    t.equal(report.exitCode, 1)
    t.match(report.summary, /no longer waited for: stubborn/)
  })

  t.test('a phase whose floor is its cap ends by its condition where nobody stalls', async (t) => {
    const world = new World({ budget: { announce: { min: 3000, max: 3000 } } })
    world.signal()
    t.equal(await world.reach('closing'), 3000)
    t.match(world.records.at(-1), { endedBy: 'condition', stalledBy: [] })
  })

  t.test('nobody is asked in the phases 0 and 4', async (t) => {
    const world = new World()
    const { ask, asked } = recorder()
    world.lifecycle.participants.add('asked', ask)
    await world.clock.advance(200)
    t.same(asked, [])
    world.signal()
    await world.finish()
    t.same(asked.map(([phase]) => phase), ['announcing', 'closing', 'draining'])
  })
})

t.test('participants', async (t) => {
  // Scenario, too: Somebody holds a phase…
  t.test('are asked on every tick with the phase and the time in it, although an earlier one stalls', async (t) => {
    const world = new World()
    const first = recorder(() => true)
    const second = recorder((_phase, elapsed) => elapsed < 100)
    world.lifecycle.participants.add('first', first.ask)
    world.lifecycle.participants.add('second', second.ask)
    t.same(world.lifecycle.participants.names(), ['first', 'second'])
    world.signal()
    await world.clock.advance(4 * tickInterval)
    const expected = [0, 1, 2, 3, 4].map((tick) => ['announcing', tick * tickInterval])
    t.same(first.asked, expected)
    t.same(second.asked, expected, "Zope's loop did not ask the second one")
    t.same(world.stalls(), ['first: not yet'])
  })

  t.test('may come and go during the end', async (t) => {
    const world = new World()
    world.lifecycle.participants.add('early', (phase) => phase === 'draining')
    world.signal()
    await world.reach('draining')
    const remove = world.lifecycle.participants.add('late', () => 'late work')
    await world.clock.advance(tickInterval)
    t.same(world.stalls(), ['early: not yet', 'late: late work'])
    remove()
    remove()
    await world.clock.advance(tickInterval)
    t.same(world.stalls(), ['early: not yet'])
  })

  t.test('may answer synchronously: true, a reason, false, nothing', async (t) => {
    for (const [answer, stalls] of [
      [true, ['p: not yet']], ['a reason', ['p: a reason']], [false, []], [undefined, []], [null, []]
    ] as const) {
      const world = new World()
      world.lifecycle.observers.add('gate', () => true)
      world.lifecycle.participants.add('p', () => answer as boolean)
      world.signal()
      await world.clock.advance(0)
      t.same(world.stalls(), ['gate: not yet', ...stalls], `${answer}`)
      t.same(world.failed, [])
    }
  })

  t.test('may answer asynchronously, and none is asked twice while its answer is pending', async (t) => {
    const world = new World()
    const answers: Array<(value: boolean | string) => void> = []
    const { ask, asked } = recorder(() => new Promise((resolve) => { answers.push(resolve) }))
    world.lifecycle.participants.add('slow', ask)
    world.signal()
    await world.clock.advance(10 * tickInterval)
    t.equal(asked.length, 1)
    t.same(world.stalls(), ['slow: has not answered yet'])
    answers[0]?.('one more message')
    await world.clock.advance(0)
    t.same(world.stalls(), ['slow: one more message'], 'at once')
    await world.clock.advance(tickInterval)
    t.equal(asked.length, 2, 'and is asked anew')
    answers[1]?.(false)
    await world.clock.advance(0)
    t.equal(world.phase, 'closing', 'its false counts for the phase in which it was asked, and that phase ends')
    t.same(asked.at(-1)?.[0], 'closing', 'the next phase asks for itself')
  })

  t.test('of which several take their time do not hold a phase that none of them holds', async (t) => {
    const world = new World()
    const counts = [0, 0, 0]
    for (const [index, latency] of [7, 16, 160].entries()) {
      world.lifecycle.participants.add(`p${index}`, () => new Promise((resolve) => {
        counts[index]!++
        world.clock.after(latency, () => resolve(false))
      }))
    }
    world.signal()
    t.equal(await world.reach('closing'), 160, 'the last answer stands while the next one is pending')
    t.ok(counts[0]! > 3, 'and everybody is asked again meanwhile')
    t.equal((await world.finish()).verdict, 'clean')
  })

  t.test('an asynchronous answer given for an earlier phase does not count for a later one', async (t) => {
    const world = new World({ budget: { announce: { max: 1000 } } })
    let answer: ((value: boolean) => void) | undefined
    const { ask, asked } = recorder((phase) => phase === 'announcing'
      ? new Promise((resolve) => { answer = resolve })
      : true)
    world.lifecycle.participants.add('slow', ask)
    world.signal()
    await world.reach('closing')
    t.equal(world.clock.now() - 5000, 1000, 'by the cap')
    answer?.(false)
    await world.clock.advance(0)
    t.equal(world.phase, 'closing')
    t.same(world.stalls(), ['slow: not yet'])
    t.same(asked.at(-1)?.[0], 'closing')
  })

  t.test('that throw, reject, hang or answer nonsense are named, count as "no", and stop nobody', async (t) => {
    const world = new World()
    const good = recorder((phase, elapsed) => phase === 'draining' && elapsed < 300 && 'good one')
    const { participants } = world.lifecycle
    participants.add('thrower', () => { throw new Error('broken') })
    participants.add('thrower of text', () => { throw 'text' }) // oxlint-disable-line no-throw-literal
    participants.add('rejecter', async () => { throw new Error('refused') })
    participants.add('odd thenable', () => thenable(() => { throw new Error('no promise of mine') }))
    participants.add('nonsense', () => 42 as unknown as boolean)
    participants.add('late nonsense', async () => '')
    participants.add('good', good.ask)
    world.signal()
    t.equal(await world.reach('terminated'), 300)
    const report = await world.finish()
    t.same(report.failures.map(({ name, phase }) => `${name} in ${phase}`).toSorted(), [
      'late nonsense in announcing', 'nonsense in announcing', 'odd thenable in announcing', 'rejecter in announcing',
      'thrower in announcing', 'thrower of text in announcing'
    ], 'each once, although asked on each tick')
    t.match(
      report.failures.find(({ name }) => name === 'nonsense')?.message,
      /true, false or a reason.*got 42 \(number\)/
    )
    t.match(report.failures.find(({ name }) => name === 'late nonsense')?.message, /got "" \(string\)/)
    t.match(report.failures.find(({ name }) => name === 'thrower of text')?.message, '"text"')
    t.equal(world.failed.length, 6, 'and told as it happens')
    t.equal(report.verdict, 'failed')
    t.equal(report.exitCode, 1)
    t.ok(good.asked.length > 10)
  })

  t.test('that hang are no longer waited for after a while, and are never asked twice', async (t) => {
    const world = new World()
    const { ask, asked } = recorder(() => new Promise(() => {}))
    world.lifecycle.participants.add('hung', ask)
    world.signal()
    t.equal(await world.reach('closing'), answerTimeout)
    const report = await world.finish()
    t.equal(asked.length, 1)
    t.equal(report.duration, answerTimeout)
    t.same(report.failures, [
      { name: 'hung', message: `did not answer within ${answerTimeout} ms`, phase: 'announcing' }
    ])
    t.same(report.cut.waiting, [])
  })

  t.test('an innocent one is not blamed at the deadline', async (t) => {
    const world = new World()
    const guilty = world.lifecycle.observers
    guilty.add('traffic', (phase) => phase === 'draining' && '1 request in flight')
    const innocent = recorder(async () => false)
    world.lifecycle.participants.add('innocent', innocent.ask)
    world.lifecycle.participants.add('innocent that takes its time', (phase) => new Promise((resolve) => {
      world.clock.after(phase === 'draining' ? 60 : 0, () => resolve(false))
    }))
    world.signal()
    const report = await world.finish()
    t.match(report.phases[2], { phase: 'draining', endedBy: 'cap' })
    t.same(report.cut.waiting, [])
    t.equal(report.exitCode, 0, 'the cut itself is judged by what was cut')
  })

  t.test('nobody is asked twice in one tick, nor at the cap', async (t) => {
    const world = new World()
    const { ask, asked } = recorder(() => true)
    world.lifecycle.participants.add('simple', ask)
    world.signal()
    await world.finish()
    const times = asked.map(([phase, elapsed]) => `${phase} ${elapsed}`)
    t.same(times.filter((time, index) => times.indexOf(time) !== index), [])
  })

  t.test('wrong arguments are refused', async (t) => {
    const { participants } = new World().lifecycle
    t.match(codeOf(() => participants.add('', () => true)), {
      code: 'FST_GRACEFUL_INVALID_ARGUMENT',
      message: /name of a participant.*non-empty string, got "" \(string\)/
    })
    t.match(codeOf(() => participants.add(7 as unknown as string, () => true)), { message: /got 7 \(number\)/ })
    t.match(codeOf(() => participants.add('p', null as unknown as Participant)), {
      message: /participant 'p' must be a function.*got null \(null\)/
    })
  })

  t.test('one that wakes the machine while it is asked does not double the ticks', async (t) => {
    const world = new World()
    const { ask, asked } = recorder(() => true)
    world.lifecycle.participants.add('counted', ask)
    let waking = true
    world.lifecycle.observers.add('waker', () => {
      if (waking) world.lifecycle.poke()
      waking = false
      return false
    })
    world.signal()
    await world.clock.advance(0)
    const before = asked.length
    await world.clock.advance(8 * tickInterval)
    t.equal(asked.length - before, 8)
    t.equal(world.clock.timers, 1)
  })
})

t.test('hooks', async (t) => {
  // Scenario (Signals and exit): Hooks run in their phase, all at once, and the last of them before the close
  // (graceful-server, http-graceful-shutdown)
  t.test('run when their phase begins, all at once, and the phase waits for them', async (t) => {
    const world = new World()
    const log: string[] = []
    const { hooks } = world.lifecycle
    for (const phase of ['announcing', 'closing', 'draining', 'terminated'] as const) {
      hooks.add(phase, async function first (context) {
        log.push(`${phase} first at ${world.clock.now() - 5000} because of ${context.reason}`)
        t.equal(context.phase, phase)
        t.equal(context.phase, world.phase)
        t.equal(context.deadline, world.lifecycle.deadline)
        t.equal(context.signal.aborted, false)
        await new Promise<void>((resolve) => { world.clock.after(100, resolve) })
      })
      hooks.add(phase, () => { log.push(`${phase} second`) })
    }
    world.signal()
    await world.clock.advance(50)
    t.same(world.stalls(), ["first: hook of phase 'announcing' is running"])
    const report = await world.finish()
    t.same(
      log,
      ['announcing', 'closing', 'draining', 'terminated']
        .flatMap((phase, index) => [`${phase} first at ${index * 100} because of SIGTERM`, `${phase} second`])
    )
    t.equal(report.duration, 400, 'the end comes with the last hook, not with a tick')
    t.equal(report.verdict, 'clean')
    t.same(world.calls, ['cut', 'end'])
  })

  // Scenario, too: Hooks run in their phase…
  t.test('of phase 4 run before the close', async (t) => {
    const world = new World()
    let release: (() => void) | undefined
    world.lifecycle.hooks.add(
      'terminated',
      () => new Promise<void>((resolve) => { release = resolve }),
      { name: 'pool' }
    )
    world.signal()
    await world.reach('terminated')
    await world.clock.advance(1000)
    t.same(world.calls, ['cut'])
    t.match(world.stalls()[0], "pool: hook of phase 'terminated' is running")
    release?.()
    const report = await world.finish()
    t.same(world.calls, ['cut', 'end'])
    t.equal(report.exitCode, 0)
  })

  // Scenario (Signals and exit): A hook that throws, rejects or takes too long stops nobody (lightship,
  // close-with-grace)
  t.test('that throw, reject or take too long are named and stop nobody', async (t) => {
    const world = new World()
    const aborted: unknown[] = []
    const { hooks } = world.lifecycle
    hooks.add('draining', () => { throw new Error('thrown') }, { name: 'thrower' })
    hooks.add('draining', async () => { throw new Error('rejected') }, { name: 'rejecter' })
    hooks.add(
      'draining',
      ({ signal }) => new Promise(() => signal.addEventListener('abort', () => aborted.push(signal.reason))),
      { name: 'slow', timeout: 700 }
    )
    hooks.add('draining', async () => {}, { name: 'good' })
    world.signal()
    t.equal(await world.reach('terminated'), 700)
    const report = await world.finish()
    t.match(aborted, [/hook 'slow' timed out after 700 ms/])
    t.same(report.failures, [
      { name: 'thrower', message: 'thrown', phase: 'draining' },
      { name: 'rejecter', message: 'rejected', phase: 'draining' },
      { name: 'slow', message: 'did not finish within 700 ms', phase: 'draining' }
    ])
    t.equal(report.verdict, 'failed')
    t.equal(report.exitCode, 1)
    t.same(report.cut.waiting, [])
  })

  // Scenario (Signals and exit): A hook that never settles is cut by the cap of its phase (close-with-grace,
  // graceful-server)
  t.test('that never settle are cut by the cap of their phase, told so, and leave no timer', async (t) => {
    for (const [phase, at] of [['announcing', 18_000], ['closing', 500], ['draining', 23_000]] as const) {
      const world = new World()
      let reason: unknown
      world.lifecycle.hooks.add(
        phase,
        ({ signal }) => new Promise(() => signal.addEventListener('abort', () => { reason = signal.reason })),
        { name: 'endless', timeout: 60_000 }
      )
      world.signal()
      const report = await world.finish()
      t.equal(report.duration, at, phase)
      t.match(reason, /hook 'endless'/, 'its signal has aborted')
      t.equal(world.clock.timers, 0, 'no timer keeps the process')
      t.match(report.phases.find((record) => record.phase === phase), {
        endedBy: 'cap',
        stalledBy: [{ name: 'endless' }]
      })
      if (phase === 'draining') t.match(report, { cut: { waiting: ['endless'] }, exitCode: 1, verdict: 'cut' })
    }
  })

  t.test('of phase 4 that never settle do not keep the application from being closed', async (t) => {
    const world = new World()
    world.lifecycle.hooks.add('terminated', () => new Promise(() => {}), { name: 'endless' })
    world.signal()
    const report = await world.finish()
    t.same(world.calls, ['cut', 'end'])
    t.equal(report.duration, 28_000, 'and may use what nobody else needs')
    t.match(report, { exitCode: 1, cut: { waiting: ['endless'] } })
  })

  t.test('may be removed', async (t) => {
    const world = new World()
    const remove = world.lifecycle.hooks.add('closing', () => { t.fail('removed') })
    remove()
    remove()
    world.signal()
    t.equal((await world.finish()).verdict, 'clean')
  })
})

// Scenario (Signals and exit): Work in the background is waited for
t.test('background work is waited for in phase 3', async (t) => {
  const world = new World()
  const { work } = world.lifecycle
  let first: (() => void) | undefined
  let second: ((error: Error) => void) | undefined
  work.track(new Promise<void>((resolve) => { first = resolve }), { name: 'mail' })
  world.signal()
  await world.reach('draining')
  work.track(new Promise<void>((_resolve, reject) => { second = reject }))
  await world.clock.advance(tickInterval)
  t.same(world.stalls(), ['mail: background work is running', 'background work: background work is running'])
  t.same(work.names(), ['mail', 'background work'])
  t.equal(work.size, 2)
  first?.()
  second?.(new Error('no route'))
  await world.clock.advance(0)
  t.equal(world.phase, 'terminated')
  const report = await world.finish()
  t.same(world.failed, ['background work in draining: no route'], 'a rejection is logged')
  t.equal(report.verdict, 'clean', 'and is no failure of the end')

  const late = new World()
  late.lifecycle.work.track(new Promise(() => {}), { name: 'endless' })
  late.signal()
  t.match(await late.finish(), { duration: 23_000, exitCode: 1, verdict: 'cut', cut: { waiting: ['endless'] } })
})

// Scenario (Signals and exit): Several calls share one end (http-graceful-shutdown, lightship)
t.test('shutdown is joinable: one report for all, the first reason and the first code win', async (t) => {
  const world = new World()
  const first = world.lifecycle.shutdown({ kind: 'shutdown', reason: 'first', exitCode: 3 })
  const second = world.lifecycle.shutdown({ kind: 'crash', reason: 'second', exitCode: 4, announce: false })
  await world.finish()
  const third = world.lifecycle.shutdown({ kind: 'restart', reason: 'third' })
  const [report, ...others] = await Promise.all([first, second, third, world.lifecycle.done])
  for (const other of others) t.equal(other, report)
  t.equal(world.lifecycle.report, report)
  t.match(report, { kind: 'shutdown', reason: 'first', exitCode: 3, verdict: 'clean' })
  t.match(world.lifecycle.request, { reason: 'first' })
})

t.test('a drain by hand', async (t) => {
  t.test('holds phase 1 without a cap and without a deadline', async (t) => {
    const world = new World({ kubernetes: true })
    const contexts: unknown[] = []
    world.lifecycle.hooks.add('announcing', ({ reason, deadline }) => { contexts.push({ reason, deadline }) })
    world.lifecycle.drain()
    t.same(contexts, [{ reason: 'drain', deadline: undefined }])
    await world.clock.advance(120_000)
    t.equal(world.phase, 'announcing')
    t.equal(world.lifecycle.deadline, undefined)
    t.equal(world.lifecycle.ending, false)
    t.equal(world.lifecycle.request, undefined)
  })

  t.test('becomes a shutdown with a signal, and the floor counts from the drain', async (t) => {
    const world = new World({ kubernetes: true })
    world.lifecycle.drain()
    await world.clock.advance(60_000)
    const at = world.clock.epoch()
    world.signal()
    t.equal(world.lifecycle.deadline, at + 23_000)
    t.equal(await world.reach('closing'), 0)
    const report = await world.finish()
    t.match(report, {
      reason: 'SIGTERM',
      phases: [{ phase: 'announcing', duration: 60_000 }, {}, {}, {}],
      duration: 60_000
    })

    const early = new World({ kubernetes: true })
    early.lifecycle.drain()
    await early.clock.advance(2000)
    early.signal()
    t.equal(await early.reach('closing'), 3000)
  })

  t.test('becomes a shutdown whose cap counts from the signal', async (t) => {
    const world = new World()
    world.lifecycle.observers.add('traffic', (phase) => phase === 'announcing')
    world.lifecycle.drain()
    await world.clock.advance(60_000)
    world.signal()
    t.equal(await world.reach('closing'), 18_000)
  })

  t.test('is skipped by an end that announces nothing', async (t) => {
    const world = new World({ kubernetes: true })
    world.lifecycle.drain()
    void world.lifecycle.shutdown({ kind: 'shutdown', reason: 'SIGINT', announce: false })
    t.equal(world.phase, 'closing')
    t.equal((await world.finish()).duration, 0)
  })

  t.test('is undone by undrain, and leaves no trace in a later end', async (t) => {
    const world = new World({ kubernetes: true })
    const remove = world.lifecycle.participants.add('broken', () => { throw new Error('broken') })
    world.lifecycle.drain()
    await world.clock.advance(1000)
    world.lifecycle.undrain()
    remove()
    t.equal(world.phase, 'running')
    t.match(world.records.at(-1), { phase: 'announcing', duration: 1000, endedBy: 'undrain' })
    t.equal(world.clock.timers, 0)
    await world.clock.advance(50_000)
    t.equal(world.phase, 'running')
    world.lifecycle.drain()
    world.lifecycle.undrain()
    const at = world.clock.epoch()
    world.signal()
    const report = await world.finish()
    t.match(report, { startedAt: at, duration: 5000, verdict: 'clean', exitCode: 0 })
    t.same(
      report.phases.map(({ phase, endedBy }) => `${phase} ${endedBy}`),
      ['announcing condition', 'closing condition', 'draining condition', 'terminated condition']
    )
  })
})

// Scenario, too: The end is put off for a time…
t.test('a preStop call', async (t) => {
  t.test('starts the grace clock and settles when phase 1 could end, which it does not', async (t) => {
    const world = new World({ kubernetes: true })
    const at = world.clock.epoch()
    let settledAt: number | undefined
    void world.lifecycle.prestop().then(() => { settledAt = world.clock.epoch() - at })
    t.equal(world.phase, 'announcing')
    t.equal(world.lifecycle.deadline, at + 23_000)
    t.equal(world.lifecycle.ending, false)
    await world.clock.advance(10_000)
    t.equal(settledAt, 5000)
    t.equal(world.phase, 'announcing', 'until the signal')
    world.signal()
    t.equal(world.lifecycle.deadline, at + 23_000, 'the same clock')
    t.equal(await world.reach('closing'), 0)
    t.equal((await world.finish()).startedAt, at)
  })

  t.test('is joined by a second one, whether or not the first is over', async (t) => {
    const world = new World({ kubernetes: true })
    const settledAt: number[] = []
    const call = (): void => void world.lifecycle.prestop().then(() => settledAt.push(world.clock.now() - 5000))
    call()
    const { deadline } = world.lifecycle
    await world.clock.advance(2000)
    call()
    t.equal(world.lifecycle.deadline, deadline, 'the clock does not start again')
    await world.clock.advance(4000)
    t.same(settledAt, [5000, 5000])
    call()
    await world.clock.advance(0)
    t.same(settledAt, [5000, 5000, 6000])
  })

  t.test('is answered at the cap where the balancer never stops, and the signal goes on from there', async (t) => {
    const world = new World()
    const at = world.clock.epoch()
    world.lifecycle.observers.add('traffic', (phase) => phase === 'announcing')
    let over = false
    void world.lifecycle.prestop().then(() => { over = true })
    t.equal(await world.clock.advanceUntil(() => over), 18_000)
    world.signal()
    await world.reach('closing')
    t.ok(world.clock.epoch() - at <= 18_000 + tickInterval)
    world.lifecycle.participants.add('stubborn', (phase) => phase === 'draining')
    await world.reach('terminated')
    t.equal(world.clock.epoch() - at, 23_000)
  })

  t.test('joins a drain by hand and a shutdown, and is over at once where phase 1 is', async (t) => {
    const world = new World()
    world.lifecycle.observers.add(
      'traffic',
      (phase, elapsed) => phase === 'draining' || (phase === 'announcing' && elapsed < 9000)
    )
    world.lifecycle.drain()
    await world.clock.advance(1000)
    const at = world.clock.epoch()
    let over = 0
    void world.lifecycle.prestop().then(() => over++)
    t.equal(world.lifecycle.deadline, at + 23_000)
    world.signal()
    void world.lifecycle.prestop().then(() => over++)
    await world.clock.advance(7000)
    t.equal(over, 0)
    await world.reach('closing')
    await settled()
    t.equal(over, 2)
    await world.reach('draining')
    await world.lifecycle.prestop()
    t.equal(world.phase, 'draining')
  })

  t.test('is settled by undrain, which stops the clock', async (t) => {
    const world = new World({ kubernetes: true })
    const call = world.lifecycle.prestop()
    world.lifecycle.undrain()
    await call
    t.equal(world.lifecycle.deadline, undefined)
    t.equal(world.phase, 'running')
  })
})

/** A service in which everything lasts as long as it may. */
function stubborn (): World {
  const world = new World({ kubernetes: true, ports: { end: () => new Promise(() => {}) } })
  world.lifecycle.participants.add('stubborn', () => true)
  return world
}

t.test('hurry caps every phase at a second', async (t) => {
  t.test('from the start', async (t) => {
    const world = stubborn()
    world.lifecycle.hurry()
    world.signal()
    const report = await world.finish()
    t.same(report.phases.map(({ duration }) => duration), [fastCap, 500, fastCap, fastCap])
  })

  for (const phase of ['announcing', 'closing', 'draining', 'terminated'] as const) {
    t.test(`in ${phase}`, async (t) => {
      const world = stubborn()
      world.signal()
      await world.reach(phase)
      await world.clock.advance(phase === 'closing' ? 100 : 300)
      world.lifecycle.hurry()
      const report = await world.finish()
      t.equal(report.hurried, phase, 'the report knows when')
      const index = phases.indexOf(phase) - 1
      t.same(report.phases.slice(index).map(({ duration }) => duration), [fastCap, 500, fastCap, fastCap].slice(index))
    })
  }

  t.test('late in a phase ends it at once, and no floor holds', async (t) => {
    const world = stubborn()
    world.signal()
    await world.clock.advance(8000)
    world.lifecycle.hurry()
    t.equal(await world.reach('closing'), 0)

    const idle = new World({ kubernetes: true })
    idle.signal()
    await idle.clock.advance(400)
    idle.lifecycle.hurry()
    t.equal(await idle.reach('closing'), 0)
  })

  t.test('does not end a drain by hand', async (t) => {
    const world = stubborn()
    world.lifecycle.drain()
    world.lifecycle.hurry()
    await world.clock.advance(5000)
    t.equal(world.phase, 'announcing')
  })
})

// Scenario (Signals and exit): How long a crash may take
t.test('a crash announces shortly and drains ten seconds at most, exit code 1', async (t) => {
  const world = new World({ kubernetes: true })
  world.lifecycle.participants.add('stubborn', () => true)
  void world.lifecycle.shutdown({ kind: 'crash', reason: 'uncaughtException: boom', exitCode: 1 })
  const report = await world.finish()
  t.same(report.phases.map(({ duration }) => duration), [1000, 500, 10_000, 0])
  t.match(report, { kind: 'crash', verdict: 'failed', exitCode: 1 })

  const idle = new World({ kubernetes: true })
  void idle.lifecycle.shutdown({ kind: 'crash', reason: 'boom', exitCode: 1 })
  const quick = await idle.finish()
  t.equal(quick.duration, 1000)
  t.match(quick.phases[0], { endedBy: 'condition' }, 'the floor is its cap')
  t.match(quick, { verdict: 'failed', exitCode: 1 })

  const short = new World({ budget: { gracePeriod: 5000 } })
  short.lifecycle.participants.add('stubborn', (phase) => phase === 'draining')
  void short.lifecycle.shutdown({ kind: 'crash', reason: 'boom', exitCode: 1 })
  t.equal(
    (await short.finish()).duration,
    5000 - short.budget.reserve - short.budget.close,
    'nor longer than the grace period allows'
  )
})

t.test('announce: false begins with phase 2', async (t) => {
  const world = new World({ kubernetes: true })
  void world.lifecycle.shutdown({ kind: 'shutdown', reason: 'SIGINT', announce: false })
  t.equal(world.phase, 'closing')
  const report = await world.finish()
  t.same(world.phases, ['closing', 'draining', 'terminated'])
  t.same(report.phases.map(({ phase }) => phase), ['closing', 'draining', 'terminated'])
  t.equal(report.duration, 0)
})

t.test('the deadline', async (t) => {
  const preStop = 10_000
  const world = new World({ budget: { preStop } })
  const at = world.clock.epoch()
  world.lifecycle.participants.add('busy', (_phase, elapsed) => elapsed < 100)
  world.signal()
  t.equal(
    world.lifecycle.deadline,
    at + 20_000 - world.budget.reserve - world.budget.close,
    'preStop is off the grace period'
  )
  await world.clock.advance(3)
  t.equal(world.lifecycle.deadline, at + 20_000 - world.budget.reserve - world.budget.close, 'and does not move')

  const closed = new World({ budget: { preStop } })
  void closed.lifecycle.shutdown({ kind: 'close', reason: 'app.close()', announce: false })
  t.equal(
    closed.lifecycle.deadline,
    at + 30_000 - closed.budget.reserve - closed.budget.close,
    'no preStop hook came before a plain close'
  )
  t.match(await closed.finish(), { kind: 'close', exitCode: 0 })

  const whole = new World({ ports: { end: () => new Promise(() => {}) } })
  whole.lifecycle.participants.add('stubborn', () => true)
  whole.signal()
  t.equal((await whole.finish()).duration, 30_000 - whole.budget.reserve, 'all phases together leave the reserve')
})

t.test('the end', async (t) => {
  t.test('that throws, rejects or never settles is named, and the report comes all the same', async (t) => {
    for (const [end, expected] of [
      [
        () => { throw new Error('thrown') },
        { failures: [{ name: 'close', message: 'thrown', phase: 'terminated' }], verdict: 'failed', duration: 0 }
      ],
      [
        async () => { throw new Error('rejected') },
        { failures: [{ name: 'close', message: 'rejected', phase: 'terminated' }], verdict: 'failed', duration: 0 }
      ],
      [
        () => new Promise<void>(() => {}),
        { failures: [], cut: { waiting: ['close'] }, verdict: 'cut', duration: 28_000 }
      ]
    ] as const) {
      const world = new World({ ports: { end } })
      world.signal()
      t.match(await world.finish(), { ...expected, exitCode: 1 })
    }
  })

  t.test('is called once, however often the machine ticks', async (t) => {
    let calls = 0
    const world = new World({ ports: { end: () => new Promise((resolve) => {
      calls++
      world.clock.after(300, () => resolve(undefined))
    }) } })
    world.signal()
    await world.reach('terminated')
    await world.clock.advance(100)
    t.same(world.stalls(), ['close: onClose hooks are running'])
    t.equal((await world.finish()).duration, 300, 'without waiting for a tick')
    t.equal(calls, 1)
  })

  t.test('nothing changes a report that was given out', async (t) => {
    let reject: ((error: Error) => void) | undefined
    const world = new World({ ports: { end: () => new Promise((_resolve, _reject) => { reject = _reject }) } })
    world.signal()
    const report = await world.finish()
    const before = structuredClone(report)
    reject?.(new Error('too late'))
    await world.clock.advance(1000)
    world.lifecycle.poke()
    world.lifecycle.hurry()
    await world.clock.advance(1000)
    t.same(report, before)
    t.equal(world.lifecycle.report, report)
    t.equal(world.clock.timers, 0)
  })
})

// Scenario (Logs): A logger that throws does not stop the end
t.test('a log that throws does not stop the end', async (t) => {
  const world = new World()
  world.lifecycle.on('failure', () => { throw new Error('disk full') })
  world.lifecycle.participants.add('broken', () => { throw new Error('broken') })
  world.lifecycle.hooks.add('closing', async () => { throw new Error('hook') }, { name: 'hook' })
  world.signal()
  const report = await world.finish()
  t.same(report.failures.map(({ name }) => name), ['broken', 'hook'])
})

t.test('a cut that throws is named, and the end goes on', async (t) => {
  const world = new World({ ports: { cut: () => { throw new Error('no sockets') } } })
  world.signal()
  t.match(await world.finish(), {
    verdict: 'failed',
    exitCode: 1,
    failures: [{ name: 'cut', message: 'no sockets', phase: 'draining' }],
    cut: { requests: [], streams: 0, upgraded: 0, connections: [], byOthers: [] }
  })
  t.same(world.calls, ['end'])
})

t.test('what was cut is judged', async (t) => {
  const request = { method: 'GET', route: '/slow', age: 4000 }
  const cases: Array<[string, Partial<Report['cut']>, Partial<Report>]> = [
    ['an ordinary request', { requests: [request] }, { exitCode: 1, verdict: 'cut' }],
    ['a stream', { streams: 2 }, { exitCode: 0, verdict: 'cut' }],
    ['an upgraded socket', { upgraded: 1, connections: [], byOthers: [] }, { exitCode: 0, verdict: 'cut' }],
    ['nothing', {}, { exitCode: 0, verdict: 'clean' }]
  ]
  for (const [name, cut, expected] of cases) {
    const world = new World({
      ports: {
        cut: () => ({ requests: [], streams: 0, upgraded: 0, connections: [], byOthers: [], ...cut }),
        advice: (draft) => [`advice after ${draft.cut.requests.length}`]
      }
    })
    world.signal()
    const report = await world.finish()
    t.match(report, {
      ...expected,
      cut: { requests: [], streams: 0, upgraded: 0, connections: [], byOthers: [], waiting: [], ...cut }
    }, name)
    t.same(report.advice, [`advice after ${cut.requests?.length ?? 0}`])
  }
})

t.test('two applications of a process go in step', async (t) => {
  const clock = new FakeClock()
  const worlds: World[] = []
  const others = (self: number) => (): Stall | undefined => {
    const mine = worlds[self]?.lifecycle
    const other = worlds[1 - self]?.lifecycle
    if (mine === undefined || other === undefined || mine.phase === 'terminated') return undefined
    if (phaseNumber(other.phase) > phaseNumber(mine.phase) || (other.phase === mine.phase && other.clear)) {
      return undefined
    }
    return { name: 'other applications', reason: `the other is in phase '${other.phase}'` }
  }
  for (const self of [0, 1]) worlds.push(new World({ clock, ports: { others: others(self) } }))
  const [first, second] = worlds as [World, World]
  second.lifecycle.participants.add(
    'slow',
    (phase, elapsed) => elapsed < { announcing: 2000, closing: 100, draining: 3000 }[phase]
  )
  first.signal()
  second.signal()
  await clock.advance(1000)
  t.equal(first.phase, 'announcing')
  t.equal(first.lifecycle.clear, true)
  t.equal(second.lifecycle.clear, false)
  t.same(first.stalls(), ["other applications: the other is in phase 'announcing'"])
  const seen = new Set<string>()
  await clock.advanceUntil(() => {
    const distance = Math.abs(phaseNumber(first.phase) - phaseNumber(second.phase))
    seen.add(`${distance}`)
    return first.lifecycle.report !== undefined && second.lifecycle.report !== undefined
  })
  t.notOk(seen.has('2'), 'never two phases apart')
  const [one, two] = await Promise.all([first.lifecycle.done, second.lifecycle.done])
  t.same(one.phases.slice(0, 3).map(({ duration }) => Math.round(duration / 100)), [20, 1, 30])
  t.same([one.verdict, two.verdict], ['clean', 'clean'])
  t.same([one.cut.waiting, two.cut.waiting], [[], []], 'waiting for another application is no fault')
})

t.test('who only waited for another application is not blamed at the cap', async (t) => {
  const world: World = new World({
    ports: {
      others: () => world.phase === 'terminated' ? undefined : { name: 'other applications', reason: 'the other hangs' }
    }
  })
  world.signal()
  const report = await world.finish()
  t.match(report.phases, [
    { duration: 18_000, endedBy: 'cap', stalledBy: [{ name: 'other applications', reason: 'the other hangs' }] },
    {},
    { endedBy: 'cap' }
  ])
  t.same(report.cut.waiting, [])
  t.equal(report.exitCode, 0)
})
