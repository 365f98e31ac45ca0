import { execFile } from 'node:child_process'
import { constants } from 'node:os'
import { mock } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import graceful, { errors, fastifyGraceful, phases } from '../lib/index.ts'
import type { Report } from '../lib/index.ts'
import { bind, build, Client, fastifyMinor, until } from './support/app.ts'
import { inTime, Stopwatch } from './support/stopwatch.ts'

type Loose = any // oxlint-disable-line typescript/no-explicit-any -- wrong arguments are the subject

/** A promise and what settles it. */
function gate (): { promise: Promise<void>, open: () => void } {
  let open!: () => void
  const promise = new Promise<void>((resolve) => { open = resolve })
  return { promise, open }
}

const action = (): void => {}

/** The report of an application that ends by whatever begins the end. */
const reportOf = async (app: FastifyInstance): Promise<Report> => app.graceful.shutdown()

const codeOf = async (act: () => unknown): Promise<string | undefined> => {
  try {
    await act()
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
  return undefined
}

t.test('registration', async (t) => {
  t.test('decorates the root instance', async (t) => {
    const app = build()
    t.teardown(() => app.close())
    t.equal(app.hasDecorator('graceful'), false)
    await app.ready()
    t.equal(app.hasPlugin('fastify-graceful'), true)
    t.equal(app.graceful.phase, 'running')
    t.equal(graceful, fastifyGraceful)
    t.equal(graceful[Symbol.for('plugin-meta') as never]['name'], 'fastify-graceful')
  })

  t.test('happens once', async (t) => {
    const app = build()
    app.register(graceful, { exit: false })
    await t.rejects(async () => app.ready(), {
      code: 'FST_GRACEFUL_ALREADY_REGISTERED',
      message: /one registration per root instance, got a second one/
    })
    await app.close()

    const nested = build()
    nested.register(async (child) => { child.register(graceful, { exit: false }) })
    await t.rejects(async () => nested.ready(), { code: 'FST_GRACEFUL_ALREADY_REGISTERED' })
    await nested.close()
  })

  t.test('happens before the application is ready', async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.ready()
    await t.rejects(
      Promise.resolve(graceful(app, { exit: false })),
      { code: 'FST_GRACEFUL_TOO_LATE', message: /got an application that has already booted/ }
    )
    t.equal(await codeOf(() => app.register(graceful)), 'AVV_ERR_ROOT_PLG_BOOTED', 'what register says itself')
    await bind(app)
    await t.rejects(Promise.resolve(graceful(app, { exit: false })), { code: 'FST_GRACEFUL_TOO_LATE' })
    t.equal(app.hasDecorator('graceful'), false)
  })

  // Scenario (Boot): A start that fails: its error comes through, and nothing stays behind (exiting)
  t.test('with wrong options fails boot, and leaves nothing behind', async (t) => {
    const before = process.listenerCount('SIGTERM')
    const app = build({ gracePeriod: 5 })
    await t.rejects(async () => app.ready(), {
      code: 'FST_GRACEFUL_INVALID_OPTION',
      message: /'gracePeriod' must be a number of milliseconds from 1000/
    })
    await app.close()
    t.equal(process.listenerCount('SIGTERM'), before)
  })

  t.test('in a nested plugin with a prefix covers the whole application', async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    const seen: Record<string, string[]> = {}
    const see = (name: string) => async (): Promise<string> => {
      seen[name] = app.graceful.status().requests.map(({ route }) => `${route}`)
      return name
    }
    app.get('/before', see('before'))
    app.register(async (child) => {
      child.register(graceful, { exit: false })
      child.get('/inside', see('inside'))
    }, { prefix: '/api' })
    app.register(async (sibling) => { sibling.get('/beside', see('beside')) })
    t.equal((await app.inject('/livez')).statusCode, 200)
    t.equal((await app.inject('/-/status')).statusCode, 200)
    t.equal((await app.inject('/api/livez')).statusCode, 404, "the plugin's prefix does not apply")
    t.equal((await app.inject('/api/-/status')).statusCode, 404)
    const port = await bind(app)
    for (const path of ['/before', '/api/inside', '/beside']) {
      t.equal((await fetch(`http://127.0.0.1:${port}${path}`)).status, 200)
    }
    t.same(seen, { before: ['/before'], inside: ['/api/inside'], beside: ['/beside'] })
  })

  t.test('may be awaited or not, and be imported by register', async (t) => {
    for (const register of [
      async (app: FastifyInstance) => { await app.register(graceful, { exit: false }) },
      async (app: FastifyInstance) => { app.register(graceful, { exit: false }) },
      async (app: FastifyInstance) => { app.register(import('../lib/index.ts'), { exit: false }) },
      async (app: FastifyInstance) => { await app.register(import('../lib/index.ts'), { exit: false }) }
    ]) {
      const app = Fastify()
      await register(app)
      app.get('/', async () => 'hello')
      t.equal((await app.inject('/')).body, 'hello')
      t.equal(app.graceful.phase, 'running')
      t.equal((await reportOf(app)).verdict, 'clean')
    }
  })

  t.test('works through require, under each of its names', async (t) => {
    const folder = t.testdir({
      'app.cjs': `
        const graceful = require('fastify-graceful')
        const { fastifyGraceful, default: byDefault } = graceful
        const app = require('fastify')()
        app.register(graceful, { exit: false })
        app.get('/', async () => app.graceful.phase)
        app.inject('/').then(async ({ body }) => {
          const { verdict } = await app.graceful.shutdown()
          console.log(JSON.stringify({
            body, verdict, type: typeof graceful, same: fastifyGraceful === graceful && byDefault === graceful,
            phases: graceful.phases, code: new graceful.errors.FST_GRACEFUL_TOO_LATE().code
          }))
        })
      `
    })
    const { NODE_OPTIONS: _options, NODE_V8_COVERAGE: _coverage, ...env } = process.env
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [`${folder}/app.cjs`], { env })
    t.same(
      JSON.parse(stdout),
      { body: 'running', verdict: 'clean', type: 'function', same: true, phases, code: 'FST_GRACEFUL_TOO_LATE' }
    )
    t.equal(stderr, '', 'and without a warning')
  })

  t.test('speaks through the logger there is', async (t) => {
    const lines: Array<Record<string, unknown>> = []
    const app = build({}, {
      logger: { level: 'info', stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } }
    })
    await bind(app)
    await reportOf(app)
    t.same(
      lines
        .filter(({ event }) => event === 'graceful.phase')
        .map(({ previous, phase, reason }) => [previous, phase, reason].join(' ')),
      [
        'running announcing shutdown()', 'announcing closing shutdown()',
        'closing draining shutdown()', 'draining terminated shutdown()'
      ]
    )
    await until(() => lines.some(({ event }) => event === 'graceful.report'))
    t.match(lines.find(({ event }) => event === 'graceful.report'), {
      level: 30,
      report: { verdict: 'clean', kind: 'shutdown' },
      msg: /^fastify-graceful: shutdown by shutdown\(\) in \d+ ms, nothing cut$/
    })
    t.ok(
      lines.some(({ msg }) => /drain, .*undrain and .*prestop are not registered/.test(String(msg))),
      'and says at boot what is not there'
    )
  })
})

