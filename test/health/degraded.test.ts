import Fastify from 'fastify'
import t from 'tap'
import { buildVerdict } from '../../lib/watchdog/thread/verdict.ts'
import { headline } from '../../lib/cli/status/view.ts'
import { sections } from '../../lib/cli/status/sections.ts'
import type { Health } from '../../lib/health/health.ts'
import type { CheckKind, CheckOptions } from '../../lib/health/options.ts'
import { unreadiness } from '../../lib/status/sentences.ts'
import graceful from '../../lib/index.ts'
import { makeApp, makeHealth } from './support.ts'

const optional: CheckOptions = { critical: false, kinds: ['readiness', 'liveness', 'startup'] }

/** A service whose cache is gone and whose database is there. */
function addBoth (health: Health): void {
  health.addCheck('database', () => true)
  health.addCheck('cache', () => { throw new Error('connect ECONNREFUSED') }, optional)
}

// Scenario (Health): A check that only warns
t.test('a check that is not critical fails nothing', async (t) => {
  const ways: Array<[name: string, check: () => unknown]> = [
    ['throws', () => { throw new Error('gone') }],
    ['rejects', async () => { throw new Error('gone') }],
    ['answers false', () => false],
    ['hangs', () => new Promise(() => {})],
    ['is slow, and fails', async () => new Promise((_resolve, reject) => { setTimeout(reject, 20, new Error('gone')) })]
  ]
  for (const [name, check] of ways) {
    const { health, clock } = makeHealth()
    health.addCheck('cache', check, optional)
    t.equal(health.ready(), true, `${name}: ready before it has run`)
    for (const kind of ['readiness', 'liveness', 'startup'] satisfies CheckKind[]) {
      const asked = health.verdict(kind)
      await clock.pass(250)
      const verdict = await asked
      t.equal(verdict.ok, true, `${name}: ${kind}`)
      t.match(
        verdict.checks.at(-1),
        { name: 'cache', ok: false, critical: false, excluded: false },
        `${name}: ${kind} shows it`
      )
    }
    await clock.pass(1000)
    await new Promise((resolve) => { setTimeout(resolve, 30) })
    t.equal(health.ready(), true, `${name}: ready`)
    t.match(health.checks(), [{ name: 'cache', critical: false, state: 'degraded' }], `${name}: the status`)
    health.stop()
  }
})

// Scenario, too: A check that only warns
t.test('one that hangs holds a probe up for a moment only, and is waited for where it alone is asked', async (t) => {
  const { health, clock } = makeHealth()
  const signals: AbortSignal[] = []
  health.addCheck(
    'cache',
    async ({ signal }) => { signals.push(signal); return new Promise(() => {}) },
    { ...optional, ttl: 100 }
  )
  const times: number[] = []
  const ask = async (only?: string): Promise<void> => {
    const since = clock.now()
    await health.verdict('readiness', only === undefined ? {} : { only })
    times.push(clock.now() - since)
  }
  const all = ask()
  const one = ask('cache')
  await clock.pass(2000)
  await Promise.all([all, one, ask()])
  t.strictSame(times, [250, 1000, 0])
  t.match(signals, [{ aborted: true }], 'it is told, as every check is')
  t.equal(clock.timers, 0, 'no timer is left')
  const quick = makeHealth()
  addBoth(quick.health)
  await quick.health.verdict('readiness')
  t.equal(quick.clock.timers, 0, 'nor where it answers in time')
})

t.test('a stale answer is shown rather than none', async (t) => {
  const { health, clock } = makeHealth()
  let hangs = false
  health.addCheck('cache', () => hangs ? new Promise(() => {}) : true, { ...optional, ttl: 100 })
  await health.verdict('readiness')
  hangs = true
  await clock.pass(500)
  const asked = health.verdict('readiness')
  await clock.pass(250)
  t.match((await asked).checks.at(-1), { ok: true, age: 750 })
})

