// oxlint-disable typescript/no-unsafe-type-assertion -- an address of a listening server, and what the types forbid
import t from 'tap'
import Fastify from 'fastify'
import type { LightMyRequestResponse } from 'fastify'
import fp from 'fastify-plugin'
import { connect } from 'node:http2'
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { negotiate } from '../../lib/health/answers.ts'
import { registerProbes } from '../../lib/health/probes.ts'
import { makeApp, makeHealth } from './support.ts'
import { fastifyMinor } from '../support/app.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

const text = 'text/plain; charset=utf-8'

// Scenario (Health): Bodies, codes and headers; with details and without (terminus)
t.test('the form of Kubernetes\' own servers', async (t) => {
  const { app, health, holds, world } = makeApp(t)
  health.addCheck('db', () => true)
  health.addCheck(
    'cache',
    () => { throw new Error('secret.internal:6379 refused') },
    { kinds: ['startup', 'liveness'] }
  )
  const rows: Array<[string, number, string]> = [
    ['/readyz',
      200, 'ok'],
    ['/readyz/',
      200, 'ok'],
    ['/readyz?verbose',
      200, '[+]started ok\n[+]shutdown ok\n[+]hold ok\n[+]db ok\nreadyz check passed\n'],
    ['/readyz?verbose=false',
      200, '[+]started ok\n[+]shutdown ok\n[+]hold ok\n[+]db ok\nreadyz check passed\n'],
    ['/readyz?verbose&exclude=db&exclude=hold',
      200, '[+]started ok\n[+]shutdown ok\n[+]hold excluded: ok\n[+]db excluded: ok\nreadyz check passed\n'],
    ['/readyz?exclude=nope',
      200, 'ok'],
    ['/readyz?verbose&exclude=x',
      200,
      '[+]started ok\n[+]shutdown ok\n[+]hold ok\n[+]db ok\n'
        + 'warn: some health checks cannot be excluded: no matches for "x"\nreadyz check passed\n'],
    ['/readyz/db',
      200, 'ok'],
    ['/readyz/db?verbose',
      200, '[+]db ok\nreadyz check passed\n'],
    ['/readyz/shutdown',
      200, 'ok'],
    ['/readyz/cache',
      404, 'no check of this name belongs to readyz\n'],
    ['/readyz/%0A',
      404, 'no check of this name belongs to readyz\n'],
    ['/startupz',
      503, '[+]started ok\n[-]cache failed: reason withheld\nstartupz check failed\n'],
    ['/startupz/cache',
      503, '[-]cache failed: reason withheld\nstartupz check failed\n'],
    ['/startupz?exclude=cache',
      200, 'ok'],
    ['/startupz/cache?exclude=cache',
      503, '[-]cache failed: reason withheld\nstartupz check failed\n'],
    ['/livez',
      503, '[+]ping ok\n[-]cache failed: reason withheld\nlivez check failed\n'],
    ['/livez/ping',
      200, 'ok'],
    ['/livez/db',
      404, 'no check of this name belongs to livez\n']
  ]
  for (const [url, statusCode, body] of rows) {
    const response = await app.inject(url)
    t.strictSame([response.statusCode, response.body], [statusCode, body], url)
    t.match(
      response.headers,
      { 'content-type': text, 'x-content-type-options': 'nosniff', 'cache-control': 'no-store', vary: 'accept' },
      `${url}: headers`
    )
    const head = await app.inject({ url, method: 'HEAD' })
    t.strictSame(
      [head.statusCode, head.body, head.headers['content-length']],
      [statusCode, '', `${body.length}`],
      `HEAD ${url}`
    )
  }
  holds.add('pw=hunter2')
  world.announced = true
  world.pressure = true
  t.equal((await app.inject('/readyz')).body, '[+]started ok\n[-]shutdown failed: reason withheld\n'
    + '[-]hold failed: reason withheld\n[-]pressure failed: reason withheld\n[+]db ok\nreadyz check failed\n')
})