/** `app.graceful` of an application that is closed with the test. */
const face = async (t: Test): Promise<FastifyInstance['graceful']> => {
  const app = build()
  t.teardown(() => app.close())
  await app.ready()
  return app.graceful
}

t.test('app.graceful', async (t) => {
  // Scenario (Signals and exit): The application is asked for its phase during the end (close-with-grace, terminus)
  t.test('tells where the service is', async (t) => {
    const app = build({ gracePeriod: 10_000 })
    await app.ready()
    const { graceful } = app
    t.equal(graceful.phase, 'running')
    t.same(graceful.phases, phases)
    t.equal(graceful.deadline, undefined)
    t.equal(graceful.signal.aborted, false)
    const seen: Array<[string, boolean]> = []
    for (const phase of phases.slice(1)) {
      graceful.addHook(phase as 'closing', () => { seen.push([graceful.phase, graceful.signal.aborted]) })
    }
    const watch = new Stopwatch(process.pid)
    const at = Date.now()
    const shutdown = graceful.shutdown({ reason: 'test' })
    const left = graceful.deadline! - at
    inTime(t, { time: Math.abs(left - (10_000 - 1000 - 1666)), late: watch.stop().late }, [0, 100])
    const report = await shutdown
    t.same(seen, [['announcing', false], ['closing', false], ['draining', true], ['terminated', true]])
    t.match(graceful.signal.reason, { name: 'AbortError', message: 'The service is draining' })
    t.match(report, { kind: 'shutdown', reason: 'test', verdict: 'clean', exitCode: 0, gracePeriod: 10_000 })
    t.equal(graceful.phase, 'terminated')
    t.equal(graceful.status().report, report)
  })

  t.test('its properties are not for writing', async (t) => {
    const graceful = await face(t) as Loose
    t.throws(() => { graceful.phase = 'draining' }, TypeError)
    t.throws(() => { graceful.deadline = 5 }, TypeError)
    t.equal(graceful.phase, 'running')
  })

  // Scenario, too: Several calls share one end (http-graceful-shutdown, lightship)
  t.test('shutdown is joined by later callers', async (t) => {
    const graceful = await face(t)
    const [first, second] = await Promise.all([
      graceful.shutdown({ reason: 'first', exitCode: 3 }),
      graceful.shutdown({ reason: 'second', exitCode: 4 })
    ])
    t.equal(first, second)
    t.match(first, { reason: 'first', exitCode: 3 })
    t.equal(await graceful.shutdown(), first)
  })

  t.test('refuses wrong arguments with coded errors, and does nothing', async (t) => {
    const graceful = await face(t) as Loose
    for (const [name, parameters, message, code = 'FST_GRACEFUL_INVALID_ARGUMENT'] of [
      ['shutdown', ['SIGTERM'], /options of 'shutdown' must be an object, got "SIGTERM" \(string\)/],
      ['shutdown', [null], /options of 'shutdown' must be an object, got null/],
      ['shutdown', [{ reason: '' }], /reason given to 'shutdown' must be a non-empty string/],
      ['shutdown', [{ reason: 5 }], /reason given to 'shutdown'.*got 5 \(number\)/],
      ['shutdown', [{ exitCode: 256 }], /exitCode given to 'shutdown' must be an integer from 0 to 255, got 256/],
      ['shutdown', [{ exitCode: -1 }], /got -1/],
      ['shutdown', [{ exitCode: '1' }], /got "1" \(string\)/],
      ['shutdown', [[]], /options of 'shutdown' must be an object, got \[\]/],
      [
        'shutdown',
        [{ reason: 'x', exitcode: 1 }],
        /unknown option 'exitcode' of 'shutdown', expected one of: reason, exitCode$/,
        'FST_GRACEFUL_UNKNOWN_OPTION'
      ],
      [
        'addHook',
        ['closing', action, { timeOut: 5 }],
        /unknown option 'timeOut' of 'addHook', expected one of: name, timeout$/,
        'FST_GRACEFUL_UNKNOWN_OPTION'
      ],
      [
        'waitUntil',
        [Promise.resolve(), { title: 'mail' }],
        /unknown option 'title' of 'waitUntil', expected one of: name, socket$/,
        'FST_GRACEFUL_UNKNOWN_OPTION'
      ],
      ['stall', ['', action], /name of a participant/],
      ['stall', ['x'], /participant 'x' must be a function/],
      ['addHook', ['running', action], /phase of a hook/],
      ['addHook', ['closing', 5], /handler of a hook for 'closing' must be a function/],
      ['addHook', ['closing', action, { timeout: 0 }], /timeout of hook/],
      ['waitUntil', [action], /work given to 'waitUntil' must be a promise/],
      ['waitUntil', [Promise.resolve(), { name: '' }], /name of work given to 'waitUntil'/],
      ['hold', [], /reason given to 'hold' must be a non-empty string, got undefined/],
      ['addCheck', ['', action], /name of a check/],
      ['addCheck', ['a/b', action], /without '\/'/],
      ['addCheck', ['x'], /check.*function/],
      ['addCheck', ['x', action, { kinds: [] }], /'kinds' of check 'x'/],
      ['addCheck', ['x', action, { every: 5 }], /every/, 'FST_GRACEFUL_UNKNOWN_OPTION'],
      ['addCheck', ['taken', action], /'taken' exists already/, 'FST_GRACEFUL_DUPLICATE_CHECK']
    ] as Array<[string, unknown[], RegExp, string?]>) {
      if (code === 'FST_GRACEFUL_DUPLICATE_CHECK') graceful.addCheck('taken', action)
      t.throws(() => graceful[name](...parameters), { code, message }, `${name} ${message}`)
    }
    t.equal(graceful.phase, 'running')
    t.match(graceful.status(), { participants: [], work: [], holds: [] })
  })

  t.test('takes back what was added, with `using` too', async (t) => {
    const { graceful } = { graceful: await face(t) }
    const readiness = (): boolean => graceful.status().ready
    await until(readiness)
    const added = [
      graceful.hold('warming up'),
      graceful.stall('queue', () => true),
      graceful.addHook('closing', () => { t.fail('removed') }),
      graceful.addCheck('db', () => true)
    ]
    t.match(
      graceful.status(),
      { holds: ['warming up'], participants: [{ name: 'queue' }], checks: [{ name: 'db' }], ready: false }
    )
    for (const disposable of added) {
      t.type(disposable[Symbol.dispose], 'function')
      disposable[Symbol.dispose]()
      disposable[Symbol.dispose]()
    }
    t.match(graceful.status(), { holds: [], participants: [], checks: [], ready: true })
    graceful.hold('x').release()
    graceful.stall('x', () => true).remove()
    graceful.addHook('closing', () => { t.fail('removed') }).remove()
    graceful.addCheck('x', () => false).remove()
    t.match(await graceful.shutdown(), { verdict: 'clean', cut: { waiting: [] } })
  })

  t.test('stalls, hooks and background work hold the end, and the status tells who', async (t) => {
    const graceful = await face(t)
    const [participant, hook, work] = [gate(), gate(), gate()]
    let busy = true
    void participant.promise.then(() => { busy = false })
    graceful.stall('queue', (phase) => phase === 'draining' && busy && '3 jobs')
    graceful.addHook('draining', () => hook.promise, { name: 'flush' })
    graceful.waitUntil(work.promise, { name: 'mail' })
    const shutdown = graceful.shutdown()
    await until(() => graceful.status().participants.some(({ name }) => name === 'mail'))
    t.same(graceful.status().participants, [
      { name: 'queue', reason: '3 jobs' }, { name: 'flush', reason: "hook of phase 'draining' is running" },
      { name: 'mail', reason: 'background work is running' }
    ])
    t.same(graceful.status().work, ['mail'])
    t.equal(graceful.phase, 'draining')
    for (const { open } of [participant, hook, work]) open()
    t.match(await shutdown, { verdict: 'clean', exitCode: 0 })
  })

  t.test('status has one shape in every phase', async (t) => {
    const app = build({ platform: false, admin: { token: 'a-token-of-enough-length' } })
    const keys = ('phase number since ready started deadline shutdown holds inFlight requests connections participants '
      + 'checks pressure budget platform traffic work watchdog report versions').split(' ')
    await app.ready()
    for (const phase of phases.slice(1)) {
      app.graceful.addHook(phase as 'closing', () => { t.same(Object.keys(app.graceful.status()), keys, phase) })
    }
    const status = app.graceful.status()
    t.same(Object.keys(status), keys)
    t.match(status, {
      phase: 'running',
      number: 0,
      started: true,
      deadline: undefined,
      connections: { open: 0, busy: 0, idle: 0, upgraded: 0, sessions: 0 },
      budget: { gracePeriod: 30_000 },
      traffic: { rate: 0, arrivals: 0, evidence: undefined },
      report: undefined
    })
    t.match(status.versions, { package: /^\d+\.\d+\.\d+/, node: process.version, fastify: app.version })
    t.same(
      Object.keys((await app.inject('/-/status')).json()),
      ['phase', 'number', 'since', 'ready', 'access'],
      'anyone gets the phase and nothing else'
    )
    const whole = (await app.inject({
      url: '/-/status',
      headers: { authorization: 'Bearer a-token-of-enough-length' }
    })).json() as object
    t.same(Object.keys(whole), [
      ...keys.filter((key) => !['deadline', 'shutdown', 'pressure', 'platform', 'watchdog', 'report'].includes(key)),
      'access'
    ], 'whoever is authorised gets the whole')
    const { report } = (await reportOf(app), app.graceful.status())
    t.same(JSON.parse(JSON.stringify(report)).phases.map(({ phase }: { phase: string }) => phase), phases.slice(1))
    t.equal(app.graceful.status().phase, 'terminated')
  })
})

