import Fastify from 'fastify'
import t from 'tap'
import graceful from '../../lib/index.ts'
import { Holds } from '../../lib/lifecycle/holds.ts'
import type { HoldOptions } from '../../lib/lifecycle/holds.ts'
import { FakeClock } from './fake-clock.ts'
import { makeHealth } from './support.ts'

interface Step { after?: number, do?: 'release' | 'boot' | 'stop', startup: string | true, readiness: string | true }

// Scenario (Health): A hold that is never released
t.test('what a hold with a timeout says, from its beginning to its release', async (t) => {
  const failed = 'warming up (failed: not released within 1000 ms)'
  const rows: Array<[name: string, given: { started: boolean, options?: HoldOptions }, steps: Step[]]> = [
    ['taken while booting, released in time', { started: false, options: { timeout: 1000 } }, [
      { do: 'boot', startup: 'warming up', readiness: 'warming up' },
      { after: 999, startup: 'warming up', readiness: 'warming up' },
      { do: 'release', startup: true, readiness: true },
      { after: 5000, startup: true, readiness: true }
    ]],
    ['taken while booting, never released', { started: false, options: { timeout: 1000 } }, [
      { do: 'boot', startup: 'warming up', readiness: 'warming up' },
      { after: 1000, startup: failed, readiness: failed },
      { after: 600_000, startup: failed, readiness: failed }
    ]],
    ['taken while booting, released too late', { started: false, options: { timeout: 1000 } }, [
      { do: 'boot', after: 2000, startup: failed, readiness: failed },
      { do: 'release', startup: true, readiness: true }
    ]],
    ['over before boot is', { started: false, options: { timeout: 1000 } }, [
      { after: 2000, startup: failed, readiness: failed },
      { do: 'boot', startup: failed, readiness: failed }
    ]],
    ['taken by hand while in service', { started: true, options: { timeout: 1000 } }, [
      { startup: true, readiness: 'warming up' },
      { after: 1000, startup: failed, readiness: failed },
      { do: 'release', startup: true, readiness: true }
    ]],
    ['without a timeout', { started: false }, [
      { do: 'boot', startup: true, readiness: 'warming up' },
      { after: 3_600_000, startup: true, readiness: 'warming up' },
      { do: 'release', startup: true, readiness: true }
    ]],
    ['still held at the end of the service', { started: true, options: { timeout: 1000 } }, [
      { do: 'stop', after: 5000, startup: true, readiness: 'warming up' }
    ]]
  ]
  for (const [name, { started, options }, steps] of rows) {
    const { health, holds, clock, world } = makeHealth()
    world.started = started
    const hold = holds.add('warming up', options)
    const acts = { release: () => hold.release(), boot: () => { world.started = true }, stop: () => holds.stop() }
    for (const [index, { do: act, after = 0, startup, readiness }] of steps.entries()) {
      if (act !== undefined) acts[act]()
      await clock.pass(after)
      for (const [kind, expected] of Object.entries({ startup, readiness }) as Array<
        ['startup' | 'readiness', string | true]
      >) {
        const { checks } = await health.verdict(kind)
        const line = checks.find((check) => check.name === 'hold')
        t.equal(line?.ok === false ? line.output : true, expected, `${name}, step ${index + 1}: ${kind}`)
      }
      t.equal((await health.verdict('liveness')).ok, true, `${name}, step ${index + 1}: liveness`)
    }
  }
})

t.test('several holds, each with a time of its own', async (t) => {
  const clock = new FakeClock()
  const log: string[] = []
  const holds = new Holds({
    changed: (reason, held) => log.push(`${reason}: ${held}`),
    failed: (reason, timeout) => log.push(`${reason} failed after ${timeout}`),
    after: clock.after,
    started: () => false
  })
  const [first, second] = [holds.add('cache', { timeout: 100 }), holds.add('cache', { timeout: 300 })]
  holds.add('by hand')
  t.equal(clock.timers, 2)
  await clock.pass(100)
  t.strictSame(holds.reasons(), ['cache (failed: not released within 100 ms)', 'cache', 'by hand'])
  t.strictSame(holds.startup(), ['cache (failed: not released within 100 ms)', 'cache'])
  first.release()
  first.release()
  second[Symbol.dispose]()
  t.equal(clock.timers, 0, 'no timer is left')
  await clock.pass(1000)
  t.strictSame(log, [
    'cache: true', 'cache: true', 'by hand: true', 'cache failed after 100', 'cache: false', 'cache: false'
  ])
  holds.stop()
  holds.add('late', { timeout: 10 })
  t.equal(clock.timers, 0, 'nor begun after the end')
})

t.test('what is no timeout is refused', async (t) => {
  const holds = new Holds({ changed: () => {}, failed: () => {}, after: () => () => {}, started: () => true })
  for (const timeout of [0, -1, Number.NaN, Infinity, 2 ** 31, '1000', null]) {
    t.throws(
      () => holds.add('cache', { timeout } as HoldOptions),
      {
        code: 'FST_GRACEFUL_INVALID_ARGUMENT',
        message: /the timeout given to 'hold' must be a number of milliseconds, more than 0/
      },
      `${timeout}`
    )
  }
  t.throws(
    () => holds.add('cache', { timeOut: 5 } as HoldOptions),
    { code: 'FST_GRACEFUL_UNKNOWN_OPTION', message: /timeOut/ }
  )
  t.strictSame(holds.reasons(), [], 'and nothing is held')
})

t.test('in an application: probes, status, log and metric', async (t) => {
  const lines: string[] = []
  const app = Fastify({ logger: { stream: { write: (line) => { lines.push(line) } } } })
  t.teardown(async () => app.close())
  await app.register(graceful, { exit: false, crash: false, metrics: true, probes: { expose: true } })
  const hold = app.graceful.hold('cache is warming up', { timeout: 50 })
  await app.ready()
  t.match(await app.inject('/startupz'), {
    statusCode: 503,
    body: '[+]started ok\n[-]hold failed: cache is warming up\nstartupz check failed\n'
  })
  await new Promise((resolve) => { setTimeout(resolve, 80) })
  const reason = 'cache is warming up (failed: not released within 50 ms)'
  t.match(await app.inject('/startupz'), {
    statusCode: 503,
    body: `[+]started ok\n[-]hold failed: ${reason}\nstartupz check failed\n`
  })
  t.match(await app.inject('/readyz'), {
    statusCode: 503,
    body: `[+]started ok\n[+]shutdown ok\n[-]hold failed: ${reason}\nreadyz check failed\n`
  })
  t.equal((await app.inject('/livez')).statusCode, 200)
  t.match(app.graceful.status(), { ready: false, holds: [reason] })
  t.match((await app.inject('/-/metrics')).body, 'fastify_graceful_holds 1\n')
  t.match(
    lines.map((line): unknown => JSON.parse(line))
      .findLast((line) => (line as { event?: string }).event === 'graceful.hold'),
    {
      level: 50,
      reason: 'cache is warming up',
      timeout: 50,
      held: true,
      msg: /not ready: 'cache is warming up' was not released within 50 ms/
    }
  )
  hold.release()
  t.equal((await app.inject('/startupz')).statusCode, 200)
  t.equal((await app.inject('/readyz')).statusCode, 200)
  t.strictSame(app.graceful.status().holds, [])
})
