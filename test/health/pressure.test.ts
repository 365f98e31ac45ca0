// oxlint-disable typescript/no-unsafe-type-assertion -- an address of a listening server, and what the types forbid
import t from 'tap'
import type { Test } from 'tap'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import underPressure from '@fastify/under-pressure'
import { setupPressure } from '../../lib/health/pressure.ts'
import type { Pressure, PressureOptions } from '../../lib/health/pressure.ts'
import { registerProbes } from '../../lib/health/probes.ts'
import { makeHealth } from './support.ts'

const exempt = { pressureHandler: () => undefined }

async function until (condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await condition()) return
    await new Promise((resolve) => { setTimeout(resolve, 10) })
  }
  throw new Error('did not come to pass')
}

type SetUp = ((app: FastifyInstance) => void) | undefined

interface Made { app: FastifyInstance, pressure: () => Pressure, closed: () => Promise<void> }

/** An application that is registered as the plugin registers: the room first, then what the application does. */
function makeApp (
  t: Test,
  options: PressureOptions | undefined,
  setUp: (app: FastifyInstance) => void = () => {},
  before: (app: FastifyInstance) => void = () => {}
): Made {
  const app = Fastify()
  let pressure!: Pressure
  before(app)
  app.register(fp(async (instance) => {
    pressure = setupPressure(instance, app, options)
    t.equal(pressure.state(), undefined, 'nothing is known before it is registered')
    t.equal(pressure.check(), options?.readiness === true ? false : undefined)
    const { health } = makeHealth({ pressure: () => pressure.check() })
    registerProbes(app, health, { prefix: '', expose: true }, exempt)
  }))
  app.register(async (child) => { child.get('/', async () => 'served') })
  setUp(app)
  t.teardown(async () => app.close())
  return { app, pressure: () => pressure, closed: async () => app.close() }
}

// Scenario (Health): Event-loop delay, heap, resident set, utilization, a health check; the first check is waited for;
// handlers and status route (under-pressure)
t.test('what under-pressure tests, through our registration', async (t) => {
  const sampleInterval = 10
  const rows: Array<[string, PressureOptions]> = [
    ['heap',
      { maxHeapUsedBytes: 1, sampleInterval }],
    ['resident set',
      { maxRssBytes: 1, sampleInterval }],
    ['event-loop utilization',
      { maxEventLoopUtilization: 1e-9, sampleInterval }],
    ['event-loop utilization of an interval',
      { maxEventLoopUtilization: 1e-9, eventLoopUtilizationMode: 'interval', sampleInterval }],
    ['a health check that answers false',
      { healthCheck: async () => false, healthCheckInterval: 50, sampleInterval }],
    ['a health check that throws',
      { healthCheck: async () => { throw new Error('no route') }, healthCheckInterval: 50, sampleInterval }]
  ]
  for (const [name, options] of rows) {
    const { app, pressure, closed } = makeApp(t, options)
    await app.ready()
    await until(() => pressure().state()?.underPressure === true)
    const refused = await app.inject('/')
    t.match(refused, { statusCode: 503, headers: { 'retry-after': '10' } }, name)
    t.equal(refused.json().code, 'FST_UNDER_PRESSURE')
    t.equal((await app.inject('/livez')).statusCode, 200, `${name}: liveness is exempt`)
    t.equal(
      (await app.inject('/readyz')).statusCode,
      200,
      `${name}: readiness is exempt, and pressure has no part in it`
    )
    t.notMatch((await app.inject('/readyz?verbose')).body, 'pressure')
    await closed()
  }

  // Scenario, too: Event-loop delay, heap…
  t.test('event-loop delay', async (t) => {
    const { app, pressure } = makeApp(t, { maxEventLoopDelay: 50, sampleInterval })
    await app.ready()
    await until(() => {
      const end = performance.now() + 120
      while (performance.now() < end);
      return pressure().state()?.underPressure === true
    })
    t.ok(pressure().state()!.eventLoopDelay > 50)
  })

  // Scenario, too: Event-loop delay, heap…
  t.test('message, error, retry-after and status route', async (t) => {
    class Busy extends Error { statusCode = 503; code = 'BUSY' }
    const { app } = makeApp(t, {
      healthCheck: async () => false,
      healthCheckInterval: 1000,
      customError: Busy,
      retryAfter: 3,
      exposeStatusRoute: { routeOpts: { logLevel: 'silent' }, url: '/mine' }
    })
    const refused = await app.inject('/')
    t.match(refused, { statusCode: 503, headers: { 'retry-after': '3' } })
    t.equal(refused.json().code, 'BUSY')
    t.equal((await app.inject('/mine')).statusCode, 503)
  })

  // Scenario, too: Event-loop delay, heap…
  t.test('a pressureHandler of the application does not reach the probes, a route\'s own works', async (t) => {
    const handled: string[] = []
    const { app } = makeApp(t, {
      healthCheck: async () => false,
      healthCheckInterval: 1000,
      pressureHandler: (request, _reply, type) => { handled.push(`${request.url} ${type}`) }
    }, (app) => {
      app.register(async (child) => {
        child.get('/own', { config: { pressureHandler: () => 'own' } }, async () => 'served')
      })
    })
    t.equal((await app.inject('/')).body, 'served')
    t.equal((await app.inject('/readyz')).body, 'ok')
    t.equal((await app.inject('/own')).body, 'own')
    t.strictSame(handled, ['/ healthCheck'])
  })

  // Scenario, too: Event-loop delay, heap…
  t.test('the first health check is waited for', async (t) => {
    let good = false
    const { app, pressure } = makeApp(t, {
      healthCheck: async () => { await new Promise((resolve) => { setImmediate(resolve) }); good = true; return true },
      healthCheckInterval: 1000
    })
    await app.ready()
    t.ok(good)
    t.equal(pressure().state()?.underPressure, false)
  })
})