t.test('request.drainSignal', async (t) => {
  const app = build({ drain: { idle: 0 } })
  const held = gate()
  let signal: AbortSignal | undefined
  let late: AbortSignal | undefined
  app.get('/stream', async (request) => {
    t.equal(request.drainSignal, request.drainSignal, 'made once')
    signal = request.drainSignal
    await new Promise<void>((resolve) => { signal?.addEventListener('abort', () => resolve()) })
    return 'ended when told'
  })
  app.get('/held', async () => {
    await held.promise
    return 'served'
  })
  app.get('/late', async (request) => {
    late = request.drainSignal
    return `${late.aborted}`
  })
  const port = await bind(app)
  const [stream, holder, other] = await Promise.all([Client.open(port), Client.open(port), Client.open(port)])
  stream.get('/stream')
  holder.get('/held')
  await until(() => signal !== undefined && app.graceful.status().requests.length === 2)
  t.match(
    app.graceful.status().requests.map(({ route, kind }) => `${route} ${kind}`).toSorted(),
    ['/held request', '/stream stream']
  )
  t.equal(signal?.aborted, false)
  const shutdown = app.graceful.shutdown()
  await until(() => app.graceful.phase === 'draining')
  // In the kernel before the listener closed, or on a connection that is not idle for long enough.
  other.get('/late')
  t.match(await stream.answers(1), [200])
  t.match(stream.text, /ended when told/)
  t.match(signal?.reason, { name: 'AbortError' })
  held.open()
  t.match(await holder.answers(1), [200])
  if (late !== undefined) t.equal(late.aborted, true, 'a request that comes while draining has no time')
  t.match(await shutdown, { verdict: 'clean', cut: { requests: [], streams: 0 } })
})

