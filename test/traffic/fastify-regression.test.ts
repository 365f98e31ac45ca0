// What Fastify itself promises about closing, pipelining, HTTP/2 sessions and onListen, held against an application
// with the plugin. Where our contract differs on purpose, the name of the test says so: there is no window of 503
// answers while a connection is left, so what Fastify refuses during close is served here.
import { once } from 'node:events'
import { connect } from 'node:http2'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import t from 'tap'
import graceful from '../../lib/index.ts'
import { gate, open, refused, until } from './support.ts'
import type { Wire } from './support.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

const options = {
  exit: false,
  crash: false,
  signals: { SIGTERM: false, SIGINT: false, SIGHUP: false },
  drain: { idle: 100 }
} as const

function build (fastify: object = {}): FastifyInstance {
  const app = Fastify({ ...fastify }) as unknown as FastifyInstance
  app.register(graceful, options)
  app.get('/', async () => 'hello')
  return app
}

async function listen (app: FastifyInstance, host = '127.0.0.1'): Promise<number> {
  await app.listen({ port: 0, host })
  return (app.server.address() as { port: number }).port
}

t.test('close', async (t) => {
  // Scenario (Several applications and other packages): Fastify's own order of hooks, callbacks and errors
  t.test('calls back, with the instance of each hook', (t) => {
    const app = build()
    app.register((child, _options, done) => {
      child.addHook('onClose', (instance, done) => {
        t.equal(instance, child)
        done()
      })
      done()
    })
    void listen(app).then(() => {
      app.close(() => {
        t.notOk(app.server.listening)
        t.end()
      })
    })
  })

  // Scenario, too: Fastify's own order of hooks, callbacks and errors
  t.test('runs onClose last come first served, children before parents, by callback and by promise', async (t) => {
    const order: number[] = []
    const app = build()
    app.addHook('onClose', async () => { order.push(4) })
    app.addHook('onClose', (_instance, done) => {
      order.push(3)
      setImmediate(done)
    })
    app.register(async (child) => {
      child.addHook('onClose', async () => { order.push(2) })
      child.register(async (grandchild) => {
        grandchild.addHook('onClose', (_instance, done) => {
          order.push(1)
          done()
        })
      })
    })
    await listen(app)
    await app.close()
    t.strictSame(order, [1, 2, 3, 4])
  })

  // Scenario, too: Fastify's own order of hooks, callbacks and errors
  t.test('runs preClose once, from the root to the children, before onClose', async (t) => {
    const order: string[] = []
    const app = build()
    app.addHook('preClose', async () => { order.push('root 1') })
    app.addHook('preClose', (done) => {
      order.push('root 2')
      done()
    })
    app.register(async (child) => {
      child.addHook('preClose', async () => { order.push('child') })
      child.register(async (grandchild) => { grandchild.addHook('preClose', async () => { order.push('grandchild') }) })
    })
    app.addHook('onClose', async () => { order.push('onClose') })
    await listen(app)
    await app.close()
    t.strictSame(order, ['root 1', 'root 2', 'child', 'grandchild', 'onClose'])
  })

  // Scenario, too: Fastify's own order of hooks, callbacks and errors
  t.test('settles without a server, twice, and three times at once', async (t) => {
    let closed = 0
    for (const prepare of [async () => {}, async (app: FastifyInstance) => app.ready(), listen]) {
      const app = build()
      app.addHook('onClose', async () => { closed++ })
      await prepare(app)
      await Promise.all([app.close(), app.close(), app.close()])
      await app.close()
    }
    t.equal(closed, 3)
  })

  t.test('is for good: a closed application neither listens nor injects', async (t) => {
    const app = build()
    await listen(app)
    await app.close()
    await t.rejects(app.listen({ port: 0 }), { code: 'FST_ERR_REOPENED_CLOSE_SERVER' })
    await t.rejects(app.inject('/'), { code: 'FST_ERR_REOPENED_CLOSE_SERVER' })
    await new Promise<void>((resolve) => {
      app.listen({ port: 0 }, (error) => {
        t.match(error, { code: 'FST_ERR_REOPENED_CLOSE_SERVER' })
        resolve()
      })
    })
  })

  // Scenario (Connections): Nobody is told to close before the end, or where that is switched off (http-terminator)
  t.test('ends with kept connections open, whatever forceCloseConnections says', async (t) => {
    for (const forceCloseConnections of [undefined, true, false, 'idle'] as const) {
      const app = build({
        keepAliveTimeout: 120_000,
        ...forceCloseConnections === undefined ? {} : { forceCloseConnections }
      } satisfies FastifyServerOptions)
      const port = await listen(app)
      const wire = await open(port)
      t.match(await wire.send('GET /').reply(), { status: 200, headers: { connection: 'keep-alive' } })
      const watch = new Stopwatch(process.pid)
      await app.close()
      inTime(t, watch.stop(), [0, 2000], `${forceCloseConnections}:`)
      await wire.end()
      t.equal(wire.error, undefined)
    }
  })

  t.test('does not destroy a connection with a request in flight', async (t) => {
    for (const forceCloseConnections of [undefined, 'idle'] as const) {
      const app = build(forceCloseConnections === undefined ? {} : { forceCloseConnections })
      const door = gate()
      const began = gate()
      app.get('/slow', async () => {
        began.open()
        await door.promise
        return 'slow'
      })
      const wire = (await open(await listen(app))).send('GET /slow')
      await began.promise
      const closed = app.close()
      await until(() => app.graceful.phase === 'draining')
      door.open()
      const reply = await wire.reply()
      t.match(reply, { status: 200, headers: { connection: 'close' } })
      t.equal(reply.body.toString(), 'slow')
      await closed
    }
  })

  t.test('accepts no new connection', async (t) => {
    const app = build()
    const door = gate()
    app.get('/slow', async () => {
      await door.promise
      return 'slow'
    })
    const port = await listen(app)
    const wire = (await open(port)).send('GET /slow')
    await until(() => app.graceful.status().requests.length === 1)
    const closed = app.close()
    await until(() => app.graceful.phase === 'draining')
    t.ok(await refused(port))
    door.open()
    t.equal((await wire.reply()).status, 200)
    await closed
  })

  t.test('closes all bindings of localhost before onClose', async (t) => {
    const app = build()
    let listening: boolean[] = []
    await listen(app, 'localhost')
    const addresses = app.addresses() as Array<{ address: string, port: number }>
    app.graceful.addHook('terminated', async () => {
      listening = await Promise.all(addresses.map(async ({ address, port }) => !await refused(port, address)))
    })
    await app.close()
    t.ok(listening.length > 0)
    t.notOk(listening.includes(true))
  })
})