// Scenario, too: Bodies, codes and headers; with details and without (terminus)
t.test('details where they are exposed', async (t) => {
  const { app, health, holds, world } = makeApp(t, { expose: true })
  health.addCheck('db', () => { throw new Error('no route\r\n[+]forged ok') })
  holds.add('migrations')
  holds.add('by hand')
  world.announced = true
  t.equal((await app.inject('/readyz')).body, '[+]started ok\n[-]shutdown failed: process is shutting down\n'
    + '[-]hold failed: migrations, by hand\n[-]db failed: no route [+]forged ok\nreadyz check failed\n')
  health.addCheck('silent', () => { throw new Error('') })
  t.equal((await app.inject('/readyz/silent')).body, '[-]silent failed: no reason given\nreadyz check failed\n')
  const { checks } = (await app.inject({ url: '/readyz', headers: { accept: 'application/json' } })).json()
  t.equal(checks.db[0].output, 'no route\r\n[+]forged ok')
})

// Scenario, too: Bodies, codes and headers; with details and without (terminus)
t.test('application/health+json', async (t) => {
  const { app, health, clock } = makeApp(t)
  health.addCheck('db', () => true)
  health.addCheck('cache', () => { throw new Error('secret.internal:6379 refused') })
  health.addCheck('__proto__', () => true)
  await health.verdict('readiness')
  await clock.pass(500)
  const get = async (url: string, accept: string): Promise<LightMyRequestResponse> =>
    app.inject({ url, headers: { accept } })
  const failed = await get('/readyz?exclude=db&exclude=x', 'application/health+json')
  t.equal(failed.statusCode, 503)
  t.equal(failed.headers['content-type'], 'application/health+json; charset=utf-8')
  t.match(failed.headers, { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
  const now = new Date(Date.UTC(2026, 0, 1) + 1500).toISOString()
  const then = new Date(Date.UTC(2026, 0, 1) + 1000).toISOString()
  const passing = { status: 'pass', observedValue: 0, observedUnit: 'ms' }
  t.strictSame(JSON.parse(failed.body), {
    status: 'fail',
    checks: Object.fromEntries([
      ['started', [{ ...passing, time: now }]],
      ['shutdown', [{ ...passing, time: now }]],
      ['hold', [{ ...passing, time: now }]],
      ['db', [{ status: 'pass', excluded: true }]],
      ['cache', [{ ...passing, status: 'fail', time: then, output: 'reason withheld' }]],
      ['__proto__', [{ ...passing, time: then }]]
    ]),
    notes: ['some health checks cannot be excluded: no matches for "x"']
  })
  const passed = await get('/livez', 'application/json')
  t.equal(passed.statusCode, 200)
  t.equal(passed.headers['content-type'], 'application/json; charset=utf-8')
  t.match(passed.json(), { status: 'pass', checks: { ping: [{ status: 'pass' }] }, notes: undefined })
  t.equal((await get('/readyz/nope', 'application/json')).statusCode, 404)
})

t.test('which form an Accept header asks for', async (t) => {
  const rows: Array<[string | undefined, string]> = [
    [undefined, 'text/plain'],
    ['', 'text/plain'],
    ['*/*', 'text/plain'],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'text/plain'],
    ['application/json', 'application/json'],
    ['application/json, text/plain, */*', 'application/json'],
    ['text/plain, application/json', 'text/plain'],
    ['text/plain;q=0.4, Application/JSON ; Q=0.5', 'application/json'],
    ['application/json;q=0.5, application/health+json', 'application/health+json'],
    ['application/health+json;charset=utf-8', 'application/health+json'],
    ['application/json;q=0', 'text/plain'],
    ['application/json;q=nonsense', 'text/plain'],
    [',;,;q=,application/json;;', 'application/json']
  ]
  for (const [accept, expected] of rows) t.equal(negotiate(accept), expected, accept ?? 'none')
})

t.test('odd query strings', async (t) => {
  const { app } = makeApp(t)
  const rows = [
    '?', '?&&&', '?=', '?exclude', '?exclude=', '?exclude[]=a', '?exclude[__proto__]=a', '?__proto__=1', '?exclude=%zz',
    '?exclude=%00', '?exclude=%C3%28', '?exclude=%F0%9F%92%A9', '?a?b?verbose', `?exclude=${'x'.repeat(5000)}`,
    `?${'exclude=y&'.repeat(1000)}`, '?constructor=1&toString=2&exclude=constructor', '#verbose'
  ]
  for (const query of rows) {
    const response = await app.inject(`/readyz${query}`)
    t.equal(response.statusCode, 200, query.slice(0, 40))
    t.equal(response.body, 'ok')
  }
  for (const query of ['?verbose=%', '?verbose&verbose&verbose[]=1', '?%76erbose']) {
    t.match((await app.inject(`/readyz${query}`)).body, /readyz check passed\n$/, query)
  }
})

t.test('the application around the probes', async (t) => {
  t.test(
    'a parser, serializers, a schema compiler and switched off HEAD routes of the application change nothing',
    async (t) => {
      const { app } = makeApp(t, {
        fastify: {
          exposeHeadRoutes: false,
          routerOptions: { querystringParser: () => ({ verbose: 'x', exclude: 'shutdown' }) }
        }
      })
      app.setReplySerializer(() => 'mine')
      app.setValidatorCompiler(() => () => { throw new Error('not here') })
      app.addHook('preSerialization', async () => ({ wrapped: true }))
      t.equal((await app.inject('/readyz')).body, 'ok')
      t.match(
        (await app.inject({ url: '/readyz', headers: { accept: 'application/json' } })).json(),
        { status: 'pass' }
      )
      t.equal((await app.inject({ url: '/readyz', method: 'HEAD' })).statusCode, 200)
    }
  )

  t.test('the prefix of a parent plugin does not apply, the option does', async (t) => {
    const app = Fastify()
    t.teardown(async () => app.close())
    const { health } = makeHealth()
    app.register(async (child) => {
      child.register(fp(async () => { registerProbes(app, health, { prefix: '/internal', expose: false }, {}) }))
    }, { prefix: '/api' })
    t.equal((await app.inject('/internal/readyz')).statusCode, 200)
    t.equal((await app.inject('/api/internal/readyz')).statusCode, 404)
    t.equal((await app.inject('/readyz')).statusCode, 404)
  })

  t.test('config and log level of the routes', async (t) => {
    const seen: Array<{ url: string, config: object, schema: unknown, logLevel: string | undefined }> = []
    const app = Fastify()
    t.teardown(async () => app.close())
    app.addHook('onRoute', ({ url, config, schema, logLevel }) => {
      seen.push({ url, config: { ...config }, schema: { hide: (schema as { hide?: boolean }).hide }, logLevel })
    })
    const config = Object.freeze({ graceful: { traffic: false }, rateLimit: false })
    registerProbes(
      app,
      makeHealth().health,
      { prefix: '', expose: false, external: { path: '/out', status: 200, leaving: () => false } },
      config
    )
    const urls = [...['livez', 'readyz', 'startupz'].flatMap((probe) => [`/${probe}`, `/${probe}/:check`]), '/out']
    t.strictSame(seen, urls.map((url) => ({ url, config: { ...config }, schema: { hide: true }, logLevel: 'silent' })))
  })

  // Scenario (Logs): Probes write no lines
  t.test('probes write no log lines', async (t) => {
    const lines: string[] = []
    const { app } = makeApp(t, {
      fastify: { logger: { level: 'trace', stream: { write (line: string) { lines.push(line) } } } }
    })
    app.get('/mine', async () => 'mine')
    await app.inject('/readyz')
    t.strictSame(lines.filter((line) => line.includes('readyz')), [])
    await app.inject('/mine')
    t.ok(lines.some((line) => line.includes('/mine')))
  })

  t.test('a probe route of the application is Fastify\'s own error at boot', async (t) => {
    const { health } = makeHealth()
    for (const [name, order] of [['declared before', true], ['declared after', false]] as const) {
      const app = Fastify()
      t.teardown(async () => app.close())
      const plugin = fp(async () => { registerProbes(app, health, { prefix: '', expose: false }, {}) })
      const declare = fp(async () => { app.get('/readyz', async () => 'mine') })
      app.register(order ? declare : plugin)
      app.register(order ? plugin : declare)
      await t.rejects(
        async () => { await app.ready() },
        { ...fastifyMinor >= 5 && { code: 'FST_ERR_DUPLICATED_ROUTE' }, message: /'\/readyz'/ },
        name
      )
    }
  })
})

t.test('what lightship, graceful-server and terminus test', async (t) => {
  // Scenario (Health): Not ready at first, by GET and HEAD; live all the same (lightship, graceful-server)
  t.test('lightship: not ready at first, for GET and HEAD', async (t) => {
    const { app, world } = makeApp(t)
    world.started = false
    for (const method of ['GET', 'HEAD'] as const) {
      t.equal((await app.inject({ url: '/readyz', method })).statusCode, 503)
      t.equal((await app.inject({ url: '/livez', method })).statusCode, 200)
    }
  })

  // Scenario (Health): Readiness is flipped, several times, by several holders (lightship)
  t.test(
    'lightship: signals flip readiness, the same one many times changes nothing, and every holder counts',
    async (t) => {
      const { app, holds } = makeApp(t)
      const status = async (): Promise<number> => (await app.inject('/readyz')).statusCode
      const first = holds.add('blocking task')
      const second = holds.add('blocking task')
      t.equal(await status(), 503)
      first.release()
      first.release()
      t.equal(await status(), 503)
      second.release()
      t.equal(await status(), 200)
    }
  )

  // Scenario (Health): The end fails readiness, liveness stays good (terminus, graceful-server)
  t.test('lightship, terminus: a shutdown fails readiness, liveness stays good', async (t) => {
    const { app, world } = makeApp(t)
    world.announced = true
    t.equal((await app.inject('/readyz')).statusCode, 503)
    t.equal((await app.inject('/livez')).statusCode, 200)
    t.equal((await app.inject('/startupz')).statusCode, 200)
  })

  // Scenario (Health): Other methods and paths are the application's (graceful-server, terminus)
  t.test('graceful-server: other methods and paths go to the application', async (t) => {
    const { app } = makeApp(t)
    app.post('/readyz', async () => 'mine')
    app.get('/', async () => 'mine too')
    app.get('/readyzz', async () => 'and mine')
    t.equal((await app.inject({ url: '/readyz', method: 'POST' })).body, 'mine')
    t.equal((await app.inject('/')).body, 'mine too')
    t.equal((await app.inject('/readyzz')).body, 'and mine')
    t.equal((await app.inject({ url: '/livez', method: 'POST' })).statusCode, 404)
    t.equal((await app.inject('/unknown')).statusCode, 404)
  })

  // Scenario (Health): Letter case as in the application's own routes (terminus)
  t.test('terminus: case matters as it does to the application', async (t) => {
    const { app } = makeApp(t)
    t.equal((await app.inject('/READYZ')).statusCode, 404)
    const { app: careless } = makeApp(t, { fastify: fastifyMinor < 5 ? { caseSensitive: false } : { routerOptions: { caseSensitive: false } } })
    t.equal((await careless.inject('/READYZ')).statusCode, 200)
  })

  // Scenario (Health): Never two replies to one probe, and no stack (terminus)
  t.test('terminus: never two responses, and no stack', async (t) => {
    const { app, health } = makeApp(t, { expose: true })
    for (let index = 0; index < 5; index++) {
      health.addCheck(`bad ${index}`, async () => { throw new Error(`cause ${index}`) })
    }
    let errors = 0
    app.addHook('onError', async () => { errors++ })
    const response = await app.inject('/readyz')
    t.equal(response.statusCode, 503)
    t.equal(response.body.match(/readyz check failed/g)?.length, 1)
    t.match(response.body, '[-]bad 4 failed: cause 4\n')
    t.notMatch(response.body, /at .*\.ts/)
    t.equal(errors, 0)
    t.equal((await app.inject('/readyz/bad%203')).body, '[-]bad 3 failed: cause 3\nreadyz check failed\n')
  })
})

t.test('over real sockets', async (t) => {
  t.test('HTTP/1.1, as a kubelet asks', async (t) => {
    const { app, health } = makeApp(t)
    health.addCheck('db', () => false)
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as AddressInfo
    const ask = async (
      path: string,
      method = 'GET'
    ): Promise<[number | undefined, string]> => new Promise((resolve, reject) => {
      httpRequest({
        port,
        path,
        method,
        agent: false,
        headers: { 'user-agent': 'kube-probe/1.33', accept: '*/*', connection: 'close' }
      }, (response: IncomingMessage) => {
        let body = ''
        response.setEncoding('utf8').on('data', (chunk: string) => { body += chunk })
          .on('end', () => resolve([response.statusCode, body]))
      }).on('error', reject).end()
    })
    t.strictSame(await ask('/livez'), [200, 'ok'])
    t.strictSame(await ask('/readyz'), [
      503,
      '[+]started ok\n[+]shutdown ok\n[+]hold ok\n[-]db failed: reason withheld\nreadyz check failed\n'
    ])
    t.strictSame(await ask('/readyz', 'HEAD'), [503, ''])
    t.strictSame(
      await ask('/readyz/%zz'),
      [400, (await app.inject('/readyz/%zz')).body],
      'a path that cannot be decoded is Fastify\'s'
    )
  })

  t.test('HTTP/2', async (t) => {
    const app = Fastify({ http2: true })
    registerProbes(app as never, makeHealth().health, { prefix: '', expose: false }, {})
    await app.listen({ port: 0, host: '127.0.0.1' })
    const session = connect(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`)
    t.teardown(async () => {
      session.destroy()
      await app.close()
    })
    for (const [method, expected] of [['GET', 'ok'], ['HEAD', '']] as const) {
      const stream = session.request({ ':path': '/readyz', ':method': method })
      let body = ''
      let status: number | undefined
      stream.setEncoding('utf8').on('response', (headers) => { status = headers[':status'] })
        .on('data', (chunk: string) => { body += chunk })
      await new Promise((resolve, reject) => { stream.on('end', resolve).on('error', reject).end() })
      t.strictSame([status, body], [200, expected], method)
    }
  })

  t.test('a dependency that hangs holds a probe no longer than its timeout', async (t) => {
    const dependency = createServer(() => {})
    await new Promise<void>((resolve) => { dependency.listen(0, '127.0.0.1', resolve) })
    const { port } = dependency.address() as AddressInfo
    const real = makeHealth({
      now: () => performance.now(),
      after: (delay, callback) => { const timer = setTimeout(callback, delay); return () => clearTimeout(timer) }
    })
    const app = Fastify()
    registerProbes(app, real.health, { prefix: '', expose: true }, {})
    t.teardown(async () => {
      dependency.closeAllConnections()
      dependency.close()
      await app.close()
    })
    let asked = 0
    real.health.addCheck(
      'dependency',
      async ({ signal }) => { asked++; await fetch(`http://127.0.0.1:${port}`, { signal }) },
      { timeout: 150 }
    )
    const watch = new Stopwatch(process.pid)
    const answers = await Promise.all(Array.from({ length: 20 }, async () => app.inject('/readyz')))
    inTime(t, watch.stop(), [145, 2000])
    t.ok(answers.every((answer) => answer.body.includes('[-]dependency failed: did not answer within 150 ms\n')))
    t.equal(asked, 1)
  })
})
