// Who closes the server in the midst of an end joins it; who closes it before is noticed.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server as HttpServer } from 'node:http'
import { Server } from 'node:net'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import graceful from '../../lib/index.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'
import { credentials, gate, open, phaseOf, refused, serve, until } from '../traffic/support.ts'
import type { Gate, Service } from '../traffic/support.ts'

interface Closing extends Service { door: Gate, closes: () => number }

const kinds: Array<[name: string, fastify: object, listen?: object]> = [
  ['HTTP', {}],
  ['HTTPS', { https: credentials }],
  ['HTTP/2', { http2: true }],
  ['HTTP/2 with TLS', { http2: true, https: { ...credentials, allowHTTP1: true } }],
  ['closed by force', { forceCloseConnections: true }],
  ['two listeners', {}, { port: 0, host: 'localhost' }]
]

/** A service whose route `/slow` waits for its door. */
async function start (t: Test, options: Parameters<typeof serve>[1] = {}): Promise<Closing> {
  const door = gate()
  const service = await serve(t, { ...options, routes: async (app, events) => {
    app.get('/slow', async () => {
      await door.promise
      return 'slow'
    })
    await options.routes?.(app, events)
  } })
  let closes = 0
  service.app.server.on('close', () => { closes++ })
  return { ...service, door, closes: () => closes }
}

const serverOf = ({ app }: Service): HttpServer => app.server

for (const [name, fastify, listen] of kinds) {
  t.test(`${name}: the server says 'close' once in an end, after the hooks of 'terminated' and before those of 'onClose'`, async (t) => {
    for (const how of ['shutdown', 'close'] as const) {
      const service = await start(t, { fastify, ...listen && { listen } })
      service.app.server.on('close', () => service.events.push('close'))
      service.app.graceful.addHook('terminated', () => service.events.push('terminated'))
      await (how === 'close' ? service.app.close() : service.shutdown())
      await until(() => service.events.includes('onClose'))
      t.same([service.closes(), ...service.events], [1, 'terminated', 'close', 'onClose'], how)
    }
  })
}

// Scenario (Signals and exit): Somebody else closes the server, or sweeps its connections, before or during an end; the
// event `close` comes once
t.test('who closes the server during an end is called back when the last connection is gone, and at the signal when the application is closed', async (t) => {
  const ways: Array<[name: string, close: (server: HttpServer, done: (error?: unknown) => void) => void]> = [
    ['a callback', (server, done) => { server.close(done) }],
    ['a callback, twice', (server, done) => { server.close().close(done) }],
    ['a promise', (server, done) => { void server[Symbol.asyncDispose]().then(() => done(), done) }],
    ['the sweep of all', (server, done) => { server.closeAllConnections(); server.close(done) }],
    ['the sweep of idle ones', (server, done) => { server.closeIdleConnections(); server.close(done) }]
  ]
  for (const [name, close] of ways) {
    for (const phase of ['announcing', 'draining'] as const) {
      const service = await start(t)
      const slow = (await open(service.port)).send('GET /slow')
      const idle = await open(service.port)
      await idle.send('GET /').reply()
      await until(() => service.status().requests.length === 1)
      const hold = service.hold(phase)
      const end = service.shutdown()
      await service.reached(phase)
      const answer = new Promise((resolve) => close(serverOf(service), (error) => {
        service.events.push('closed')
        resolve(error)
      }))
      t.match(await idle.send('GET /').reply(), { status: 200 }, `${name} in ${phase}: still served`)
      if (phase === 'announcing') t.notOk(await refused(service.port), 'and so are new ones')
      hold()
      await service.reached('draining')
      t.same(service.events, [], 'not yet')
      service.door.open()
      t.match(await slow.reply(), { status: 200 })
      t.equal(await answer, undefined)
      t.match(await end, { verdict: 'clean' })
      t.same(
        service.events,
        phase === 'announcing' ? ['onClose', 'closed'] : ['closed', 'onClose'],
        `${name} in ${phase}`
      )
      t.equal(service.closes(), 1)
    }
  }
})

// Scenario, too: Somebody else closes the server…
t.test('a hook that waits for it does not wait for itself', async (t) => {
  for (const phase of ['announcing', 'closing', 'draining', 'terminated'] as const) {
    const service = await start(t)
    const wait = async (): Promise<void> => {
      await new Promise<void>((resolve) => { service.app.server.close(() => resolve()) })
      service.events.push('closed')
    }
    // Nothing closes before phase 2 is over, so a hook of the first two must not be waited for.
    service.app.graceful.addHook(phase, phase === 'draining' || phase === 'terminated' ? wait : () => { void wait() })
    const watch = new Stopwatch(process.pid)
    const report = await service.shutdown()
    t.match(report, { verdict: 'clean' }, phase)
    inTime(t, { time: report.duration, late: watch.stop().late }, [0, 5000])
    // Of the others the callback may end the process.
    t.same(service.events, phase === 'draining' ? ['closed', 'onClose'] : ['onClose', 'closed'], phase)
    t.equal(service.closes(), 1)
  }
})