/** What a call of `close` comes to, on an application with and without the plugin. */
const outcomes = async (given: {
  failing: boolean,
  close: (app: FastifyInstance) => Promise<unknown>
}): Promise<unknown[]> => Promise.all([true, false].map(async (ours) => {
  const app = ours ? build() : Fastify()
  const error = new Error('pool')
  const log: string[] = []
  app.addHook('onClose', async () => {
    log.push('onClose')
    if (given.failing) throw error
  })
  await app.ready()
  try {
    return { log, answer: await given.close(app) }
  } catch (thrown) {
    return { log, thrown: thrown === error ? 'that very error' : thrown }
  }
}))

t.test('close', async (t) => {
  const callbacks: Record<string, (app: FastifyInstance) => Promise<unknown>> = {
    'a callback without arguments': (app) => new Promise((resolve) => { app.close(() => resolve('called')) }),
    'a callback with 1 argument': (app) => new Promise((resolve) => {
      app.close(((error: unknown) => resolve(String(error))) as Loose)
    }),
    'a callback with 2 arguments': (app) => new Promise((resolve) => {
      app.close(((error: unknown, done: () => void) => {
        done()
        resolve(String(error))
      }) as Loose)
    }),
    'a callback with 3 arguments': (app) => new Promise((resolve) => {
      app.close(((error: unknown, context: unknown, done: () => void) => {
        done()
        resolve([String(error), context === app])
      }) as Loose)
    })
  }

  for (const failing of [false, true]) {
    for (const [name, close] of Object.entries({
      'a promise': async (app: FastifyInstance): Promise<unknown> => app.close(),
      ...callbacks,
      'Symbol.asyncDispose': async (app: FastifyInstance): Promise<unknown> => app[Symbol.asyncDispose](),
      twice: async (app: FastifyInstance): Promise<unknown> => {
        await app.close()
        return app.close()
      },
      concurrently: async (app: FastifyInstance): Promise<unknown> =>
        Promise.all([app.close(), app.close(), app.close()])
    })) {
      t.test(`${name}, ${failing ? 'with an onClose hook that rejects' : 'plain'}: as Fastify does`, async (t) => {
        const [ours, theirs] = await outcomes({ failing, close })
        t.same(ours, theirs)
        if (failing && name === 'a promise') t.match(ours, { thrown: 'that very error' })
      })
    }
  }

  t.test('refuses what is no callback, as Fastify does', async (t) => {
    for (const app of [Fastify(), build()]) {
      await app.ready()
      t.throws(() => (app as Loose).close(5), { code: 'AVV_ERR_CALLBACK_NOT_FN' })
      await app.close()
    }
  })

  // Scenario (Signals and exit): The application is closed without an exit (exiting)
  t.test('runs the phases 2 to 4, does not exit, and is no shutdown', async (t) => {
    const app = build({ exit: true, announce: { min: 1500, max: 2000 } })
    const entered: string[] = []
    await app.ready()
    for (const phase of phases.slice(1)) {
      app.graceful.addHook(phase as 'closing', ({ reason }) => { entered.push(`${phase} ${reason}`) })
    }
    const watch = new Stopwatch(process.pid)
    await app.close()
    inTime(t, watch.stop(), [0, 1500], 'nothing is announced:')
    t.same(entered, ['closing app.close()', 'draining app.close()', 'terminated app.close()'])
    t.match(app.graceful.status().report, { kind: 'close', reason: 'app.close()', verdict: 'clean', exitCode: 0 })
    await new Promise((resolve) => { setImmediate(resolve) })
    t.pass('the process is still there')
  })

  t.test('serves what is in flight to its end, and answers nobody with 503', async (t) => {
    const app = build({ drain: { idle: 5000 } })
    const held = gate()
    const order: string[] = []
    app.get('/held', async () => {
      await held.promise
      order.push('served')
      return 'served'
    })
    app.get('/quick', async () => 'quick')
    app.addHook('onClose', async () => { order.push('onClose') })
    const port = await bind(app)
    const [slow, idle] = await Promise.all([Client.open(port), Client.open(port)])
    idle.get('/quick')
    t.same(await idle.answers(1), [200])
    slow.get('/held')
    await until(() => app.graceful.status().requests.length === 1)
    const closing = app.close()
    await until(() => app.graceful.phase === 'draining')
    idle.get('/quick')
    t.same(await idle.answers(2), [200, 200], 'on a connection that was open')
    const refused = new Client(port)
    await refused.closed
    t.equal(refused.error?.code, 'ECONNREFUSED')
    held.open()
    t.same(await slow.answers(1), [200])
    await closing
    t.same(order, ['served', 'onClose'])
    t.match(app.graceful.status().report, { kind: 'close', verdict: 'clean' })
  })

  // Scenario, too: Several calls share one end (http-graceful-shutdown, lightship)
  t.test('joins a shutdown that is under way', async (t) => {
    const app = build()
    await app.ready()
    const held = gate()
    app.graceful.waitUntil(held.promise)
    const shutdown = app.graceful.shutdown({ reason: 'first' })
    const closing = app.close()
    await until(() => app.graceful.phase === 'draining')
    held.open()
    await closing
    t.match(await shutdown, { kind: 'shutdown', reason: 'first' })
  })

  // Scenario (Signals and exit): All who close get the error of an onClose hook (http-graceful-shutdown)
  t.test('gives the error of an onClose hook to all who joined, and to the report', async (t) => {
    const app = build()
    const error = new Error('pool')
    app.addHook('onClose', async () => { throw error })
    await app.ready()
    const shutdown = app.graceful.shutdown()
    t.same(
      await Promise.allSettled([app.close(), app.close()]),
      [{ status: 'rejected', reason: error }, { status: 'rejected', reason: error }]
    )
    t.match(
      await shutdown,
      { verdict: 'failed', exitCode: 1, failures: [{ name: 'close', message: 'pool', phase: 'terminated' }] }
    )
  })

  // Scenario (Boot): `listen({ signal })`
  t.test('by listen({ signal }), before and after listening', async (t) => {
    // Before 5.5, Fastify's own `listen` never answers where its signal was aborted before.
    for (const when of fastifyMinor < 5 ? ['after'] : ['before', 'after']) {
      const app = build()
      let closed = 0
      app.addHook('onClose', async () => { closed++ })
      const controller = new AbortController()
      if (when === 'before') controller.abort()
      await app.listen({ port: 0, host: '127.0.0.1', signal: controller.signal })
      t.equal(app.server.listening, when === 'after', when)
      controller.abort()
      await until(() => closed === 1 && app.graceful.status().report !== undefined)
      t.equal(app.server.listening, false)
      t.match(app.graceful.status().report, { kind: 'close', verdict: 'clean' })
    }
  })

  // Scenario (Boot): `app.close()` before and during boot
  t.test('before boot, and during boot, never ends up listening', async (t) => {
    const fresh = build()
    let closed = 0
    fresh.addHook('onClose', async () => { closed++ })
    await fresh.close()
    t.equal(closed, 1)
    await until(() => fresh.graceful.phase === 'terminated')
    t.equal(fresh.server.listening, false)

    for (const boot of ['plugin', 'onReady'] as const) {
      const app = build()
      const held = gate()
      const reached = gate()
      const slow = async (): Promise<void> => {
        reached.open()
        await held.promise
      }
      if (boot === 'plugin') app.register(slow)
      else app.addHook('onReady', slow)
      app.addHook('onClose', async () => { closed++ })
      closed = 0
      const listening = app.listen({ port: 0, host: '127.0.0.1' })
        .then(() => 'resolved', (error: Error) => error.message)
      await reached.promise
      const closing = app.close()
      held.open()
      await closing
      // Before 5.5 Fastify waits for an event that never comes.
      if (fastifyMinor >= 5) t.equal(await listening, 'resolved', `listen settles when closed in ${boot}`)
      await new Promise((resolve) => { setImmediate(resolve) })
      t.equal(app.server.listening, false)
      t.equal(closed, 1)
    }
  })

  // Scenario, too: A start that fails: its error comes through…
  t.test('after a start that failed leaves nothing behind', async (t) => {
    const other = Fastify()
    t.teardown(() => other.close())
    const port = await bind(other)
    const before = process.listenerCount('SIGTERM')
    for (const [name, fail] of Object.entries<(app: FastifyInstance) => void>({
      EADDRINUSE: () => {},
      'no plugin': (app) => { app.register(async () => { throw new Error('no plugin') }) },
      'no onReady': (app) => { app.addHook('onReady', async () => { throw new Error('no onReady') }) }
    })) {
      const app = build({ exit: true })
      let closed = 0
      app.addHook('onClose', async () => { closed++ })
      fail(app)
      await t.rejects(app.listen({ port, host: '127.0.0.1' }), { message: new RegExp(name) }, 'its error comes through')
      t.equal(process.listenerCount('SIGTERM'), before + 1)
      await app.close()
      t.equal(closed, 1, name)
      t.equal(app.server.listening, false)
      t.match(app.graceful.status().report, { kind: 'close', verdict: 'clean' })
      t.equal(process.listenerCount('SIGTERM'), before)
    }
  })

  // Scenario (Requests in flight): `app.close()`, awaited inside a handler
  t.test('awaited inside a request handler waits for that very request, until the budget is over', async (t) => {
    const app = build({ gracePeriod: 1000 })
    const handled = gate()
    app.get('/close', async () => {
      await app.close()
      handled.open()
      return 'closed'
    })
    const port = await bind(app)
    const client = await Client.open(port)
    const watch = new Stopwatch(process.pid)
    client.get('/close')
    await Promise.all([client.closed, handled.promise])
    inTime(t, watch.stop(), [400, 3000])
    t.same(client.codes, [])
    await until(() => app.graceful.status().report !== undefined)
    t.match(
      app.graceful.status().report,
      { kind: 'close', verdict: 'cut', exitCode: 1, cut: { requests: [{ method: 'GET', route: '/close' }] } }
    )
  })

  t.test('closeWith replaces the call, and what it leaves open is closed', async (t) => {
    for (const closes of [true, false]) {
      let called = 0
      let closed = 0
      const app: FastifyInstance = build({ closeWith: async () => {
        called++
        if (closes) await app.close()
      } })
      app.addHook('onClose', async () => { closed++ })
      await app.ready()
      t.equal((await reportOf(app)).verdict, 'clean')
      t.same([called, closed], [1, 1])
    }
  })

  // Scenario (Several applications and other packages): Somebody has put a function of theirs over `app.close`
  t.test('what somebody has put over app.close is called once, whoever begins the end', async (t) => {
    const begins: Record<string, (app: FastifyInstance) => Promise<unknown>> = {
      'a shutdown': async (app) => app.graceful.shutdown(),
      'app.close()': async (app) => app.close(),
      'await using': async (app) => app[Symbol.asyncDispose]()
    }
    /** What each does with the one below it. */
    const wrappers: Record<string, (below: () => Promise<undefined>) => unknown> = {
      'a promise': async (below) => { await below() },
      'a promise, and work after it': async (below) => { await below(); await sleep(30) },
      'a promise, and work before it': async (below) => { await sleep(30); await below() },
      'called and not awaited': (below) => { void below() },
      'never called': async () => {},
      rejected: async () => { throw new Error('their own') },
      thrown: () => { throw new Error('their own') },
      twice: async (below) => { await below(); await below() }
    }
    for (const [way, begin] of Object.entries(begins)) {
      for (const [title, wrapper] of Object.entries(wrappers)) {
        const calls: string[] = []
        const app = build({ gracePeriod: 5000 })
        app.addHook('onClose', async () => { calls.push('onClose') })
        await app.ready()
        for (const name of ['inner', 'outer']) {
          const below = app.close.bind(app)
          app.close = (async () => {
            calls.push(name)
            return name === 'outer' ? below() : wrapper(below)
          }) as FastifyInstance['close']
        }
        const failed = title === 'rejected' || title === 'thrown'
        const isShutdown = way === 'a shutdown'
        const reject = await begin(app).then(() => false, () => true)
        if (!isShutdown && (failed || title === 'never called')) {
          t.equal(reject, failed, `${title}, ${way}: its caller hears of it`)
          t.strictSame(calls.splice(0), ['outer', 'inner'], `${title}, ${way}: nothing has ended`)
          await app.graceful.shutdown()
        }
        await app.graceful.shutdown()
        t.strictSame(calls, ['outer', 'inner', 'onClose'], `${title}, ${way}`)
        t.equal(app.graceful.status().report?.verdict, failed ? 'failed' : 'clean', `${title}, ${way}`)
      }
    }
  })

  t.test('does not hang under timers that a test has switched off', async (t) => {
    const app = build({ gracePeriod: 3000, drain: { idle: 50 } })
    app.get('/', async () => 'hello')
    const port = await bind(app)
    const [idle, silent] = await Promise.all([Client.open(port), Client.open(port)])
    idle.get('/')
    await idle.answers(1)
    mock.timers.enable()
    try {
      await app.close()
    } finally {
      mock.timers.reset()
    }
    await Promise.all([idle.closed, silent.closed])
    t.match(app.graceful.status().report, {
      verdict: 'clean',
      phases: [{ phase: 'closing', endedBy: 'condition' }, { phase: 'draining', endedBy: 'condition' }, {}]
    })
  })
})

