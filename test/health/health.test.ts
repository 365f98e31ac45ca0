// oxlint-disable typescript/no-unsafe-type-assertion, unicorn/no-thenable -- some rows hand over what the types forbid
import t from 'tap'
import type { Test } from 'tap'
import { Health } from '../../lib/health/health.ts'
import type { CheckKind, CheckOptions } from '../../lib/health/options.ts'
import { settle } from './fake-clock.ts'
import { makeHealth } from './support.ts'

/** A promise that the test settles. */
function pending (): {
  promise: Promise<unknown>
  resolve: (value?: unknown) => void
  reject: (error: unknown) => void
} {
  let resolve!: (value?: unknown) => void
  let reject!: (error: unknown) => void
  const promise = new Promise((_resolve, _reject) => {
    resolve = _resolve
    reject = _reject
  })
  return { promise, resolve, reject }
}

t.test('what makes each kind of verdict good', async (t) => {
  const rows: Array<[
    string,
    { started?: boolean, announced?: boolean, hold?: boolean, pressure?: boolean },
    Record<CheckKind, boolean>
  ]> = [
    ['in service', {}, { readiness: true, startup: true, liveness: true }],
    ['before boot is over', { started: false }, { readiness: false, startup: false, liveness: true }],
    ['during a shutdown', { announced: true }, { readiness: false, startup: true, liveness: true }],
    ['while somebody holds', { hold: true }, { readiness: false, startup: true, liveness: true }],
    ['without pressure, where it has a part', { pressure: false }, { readiness: true, startup: true, liveness: true }],
    ['under pressure, where it has a part', { pressure: true }, { readiness: false, startup: true, liveness: true }]
  ]
  for (const [name, { started = true, announced = false, hold = false, pressure }, expected] of rows) {
    const { health, holds, world } = makeHealth()
    Object.assign(world, { started, announced, pressure })
    if (hold) holds.add('migrations')
    for (const [kind, ok] of Object.entries(expected) as Array<[CheckKind, boolean]>) {
      t.equal((await health.verdict(kind)).ok, ok, `${name}: ${kind}`)
    }
    t.equal(health.ready(), expected.readiness, `${name}: ready()`)
  }
})

t.test('the built-in checks come first and say why they fail', async (t) => {
  const { health, holds, world } = makeHealth()
  Object.assign(world, { started: false, announced: true, pressure: true })
  holds.add('migrations')
  holds.add('by hand')
  health.addCheck('db', () => true, { kinds: ['readiness', 'liveness', 'startup'] })
  const lines = async (kind: CheckKind): Promise<unknown[]> =>
    (await health.verdict(kind)).checks.map(({ name, ok, output }) => [name, ok, output])
  t.strictSame(await lines('readiness'), [
    ['started', false, 'the application has not booted yet'],
    ['shutdown', false, 'process is shutting down'],
    ['hold', false, 'migrations, by hand'],
    ['pressure', false, 'the application is under pressure'],
    ['db', true, undefined]
  ])
  t.strictSame(await lines('startup'), [
    ['started', false, 'the application has not booted yet'],
    ['db', true, undefined]
  ])
  t.strictSame(await lines('liveness'), [['ping', true, undefined], ['db', true, undefined]])
})

// Scenario (Health): Checks answer, throw, reject, throw what is no error (terminus, graceful-server)
t.test('how a check passes and fails', async (t) => {
  const rows: Array<[string, () => unknown, boolean, string | undefined]> = [
    ['answers nothing', () => undefined, true, undefined],
    ['answers true', () => true, true, undefined],
    ['answers an object', () => ({ ok: false }), true, undefined],
    ['answers 0', () => 0, true, undefined],
    ['resolves', async () => {}, true, undefined],
    ['answers false', () => false, false, 'answered false'],
    ['resolves false', async () => false, false, 'answered false'],
    ['throws', () => { throw new Error('no route') }, false, 'no route'],
    ['throws what is no error', () => { throw { code: 7 } }, false, '{"code":7}'],
    ['throws undefined', () => { throw undefined }, false, 'undefined'],
    ['throws an error whose message is no text', () => {
      throw Object.assign(new Error(), { message: { code: 7 } })
    }, false, '{"code":7}'],
    ['throws an error whose message throws', () => {
      throw Object.defineProperty(new Error(), 'message', { get () { throw new Error('odd') } })
    }, false, 'an error that cannot be read'],
    ['rejects', async () => { throw new Error('no route') }, false, 'no route'],
    ['answers what throws when it is looked at', () => {
      return Object.defineProperty({}, 'then', { get () { throw new Error('odd') } })
    }, false, 'odd']
  ]
  for (const [name, check, ok, output] of rows) {
    const { health } = makeHealth()
    health.addCheck('db', check)
    const verdict = await health.verdict('readiness')
    const line = verdict.checks.find((entry) => entry.name === 'db')
    t.equal(verdict.ok, ok, name)
    t.equal(line?.output, output, `${name}: why`)
    t.equal(health.ready(), ok, `${name}: ready()`)
  }
})