t.test('what the health routes answer', async (t) => {
  const { app, health } = makeApp(t)
  addBoth(health)
  const rows: Array<[url: string, statusCode: number, body: string]> = [
    ['/readyz',
      200, 'ok'],
    ['/readyz?verbose',
      200,
      '[+]started ok\n[+]shutdown ok\n[+]hold ok\n[+]database ok\n[!]cache degraded: reason withheld\n'
        + 'readyz check passed\n'],
    ['/readyz?verbose&exclude=cache',
      200, '[+]started ok\n[+]shutdown ok\n[+]hold ok\n[+]database ok\n[+]cache excluded: ok\nreadyz check passed\n'],
    ['/readyz/cache',
      200, '[!]cache degraded: reason withheld\nreadyz check passed\n'],
    ['/livez',
      200, 'ok'],
    ['/livez/cache',
      200, '[!]cache degraded: reason withheld\nlivez check passed\n'],
    ['/startupz',
      200, 'ok'],
    ['/startupz?verbose',
      200, '[+]started ok\n[!]cache degraded: reason withheld\nstartupz check passed\n']
  ]
  for (const [url, statusCode, body] of rows) {
    const response = await app.inject(url)
    t.strictSame([response.statusCode, response.body], [statusCode, body], url)
  }
  const json = await app.inject({ url: '/readyz', headers: { accept: 'application/json' } })
  t.match(json.json(), {
    status: 'warn',
    checks: { database: [{ status: 'pass' }], cache: [{ status: 'warn', output: 'reason withheld' }] }
  })
  health.addCheck('queue', () => false)
  const failed = await app.inject('/readyz')
  t.strictSame(
    [failed.statusCode, failed.body],
    [503, '[+]started ok\n[+]shutdown ok\n[+]hold ok\n[+]database ok\n[!]cache degraded: reason withheld\n'
      + '[-]queue failed: reason withheld\nreadyz check failed\n'],
    'a critical one beside it fails'
  )
  t.match((await app.inject({ url: '/readyz', headers: { accept: 'application/json' } })).json(), {
    status: 'fail',
    checks: { cache: [{ status: 'warn' }], queue: [{ status: 'fail' }] }
  })
})

t.test('on the port of the watchdog', async (t) => {
  const { health } = makeHealth()
  addBoth(health)
  const [readiness, liveness, startup] = await Promise.all([
    health.verdict('readiness'),
    health.verdict('liveness'),
    health.verdict('startup')
  ])
  const loop = { silence: 0, blocked: false, dead: false }
  for (const kind of ['readiness', 'liveness', 'startup'] satisfies CheckKind[]) {
    const verdict = buildVerdict(
      kind,
      { verdicts: [{ readiness, liveness, startup }], applications: [{ unreadyFrom: undefined }], loop },
      { exclude: [], only: undefined }
    )
    t.equal(verdict.ok, true, kind)
    t.match(verdict.checks.find(({ name }) => name === 'cache'), { ok: false, critical: false })
  }
})

t.test('everywhere else that a check is shown', async (t) => {
  const app = Fastify()
  t.teardown(async () => app.close())
  await app.register(graceful, {
    exit: false,
    crash: false,
    metrics: true,
    admin: { authorize: () => true },
    probes: { external: { path: '/up' } }
  })
  addBoth(app.graceful as unknown as Health)
  app.graceful.addCheck('unknown', () => true, { critical: false, kinds: ['startup'] })
  await app.ready()
  t.equal(await app.graceful.ready(), true, 'ready()')
  t.equal(app.graceful.status().ready, true, 'status().ready')
  t.equal((await app.inject('/up')).statusCode, 200, 'the external route')
  t.match((await app.inject('/-/status')).json(), {
    ready: true,
    checks: [
      { name: 'database', critical: true, state: 'passing' },
      { name: 'cache', critical: false, state: 'degraded', error: 'connect ECONNREFUSED' },
      { name: 'unknown', state: 'unknown' }
    ]
  })
  const metrics = (await app.inject('/-/metrics')).body
  for (const [state, value] of [['passing', 0], ['failing', 0], ['degraded', 1], ['unknown', 0]] as const) {
    t.match(metrics, `fastify_graceful_check_state{check="cache",state="${state}"} ${value}\n`)
  }
  const status = app.graceful.status()
  t.match(
    sections(status, { at: Date.now(), most: 10, authorised: true }).filter(({ text }) => text.includes('cache')),
    [{ text: /cache +degraded .*connect ECONNREFUSED/, tone: 'strong' }],
    'the terminal'
  )
  t.notMatch(
    headline('shop', { ...status, ready: false, holds: ['migrations'] }, { at: Date.now() }).text,
    'cache',
    'which does not name it as the reason'
  )
  t.strictSame(
    unreadiness({ ...status, holds: ['migrations'] }),
    ['held by: migrations'],
    'it is not named as the reason'
  )
})

t.test('the log tells which kind it is', async (t) => {
  const { health, lines } = makeHealth()
  addBoth(health)
  await health.verdict('readiness')
  t.match(lines, [{
    level: 'warn',
    details: { check: 'cache' },
    message: "health check 'cache' fails, and is not critical: connect ECONNREFUSED"
  }])
})

t.test('what is no boolean is refused', async (t) => {
  const { health } = makeHealth()
  for (const critical of [null, 0, 'false', {}]) {
    t.throws(() => health.addCheck('cache', () => true, { critical } as never), {
      code: 'FST_GRACEFUL_INVALID_ARGUMENT',
      message: /option 'critical' of check 'cache' must be a boolean|a boolean/
    })
  }
})