// Scenario (Several applications and other packages): Pipelining while the application closes: served, where Fastify
// answers 503
t.test('during close, other than Fastify: served, not refused', async (t) => {
  const rows = [undefined, true, false]
  for (const return503OnClosing of rows) {
    t.test(`return503OnClosing: ${return503OnClosing}`, async (t) => {
      const app = build(return503OnClosing === undefined ? {} : { return503OnClosing })
      const door = gate()
      app.get('/slow', async () => {
        await door.promise
        return 'slow'
      })
      const port = await listen(app)
      const kept = await open(port)
      t.equal((await kept.send('GET /').reply()).status, 200)
      const pipelined: Wire = (await open(port)).send('GET /slow', 'GET /')
      await until(() => app.graceful.status().requests.length === 2)
      const closed = app.close()
      const injected = app.inject('/')
      t.equal((await kept.send('GET /').reply()).status, 200, 'on a kept connection')
      t.equal((await injected).statusCode, 200, 'by inject')
      // Only its own requests are left, and what comes from here on is told to close.
      await until(() => app.graceful.status().requests.length === 2 && app.graceful.phase === 'draining')
      pipelined.send('GET /')
      await until(() => app.graceful.status().requests.length === 3)
      door.open()
      for (const connection of ['keep-alive', 'keep-alive', 'close']) {
        t.match(await pipelined.reply(), { status: 200, headers: { connection } }, 'pipelined')
      }
      await closed
    })
  }
})

t.test('HTTP/2', async (t) => {
  t.test('sessions are closed with the application', async (t) => {
    for (const forceCloseConnections of [undefined, true] as const) {
      const app = build({ http2: true, ...forceCloseConnections === undefined ? {} : { forceCloseConnections } })
      const session = connect(`http://127.0.0.1:${await listen(app)}`)
      const ended = once(session, 'close')
      await once(session, 'connect')
      await app.close()
      await ended
      t.ok(session.destroyed)
    }
  })

  // Scenario (HTTP/2, upgrades, streams): A request while the application closes
  t.test('a request while it closes, other than Fastify: served on all versions of Node', async (t) => {
    for (const return503OnClosing of [true, false]) {
      const app = build({ http2: true, return503OnClosing })
      const session = connect(`http://127.0.0.1:${await listen(app)}`)
      await once(session, 'connect')
      const ended = once(session, 'close')
      const closed = app.close()
      const stream = session.request({ ':path': '/' })
      const [headers] = await once(stream, 'response') as [Record<string, unknown>]
      t.equal(headers[':status'], 200)
      stream.resume()
      await closed
      await ended
    }
  })

  t.test('a session that times out goes its way', async (t) => {
    const app = build({ http2: true, http2SessionTimeout: 100 })
    const session = connect(`http://127.0.0.1:${await listen(app)}`)
    await once(session, 'connect')
    await once(session, 'close')
    await until(() => app.graceful.status().connections['sessions'] === 0)
    t.ok(session.destroyed)
    await app.close()
  })
})

t.test('onListen', async (t) => {
  // Scenario, too: Fastify's own order of hooks, callbacks and errors
  t.test('runs in order, of all contexts, when listening, and not for ready', async (t) => {
    const order: string[] = []
    const make = (): FastifyInstance => {
      const app = build()
      app.addHook('onListen', async () => { order.push(`root, listening ${app.server.listening}`) })
      app.addHook('onListen', (done) => {
        order.push('second')
        done()
      })
      app.register(async (child) => {
        child.addHook('onListen', async function () {
          t.equal(this, child)
          order.push('child')
        })
      })
      return app
    }
    const ready = make()
    await ready.ready()
    await ready.inject('/')
    t.strictSame(order, [])
    await ready.close()
    const app = make()
    await listen(app)
    t.strictSame(order, ['root, listening true', 'second', 'child'])
    await app.close()
  })

  t.test('an error in it is logged and stops nobody', async (t) => {
    const order: string[] = []
    const lines: string[] = []
    const app = build({ logger: { stream: { write: (line: string) => { lines.push(line) } } } })
    app.addHook('onListen', async () => { throw new Error('thrown in onListen') })
    app.addHook('onListen', (done) => { done(new Error('given to done')) })
    app.addHook('onListen', async () => { order.push('third') })
    const port = await listen(app)
    t.strictSame(order, ['third'])
    t.match(lines.join(''), /thrown in onListen/)
    t.match(lines.join(''), /given to done/)
    t.equal((await (await open(port)).send('GET /').reply()).status, 200)
    await app.close()
  })

  // Scenario (Boot): Closed in onListen
  t.test('an application that is closed in it closes', async (t) => {
    const app = build()
    let closed: Promise<unknown> | undefined
    app.addHook('onListen', async () => { closed = app.close() })
    await listen(app).catch(() => {})
    await closed
    t.notOk(app.server.listening)
  })
})