t.test('a check is asked by its kinds alone', async (t) => {
  const { health } = makeHealth()
  const asked: string[] = []
  for (const kind of ['readiness', 'liveness', 'startup'] as const) {
    health.addCheck(`only ${kind}`, () => { asked.push(kind) }, { kinds: [kind] })
  }
  health.addCheck('default', () => { asked.push('default') })
  for (const [kind, expected] of [
    ['readiness', ['readiness', 'default']],
    ['liveness', ['liveness']],
    ['startup', ['startup']]
  ] as const) {
    asked.length = 0
    await health.verdict(kind)
    t.strictSame(asked, expected, kind)
  }
})

t.test('ttl', async (t) => {
  // Scenario (Health): A check that hangs, and many probes at once
  t.test('a flood of probes runs a check once', async (t) => {
    const { health, clock } = makeHealth()
    let runs = 0
    const work = pending()
    health.addCheck('db', async () => { runs++; await work.promise })
    const flood = Promise.all(Array.from({ length: 1000 }, async () => health.verdict('readiness')))
    await clock.pass(20)
    t.equal(runs, 1, 'one run while it is pending')
    work.resolve()
    t.ok((await flood).every((verdict) => verdict.ok))
    await clock.pass(4999)
    const verdict = await health.verdict('readiness')
    t.equal(runs, 1, 'none while the result is young')
    t.match(verdict.checks.at(-1), { name: 'db', ok: true, duration: 20, age: 4999, time: Date.UTC(2026, 0, 1) + 1020 })
    await clock.pass(1)
    await health.verdict('readiness')
    t.equal(runs, 2, 'another when it is as old as ttl')
    t.equal(clock.timers, 0, 'no timer is left')
  })

  t.test('of 0 keeps nothing', async (t) => {
    const { health } = makeHealth()
    let runs = 0
    health.addCheck('db', () => { runs++ }, { ttl: 0 })
    for (let probes = 0; probes < 3; probes++) await health.verdict('readiness')
    t.equal(runs, 3, 'each probe runs it, in the same millisecond')
    await Promise.all([health.verdict('readiness'), health.verdict('readiness')])
    t.equal(runs, 4, 'but never twice at the same time')
  })

  t.test('a failure is kept as long, and a result is shared by the kinds', async (t) => {
    const { health, clock } = makeHealth()
    let runs = 0
    health.addCheck('db', () => ++runs > 1, { ttl: 100, kinds: ['readiness', 'startup'] })
    t.notOk((await health.verdict('readiness')).ok)
    t.notOk((await health.verdict('startup')).ok)
    t.equal(runs, 1)
    await clock.pass(100)
    t.ok((await health.verdict('startup')).ok)
    t.ok((await health.verdict('readiness')).ok)
    t.equal(runs, 2)
  })
})