t.test('readiness, where it is set', async (t) => {
  let good = true
  const options = Object.freeze({
    healthCheck: async () => good,
    healthCheckInterval: 10,
    sampleInterval: 10,
    readiness: true,
    exposeStatusRoute: true
  })
  const { app, pressure } = makeApp(t, options)
  t.equal(
    (await app.inject('/readyz?verbose')).body,
    '[+]started ok\n[+]shutdown ok\n[+]hold ok\n[+]pressure ok\nreadyz check passed\n'
  )
  good = false
  await until(() => pressure().check() === true)
  const failed = await app.inject('/readyz')
  t.equal(failed.statusCode, 503)
  t.match(failed.body, '[-]pressure failed: the application is under pressure\n')
  t.equal((await app.inject('/livez')).statusCode, 200)
  t.equal((await app.inject('/readyz?exclude=pressure')).statusCode, 200)
  good = true
  await until(async () => (await app.inject('/readyz')).statusCode === 200)
  t.strictSame(Object.keys(options).length, 5, 'the caller\'s object stays as it is')
})

t.test('the registration of the application is found and used', async (t) => {
  const options = { healthCheck: async () => false, healthCheckInterval: 1000 }
  const rows: Array<[string, SetUp?, SetUp?]> = [
    ['after ours', (app) => { app.register(underPressure, options) }],
    ['before ours', undefined, (app) => { app.register(underPressure, options) }],
    ['in an encapsulated plugin after ours', (app) => {
      app.register(async (child) => { child.register(underPressure, options) })
    }],
    ['in two plugins, one of them under pressure', (app) => {
      app.register(async (child) => { child.register(underPressure, { maxRssBytes: Number.MAX_SAFE_INTEGER }) })
      app.register(async (child) => { child.register(underPressure, options) })
    }]
  ]
  for (const [name, after, before] of rows) {
    const { app, pressure } = makeApp(t, undefined, after, before)
    await app.ready()
    t.match(
      pressure().state(),
      { underPressure: true, heapUsed: Number, rssBytes: Number, eventLoopDelay: Number, eventLoopUtilized: Number },
      name
    )
    t.equal(pressure().check(), undefined, 'it has no part in readiness')
    t.equal((await app.inject('/readyz')).statusCode, 200)
  }
  const { app, pressure } = makeApp(t, undefined)
  t.equal((await app.inject('/')).body, 'served')
  t.equal(pressure().state(), undefined, 'nobody registered it')
})

t.test('both is an error of ours', async (t) => {
  const rows: Array<[string, SetUp?, SetUp?]> = [
    ['the application first', undefined, (app) => { app.register(underPressure) }],
    ['ours first', (app) => { app.register(underPressure) }],
    ['in a plugin of the application that is not encapsulated', (app) => {
      app.register(fp(async (instance) => { await instance.register(underPressure) }))
    }],
    ['in an encapsulated plugin', (app) => {
      app.register(async (child) => { await child.register(underPressure, { maxHeapUsedBytes: 1e9 }) })
    }]
  ]
  for (const [name, after, before] of rows) {
    const { app } = makeApp(t, { maxRssBytes: 1e12 }, after, before)
    await t.rejects(
      async () => { await app.ready() },
      { code: 'FST_GRACEFUL_PRESSURE_TWICE', message: /expected one of the two, got both/ },
      name
    )
  }
})

t.test('other decorators are left alone', async (t) => {
  const { app, pressure } = makeApp(t, {}, (app) => {
    app.decorate('mine', 1)
    app.register(async (child) => {
      child.decorate('mine', 2)
      child.decorate('memoryUsage', (() => ({})) as never)
      child.get('/mine', async () => (child as unknown as { mine: number }).mine)
    })
  })
  const { decorate } = app
  t.equal((await app.inject('/mine')).body, '2')
  t.equal(app.decorate, decorate, 'the method is its own again')
  t.ok(pressure().state())

  const wrapped = makeApp(t, {})
  let wrapper: unknown
  wrapped.app.addHook('onReady', async () => { })
  wrapped.app.register(async () => {
    const theirs = wrapped.app.decorate
    wrapped.app.decorate = wrapper = function (this: FastifyInstance, ...args: never[]) {
      return Reflect.apply(theirs, this, args)
    } as never
  })
  await wrapped.app.ready()
  t.equal(wrapped.app.decorate, wrapper, 'what somebody else put over it stays')
})

t.test('an error of its own comes through', async (t) => {
  const { app } = makeApp(t, { healthCheck: true as never, healthCheckInterval: 10 })
  await t.rejects(async () => { await app.ready() }, /healthCheck should be a function/)
})