// Scenario, too: Eleven applications, and a thousand, leave no listener and no warning
t.test('a thousand applications leave nothing behind', async (t) => {
  const events = [
    ...Object.keys(constants.signals), 'uncaughtException', 'unhandledRejection', 'exit', 'message', 'beforeExit',
    'warning', 'disconnect'
  ]
  const counts = (): Record<string, number> =>
    Object.fromEntries(events.map((event) => [event, process.listenerCount(event)]))
  const before = counts()
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', onWarning)
  const start = performance.now()
  const open: FastifyInstance[] = []
  for (let index = 0; index < 1000; index++) {
    const app = Fastify()
    app.register(graceful)
    await app.ready()
    open.push(app)
    // Up to a hundred at a time, all but the last of them closed together.
    if (open.length === 100) await Promise.all(open.splice(0).map((each) => each.close()))
  }
  t.comment(`1000 applications were registered and closed in ${Math.round(performance.now() - start)} ms`)
  const listening = Array.from({ length: 20 }, () => build({ exit: true }))
  await Promise.all(listening.map(bind))
  t.equal(process.listenerCount('SIGTERM'), before['SIGTERM']! + 1, 'one listener for all of them')
  await Promise.all(listening.map((app) => app.close()))
  process.off('warning', onWarning)
  t.same(counts(), before)
  t.same(warnings, [])
})