t.test('timeout', async (t) => {
  // Scenario, too: A check that hangs, and many probes at once
  t.test('a probe does not wait longer than it, whoever comes first', async (t) => {
    const { health, clock } = makeHealth()
    health.addCheck('slow', () => new Promise(() => {}), { timeout: 300 })
    health.addCheck('slower', () => new Promise(() => {}))
    const answered: number[] = []
    const ask = async (): Promise<void> => {
      const verdict = await health.verdict('readiness')
      answered.push(clock.now())
      t.strictSame(verdict.checks.slice(-2).map(({ ok, output, duration }) => [ok, output, duration]), [
        [false, 'did not answer within 300 ms', 300],
        [false, 'did not answer within 1000 ms', 1000]
      ])
    }
    const first = ask()
    await clock.pass(900)
    const second = ask()
    await clock.pass(100)
    await Promise.all([first, second])
    t.strictSame(
      answered,
      [2000, 2000],
      'the checks run side by side, and the second probe waits for the rest of the first run'
    )
  })

  t.test('its signal aborts, and a late answer changes nothing', async (t) => {
    const { health, clock, lines } = makeHealth()
    const work = pending()
    let signal: AbortSignal | undefined
    health.addCheck('db', async (context) => { signal = context.signal; await work.promise })
    const verdict = health.verdict('readiness')
    await clock.pass(999)
    t.notOk(signal?.aborted)
    await clock.pass(1)
    t.ok(signal?.aborted)
    t.match(signal?.reason, { message: "health check 'db' did not answer within 1000 ms" })
    t.notOk((await verdict).ok)
    work.resolve()
    await settle()
    t.notOk(health.ready(), 'the answer came too late')
    t.equal(lines.length, 1)
  })

  t.test('a check that answers in time is not aborted later', async (t) => {
    const { health, clock } = makeHealth()
    let signal: AbortSignal | undefined
    health.addCheck('db', (context) => { signal = context.signal })
    await health.verdict('readiness')
    await clock.pass(10_000)
    t.notOk(signal?.aborted)
    t.equal(clock.timers, 0)
  })

  t.test('a hung check is not started again, and probes are answered at once', async (t) => {
    const { health, clock } = makeHealth()
    const hung = pending()
    let runs = 0
    health.addCheck('db', async () => { if (++runs === 1) await hung.promise })
    const first = health.verdict('readiness')
    await clock.pass(1000)
    t.notOk((await first).ok)
    await clock.pass(60_000)
    const verdict = await health.verdict('readiness')
    t.match(verdict.checks.at(-1), { ok: false, output: 'did not answer within 1000 ms', age: 60_000 })
    t.equal(runs, 1)
    hung.reject(new Error('connection reset'))
    await settle()
    t.ok((await health.verdict('readiness')).ok, 'it is asked again when it no longer hangs')
    t.equal(runs, 2)
  })
})

t.test('interval', async (t) => {
  // Scenario (Health): Checks on an interval (under-pressure)
  t.test('runs by itself, and probes get the last result', async (t) => {
    const { health, clock } = makeHealth()
    let runs = 0
    health.addCheck('db', () => { runs++ }, { interval: 30_000, ttl: 10 })
    t.equal(health.ready(), false, 'not ready before it has run')
    t.match(health.checks(), [{ name: 'db', state: 'unknown', age: undefined }])
    t.ok((await health.verdict('readiness')).ok, 'the first question runs it')
    await clock.pass(29_999)
    await health.verdict('readiness')
    t.equal(runs, 1)
    await clock.pass(1)
    t.equal(runs, 2)
    await clock.pass(90_000)
    t.equal(runs, 5)
    t.equal(clock.timers, 1, 'one timer, whatever happens')
  })

  t.test('runs without any probe', async (t) => {
    const { health, clock } = makeHealth()
    health.addCheck('db', () => true, { interval: 500 })
    await clock.pass(500)
    t.ok(health.ready())
  })

  t.test('a hung run is not doubled', async (t) => {
    const { health, clock } = makeHealth()
    const hung = pending()
    let runs = 0
    health.addCheck('db', async () => { if (++runs === 1) await hung.promise }, { interval: 500, timeout: 100 })
    await clock.pass(5000)
    t.equal(runs, 1)
    t.match(health.checks(), [{ state: 'failing', error: 'did not answer within 100 ms' }])
    hung.resolve()
    await clock.pass(500)
    t.equal(runs, 2)
    t.ok(health.ready())
  })
})

type World = ReturnType<typeof makeHealth> & {
  db: { ok: boolean, runs: number }
  add: (options?: CheckOptions) => void
}
/** A health room, and a database that may be gone. */
function makeWorld (): World {
  const made = makeHealth()
  const db = { ok: false, runs: 0 }
  const add = (options?: CheckOptions): void => {
    made.health.addCheck('db', async () => {
      db.runs++
      if (!db.ok) throw new Error('no route')
    }, options)
  }
  return { ...made, db, add }
}