// Scenario, too: Somebody else closes the server…
t.test('a server that somebody closes while the service runs is noticed, said once, and announced to nobody',
  async (t) => {
    const ways: Array<[name: string, close: (app: FastifyInstance) => void, at: 'running' | 'announcing']> = [
      ['close', ({ server }) => { server.close() }, 'running'],
      ["net's close", ({ server }) => { Server.prototype.close.call(server) }, 'running'],
      ['dispose', ({ server }) => { void server[Symbol.asyncDispose]() }, 'running'],
      ["net's close in phase 1", ({ server }) => { Server.prototype.close.call(server) }, 'announcing']
    ]
    for (const [name, close, at] of ways) {
      const lines: string[] = []
      const service = await start(t, {
        graceful: { announce: { min: 6000 } },
        fastify: { logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } }
      })
      const wire = await open(service.port)
      wire.send('GET /slow')
      await until(() => service.status().requests.length === 1)
      if (at === 'running') close(service.app)
      const watch = new Stopwatch(process.pid)
      const end = service.shutdown()
      await service.reached('announcing')
      if (at === 'announcing') close(service.app)
      await service.reached('draining')
      service.door.open()
      t.match(await wire.reply(), { status: 200 }, name)
      const report = await end
      const { duration } = phaseOf(report, 'announcing')!
      inTime(t, { time: duration, late: watch.stop().late }, [0, 3000], `${name}: phase 1 took`)
      t.equal(
        lines.filter((line) => line.includes('other code has closed the server')).length,
        1,
        `${name}: ${lines.join('')}`
      )
    }
  })

// Scenario, too: Somebody else closes the server…
t.test('what somebody has put over close runs once, when draining starts', async (t) => {
  for (const when of ['before the plugin', 'after it', 'both'] as const) {
    const calls: string[] = []
    const patch = (name: string) => (app: FastifyInstance): void => {
      const { close } = app.server
      app.server.close = function patched (this: typeof app.server, done?: (error?: Error) => void) {
        calls.push(`${name} in ${app.graceful.phase}`)
        return close.call(this, done)
      }
    }
    const service = await start(t, {
      ...when !== 'after it' && { first: patch('first') },
      ...when !== 'before the plugin' && { routes: (app) => { app.after(() => patch('later')(app)) } }
    })
    const slow = (await open(service.port)).send('GET /slow')
    await until(() => service.status().requests.length === 1)
    const end = service.shutdown()
    await until(() => calls.length > 0)
    t.equal(service.app.graceful.phase, 'draining')
    service.door.open()
    t.match(await slow.reply(), { status: 200 })
    t.match(await end, { verdict: 'clean' })
    t.same(calls.toSorted(), [
      ...when === 'after it' ? [] : ['first in draining'],
      ...when === 'before the plugin' ? [] : ['later in draining']
    ])
    t.equal(service.closes(), 1)
  }
})

t.test('a server that is not Fastify\'s to close', async (t) => {
  t.test('stays open in a plain close, with what others serve on it', async (t) => {
    const server = createServer()
    t.teardown(() => server.close())
    const apps = ['a', 'b'].map((name) => {
      const app = Fastify({ serverFactory: (handler) => {
        server.on('request', (request, response) => { if (request.url === `/${name}`) handler(request, response) })
        return server
      } })
      app.register(graceful, { exit: false, crash: false, signals: { SIGTERM: false, SIGINT: false, SIGHUP: false } })
      app.get(`/${name}`, async () => name)
      return app
    })
    for (const app of apps) await app.ready()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const kept = await open(port)
    t.match(await kept.send('GET /a').reply(), { status: 200 })
    await apps[0]!.close()
    t.equal(server.listening, true)
    t.match(await kept.send('GET /b').reply(), { status: 200, body: Buffer.from('b') }, 'on the same connection')
    kept.socket.destroy()
    await apps[1]!.close()
    t.equal(server.listening, true)
  })

  t.test('is closed by a shutdown', async (t) => {
    const server = createServer()
    const app = Fastify({ serverFactory: (handler) => server.on('request', handler) })
    app.register(graceful, { exit: false, crash: false, signals: { SIGTERM: false, SIGINT: false, SIGHUP: false } })
    await app.ready()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    let closes = 0
    server.on('close', () => { closes++ })
    t.match(await app.graceful.shutdown(), { verdict: 'clean' })
    t.equal(server.listening, false)
    await until(() => closes === 1)
  })

  t.test("that is no server of Node's is closed in its own way", async (t) => {
    const inner = createServer()
    class Foreign extends Server {
      override close (callback?: (error?: Error) => void): this {
        inner.close(callback)
        this.emit('close')
        return this
      }
    }
    const foreign = Object.setPrototypeOf(new Foreign(), Object.create(Foreign.prototype, {
      listening: { get: () => inner.listening },
      address: { value: () => inner.address() },
      _emitCloseIfDrained: { value: undefined }
    }) as object) as HttpServer
    const app = Fastify({ serverFactory: () => foreign })
    app.register(graceful, { exit: false, crash: false, signals: { SIGTERM: false, SIGINT: false, SIGHUP: false } })
    await app.ready()
    await once(inner.listen(0, '127.0.0.1'), 'listening')
    t.match(await app.graceful.shutdown(), { verdict: 'clean' })
    t.equal(inner.listening, false)
  })
})