// Scenario, too: `inject` in each phase
// Scenario, too: The end fails readiness…
t.test('inject', async (t) => {
  const app = build()
  const held = gate()
  app.get('/', async () => 'hello')
  app.get('/held', async () => {
    await held.promise
    return 'served'
  })
  t.equal((await app.inject('/')).body, 'hello', 'before ready')
  const remove = app.graceful.stall('test', (phase) => phase === 'announcing')
  const pending = app.inject('/held')
  await until(() => app.graceful.status().requests.length === 1)
  const shutdown = app.graceful.shutdown()
  t.equal(app.graceful.phase, 'announcing')
  t.equal((await app.inject('/')).statusCode, 200, 'while announcing')
  t.equal((await app.inject('/readyz')).statusCode, 503)
  t.equal((await app.inject('/livez')).statusCode, 200)
  remove.remove()
  await until(() => app.graceful.phase === 'draining')
  t.equal((await app.inject('/')).statusCode, 200, 'while draining, which waits for the one that is held')
  t.equal(app.graceful.phase, 'draining')
  held.open()
  t.equal((await pending).body, 'served')
  t.equal((await shutdown).verdict, 'clean')
  t.equal(await codeOf(() => app.inject('/')), 'FST_ERR_REOPENED_CLOSE_SERVER', 'after close, as Fastify does')
})