/** Reads as somebody does who comes every second, and answers what the last reading said. */
async function read ({ health, clock }: World, seconds: number): Promise<boolean> {
  let ready = false
  for (let second = 0; second < seconds; second++) {
    ready = health.ready()
    await clock.pass(1000)
  }
  return ready
}

t.test('reading readiness asks again what is too old, and waits for nobody', async (t) => {
  const rows: Array<[name: string, (t: Test, world: World) => Promise<void>]> = [
    ['recovers after a failure at boot', async (t, world) => {
      world.add()
      await world.health.verdict('readiness')
      t.equal(await read(world, 3), false)
      world.db.ok = true
      t.equal(await read(world, 7), true)
      t.equal(world.db.runs, 2, 'a failure is kept for its ttl, as for a probe')
    }],
    ['fails after a later failure', async (t, world) => {
      world.db.ok = true
      world.add({ ttl: 2000 })
      await world.health.verdict('readiness')
      t.equal(await read(world, 2), true)
      world.db.ok = false
      t.equal(await read(world, 4), false)
    }],
    ['knows a check that was added after boot', async (t, world) => {
      world.db.ok = true
      t.equal(await read(world, 1), true)
      world.add()
      t.equal(await read(world, 1), false, 'it has not run yet')
      t.equal(await read(world, 1), true)
    }],
    ['with a ttl of 0 asks at most twice a second', async (t, world) => {
      world.db.ok = true
      world.add({ ttl: 0 })
      for (let look = 0; look < 100; look++) {
        world.health.ready()
        await world.clock.pass(20)
      }
      t.equal(world.db.runs, 4)
    }],
    ['asks nothing that runs by itself', async (t, world) => {
      world.db.ok = true
      world.add({ interval: 10_000, ttl: 1 })
      t.equal(await read(world, 2), true, 'but for the first time')
      await read(world, 7)
      t.equal(world.db.runs, 1)
    }],
    ['starts a check that hangs once', async (t, world) => {
      let runs = 0
      world.health.addCheck('hung', () => { runs++; return new Promise(() => {}) })
      t.equal(await read(world, 60), false)
      t.equal(runs, 1)
    }],
    ['asks nobody before boot is over', async (t, world) => {
      world.world.started = false
      world.add()
      await read(world, 10)
      t.equal(world.db.runs, 0)
    }],
    ['asks nobody after the end', async (t, world) => {
      world.add()
      world.health.stop()
      await read(world, 10)
      t.equal(world.db.runs, 0)
    }],
    ['asks no check of another kind', async (t, world) => {
      world.add({ kinds: ['liveness', 'startup'] })
      t.equal(await read(world, 10), true)
      t.equal(world.db.runs, 0)
    }],
    ['stands a check that throws, and one that reads it itself', async (t, world) => {
      world.health.addCheck('odd', () => { throw new Error('odd') })
      let inner: boolean | undefined
      world.health.addCheck('reader', () => { inner = world.health.ready() })
      t.equal(await read(world, 2), false)
      t.equal(inner, false)
      t.match(world.health.checks(), [{ state: 'failing' }, { state: 'passing' }])
    }]
  ]
  for (const [name, row] of rows) await t.test(name, async (t) => row(t, makeWorld()))
})

t.test('exclude and single checks', async (t) => {
  const { health, world } = makeHealth()
  let runs = 0
  health.addCheck('db', () => { runs++; return false })
  health.addCheck('cache', () => true)
  const verdict = await health.verdict('readiness', { exclude: ['db', 'nope', 'nope', 'x"\n[+]y'] })
  t.ok(verdict.ok)
  t.equal(runs, 0, 'an excluded check is not run')
  t.match(verdict.checks.find((check) => check.name === 'db'), { ok: true, excluded: true, duration: 0, age: 0 })
  t.strictSame(verdict.warnings, ['some health checks cannot be excluded: no matches for "nope","x\\"\\n[+]y"'])
  world.announced = true
  t.notOk((await health.verdict('readiness', { exclude: ['db'] })).ok)
  t.ok((await health.verdict('readiness', { exclude: ['db', 'shutdown'] })).ok, 'built-in checks can be excluded')
  t.strictSame(
    (await health.verdict('readiness', { only: 'cache', exclude: ['cache'] })).checks
      .map(({ name, excluded }) => [name, excluded]),
    [['cache', false]]
  )
  t.strictSame((await health.verdict('readiness', { only: 'nope' })).checks, [])
  const flood = await health.verdict('liveness', {
    exclude: Array.from({ length: 100 }, (_, index) => `${index}`.padEnd(1000, 'x'))
  })
  t.ok(flood.warnings[0]!.length < 1000, 'a stranger does not decide how long the answer is')
})

t.test('a phase that begins while a check runs counts', async (t) => {
  const { health, clock, world } = makeHealth()
  const work = pending()
  health.addCheck('db', async () => work.promise)
  const verdict = health.verdict('readiness')
  await clock.pass(10)
  world.announced = true
  work.resolve()
  t.notOk((await verdict).ok)
})

t.test('remove', async (t) => {
  const { health, clock } = makeHealth()
  const added = health.addCheck('db', () => false, { interval: 100 })
  t.notOk((await health.verdict('readiness')).ok)
  added.remove()
  added.remove()
  t.ok((await health.verdict('readiness')).ok)
  t.strictSame(health.checks(), [])
  t.equal(clock.timers, 0)
  const again = health.addCheck('db', () => false)
  added[Symbol.dispose]()
  t.equal(health.checks().length, 1, 'an old handle does not remove a new check of the same name')
  again[Symbol.dispose]()
  t.equal(health.checks().length, 0)
  const slow = health.addCheck('slow', () => new Promise(() => {}))
  const verdict = health.verdict('readiness')
  await settle()
  slow.remove()
  t.match(
    await verdict,
    { ok: true, checks: [{ name: 'started' }, { name: 'shutdown' }, { name: 'hold' }] },
    'nobody waits for a check that is gone'
  )
  t.equal(clock.timers, 0)
})

t.test('stop', async (t) => {
  const { health, clock, lines } = makeHealth()
  let signal: AbortSignal | undefined
  let runs = 0
  health.addCheck('good', () => { runs++ }, { interval: 100 })
  await health.verdict('readiness')
  health.addCheck('slow', async (context) => { signal = context.signal; await new Promise(() => {}) })
  const verdict = health.verdict('readiness')
  await settle()
  health.stop()
  t.equal(clock.timers, 0, 'no timer is left')
  t.ok(signal?.aborted)
  t.notOk((await verdict).ok, 'who waited is answered')
  health.addCheck('late', () => { runs++ }, { interval: 100 })
  await clock.pass(100_000)
  const after = await health.verdict('readiness')
  t.strictSame(
    after.checks.slice(-3).map(({ name, ok }) => [name, ok]),
    [['good', true], ['slow', false], ['late', false]]
  )
  t.equal(runs, 1, 'nothing is run any more')
  t.equal(lines.length, 0, 'the end is no failure to be logged')
})

t.test('the list for the status', async (t) => {
  const { health, clock } = makeHealth()
  health.addCheck('good', () => true, { kinds: ['readiness', 'liveness'] })
  health.addCheck('bad', () => { throw new Error('no route') })
  health.addCheck('never', () => true, { kinds: ['startup'] })
  await health.verdict('readiness')
  await clock.pass(70)
  t.strictSame(health.checks(), [
    {
      name: 'good', kinds: ['readiness', 'liveness'], critical: true, state: 'passing', age: 70, duration: 0,
      error: undefined
    },
    {
      name: 'bad', kinds: ['readiness'], critical: true, state: 'failing', age: 70, duration: 0, error: 'no route'
    },
    {
      name: 'never', kinds: ['startup'], critical: true, state: 'unknown', age: undefined, duration: undefined,
      error: undefined
    }
  ])
})

t.test('a check that turns is logged once', async (t) => {
  const { health, clock, lines } = makeHealth()
  let ok = true
  const error = new Error('no route')
  health.addCheck('db', () => { if (!ok) throw error }, { ttl: 1 })
  for (const state of [true, true, false, false, false, true, true]) {
    ok = state
    await health.verdict('readiness')
    await clock.pass(10)
  }
  t.strictSame(lines, [
    { level: 'warn', details: { check: 'db', err: error }, message: "health check 'db' fails: no route" },
    { level: 'info', details: { check: 'db' }, message: "health check 'db' passes again" }
  ])
})