// Scenario (Health): Other paths of the probes, and none (graceful-server, arecibo)
t.test('routes that are switched off', async (t) => {
  const token = 'a-token-of-enough-length'
  for (const [options, expected] of [
    [{}, { '/livez': 200, '/readyz': 200, '/startupz': 200, '/-/status': 200, '/-/drain': 404 }],
    [{ probes: false }, { '/livez': 404, '/readyz': 404, '/startupz': 404, '/-/status': 200, '/-/drain': 404 }],
    [{ admin: false }, { '/livez': 200, '/readyz': 200, '/startupz': 200, '/-/status': 404, '/-/drain': 404 }],
    [
      { probes: { prefix: '/health' }, admin: { prefix: '/admin', token } },
      { '/livez': 404, '/health/livez': 200, '/-/status': 404, '/admin/status': 200 }
    ]
  ] as Array<[object, Record<string, number>]>) {
    const app = build(options)
    await app.ready()
    await until(() => app.graceful.status().ready)
    for (const [url, statusCode] of Object.entries(expected)) {
      t.equal((await app.inject(url)).statusCode, statusCode, `${JSON.stringify(options)} ${url}`)
    }
    t.equal((await reportOf(app)).verdict, 'clean')
  }
})

t.test('drain and undrain through the routes', async (t) => {
  const headers = { authorization: 'Bearer a-token-of-enough-length' }
  const app = build({ admin: { token: 'a-token-of-enough-length' } })
  t.teardown(() => app.close())
  await bind(app)
  const post = async (url: string): Promise<{ statusCode: number, body: Record<string, unknown> }> => {
    const answer = await app.inject({ method: 'POST', url, headers })
    return { statusCode: answer.statusCode, body: answer.json() }
  }
  t.match(await post('/-/undrain'), { statusCode: 409, body: { code: 'FST_GRACEFUL_ILLEGAL_MOVE' } })
  t.match(await post('/-/drain'), { statusCode: 200, body: { phase: 'announcing', ready: false } })
  t.equal((await app.inject('/readyz')).statusCode, 503)
  t.match(await post('/-/drain'), { statusCode: 409 })
  t.match(await post('/-/undrain'), { statusCode: 200, body: { phase: 'running', ready: true } })
  t.equal((await app.inject('/readyz')).statusCode, 200)
  t.match(await post('/-/prestop'), { statusCode: 200, body: { phase: 'announcing' } })
  t.match(await reportOf(app), { verdict: 'clean' })
})

t.test('errors are exported by their codes', async (t) => {
  t.ok(Object.keys(errors).every((code) => code.startsWith('FST_GRACEFUL_')))
  t.throws(() => { throw new errors.FST_GRACEFUL_TOO_LATE() }, { code: 'FST_GRACEFUL_TOO_LATE', statusCode: 500 })
  await sleep(0)
})