const check = (): boolean => true

t.test('wrong arguments', async (t) => {
  const { health } = makeHealth()
  health.addCheck('db', () => true)
  const argument = 'FST_GRACEFUL_INVALID_ARGUMENT'
  const rows: Array<[string, unknown[], string, RegExp]> = [
    ['no name', [undefined, check], argument, /name of a check.*non-empty string.*got undefined/],
    ['an empty name', ['', check], argument, /non-empty string.*got ""/],
    ['a number', [7, check], argument, /got 7 \(number\)/],
    ['a slash', ['a/b', check], argument, /without '\/'.*got "a\/b"/],
    ['a line break', ['a\nb', check], argument, /without '\/' and control characters/],
    ['a long name', ['x'.repeat(101), check], argument, /at most 100 characters/],
    ...['ping', 'started', 'shutdown', 'hold', 'pressure'].map((name): [string, unknown[], string, RegExp] => [
      `the reserved name ${name}`,
      [name, check],
      argument,
      /none of the built-in names/
    ]),
    ['a duplicate', ['db', check], 'FST_GRACEFUL_DUPLICATE_CHECK', /a check named 'db' exists already/],
    ['no function', ['x', true], argument, /check 'x' must be a function, got true \(boolean\)/],
    ['options that are no object', ['x', check, 5], argument, /options of check 'x' must be an object, got 5/],
    ['null options', ['x', check, null], argument, /must be an object, got null/],
    ['an array of options', ['x', check, []], argument, /must be an object.*array/],
    [
      'an unknown option',
      ['x', check, { timeOut: 5 }],
      'FST_GRACEFUL_UNKNOWN_OPTION',
      /unknown option 'timeOut' of check 'x', expected one of: kinds, timeout, ttl, interval/
    ],
    [
      'no kinds',
      ['x', check, { kinds: [] }],
      argument,
      /option 'kinds' of check 'x' must be a non-empty array of readiness, liveness, startup, got \[\]/
    ],
    ['kinds that are no array', ['x', check, { kinds: 'readiness' }], argument, /got "readiness" \(string\)/],
    ['an unknown kind', ['x', check, { kinds: ['readiness', 'ready'] }], argument, /\["readiness","ready"\]/],
    ...['timeout', 'ttl', 'interval'].flatMap((option) =>
      [...(option === 'ttl' ? [] : [0]), -1, NaN, Infinity, 2 ** 31, '5', null]
        .map((value): [string, unknown[], string, RegExp] => [
          `${option} ${value}`,
          ['x', check, { [option]: value }],
          argument,
          new RegExp(`option '${option}' of check 'x' must be a number of milliseconds`)
        ]))
  ]
  for (const [name, args, code, message] of rows) {
    t.throws(
      () => (health as unknown as { addCheck (...given: unknown[]): void }).addCheck(...args),
      { code, message },
      name
    )
  }
  t.strictSame(health.checks().map((entry) => entry.name), ['db'], 'nothing was added')
  const options: CheckOptions = Object.freeze({
    kinds: Object.freeze(['liveness'] as const),
    timeout: 10,
    ttl: 10,
    interval: 10
  })
  health.addCheck('x', check, options)
  t.match(health.checks().at(-1), { kinds: ['liveness'] }, 'the object stays as it is')
  health.addCheck(
    'y',
    check,
    { kinds: undefined, timeout: undefined, ttl: undefined, interval: undefined } as unknown as CheckOptions
  )
  t.match(health.checks().at(-1), { kinds: ['readiness'] }, 'undefined is the default')
})

t.test('time comes from the machine where nobody gives another', async (t) => {
  const health = new Health({
    now: () => 0, after: () => () => {}, started: () => true, announced: () => false, holds: () => [],
    log: { warn () {}, info () {} }
  })
  const before = Date.now()
  const [line] = (await health.verdict('liveness')).checks
  t.ok(line!.time >= before && line!.time <= Date.now())
  t.ok(health.ready())
})
