import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import WebSocket from 'ws'
import { deferred } from '../../lib/util/promises.ts'
import graceful from '../../lib/index.ts'
import type { GracefulOptions } from '../../lib/index.ts'
import { Client, until } from '../support/app.ts'

/** Whoever was called, with the store that it saw. */
type Seen = Map<string, Set<string | undefined>>

const channels = ['phase', 'report', 'request-cut', 'late-connection'].map((name) => `fastify-graceful:${name}`)

interface Watched {
  app: FastifyInstance
  port: number
  store: AsyncLocalStorage<string>
  seen: Seen
  /** What the route `/held` waits for. */
  release: () => void
  /** Settles with the first request of `/held`. */
  held: Promise<void>
}

interface Setting {
  fastify?: object
  options?: GracefulOptions
  /** How a request gets its store. */
  enter?: 'run' | 'enterWith'
}

/**
 * A service that notes in which store each thing was called that the plugin starts by itself. Its registration has
 * the store `registration`.
 */
async function watched (t: Test, { fastify = {}, options = {}, enter = 'run' }: Setting = {}): Promise<Watched> {
  const store = new AsyncLocalStorage<string>()
  const seen: Seen = new Map()
  const note = (name: string): void => { seen.set(name, (seen.get(name) ?? new Set()).add(store.getStore())) }
  const logger = {
    level: 'debug',
    stream: { write: (line: string) => { if (line.includes('fastify-graceful: ')) note('log') } }
  }
  const gate = deferred<void>()
  const held = deferred<void>()
  const listeners = channels.map((name) => [name, () => note(`channel ${name}`)] as const)
  for (const [name, listener] of listeners) subscribe(name, listener)
  const app = await store.run('registration', async () => {
    const app = Fastify({ logger, ...fastify })
    app.register(graceful, {
      exit: false,
      crash: false,
      signals: { SIGTERM: false, SIGINT: false, SIGHUP: false },
      gracePeriod: 10_000,
      announce: { min: 30, quiet: 30 },
      drain: { idle: 50 },
      ...options
    })
    app.register(websocket)
    app.addHook('onRequest', (request, _reply, done) => {
      if (enter === 'run') store.run(request.url, done)
      else {
        store.enterWith(request.url)
        done()
      }
    })
    app.after(() => addWatched(app, note))
    app.get('/', async () => 'ok')
    app.get('/held', async (request: FastifyRequest) => {
      request.drainSignal.addEventListener('abort', () => note('request.drainSignal'))
      held.resolve()
      await gate.promise
      return 'ok'
    })
    app.get('/plain', async () => {
      held.resolve()
      await gate.promise
      return 'ok'
    })
    app.register(async (scope) => {
      scope.get('/socket', { websocket: true }, () => { held.resolve() })
    })
    app.get('/shutdown', async () => { void app.graceful.shutdown({ reason: 'asked' }) })
    app.get('/close', async () => { void app.close() })
    await app.listen({ port: 0, host: '127.0.0.1' })
    return app
  })
  t.teardown(async () => {
    gate.resolve()
    await app.close()
    for (const [name, listener] of listeners) unsubscribe(name, listener)
  })
  return {
    app,
    port: (app.server.address() as AddressInfo).port,
    store,
    seen,
    release: gate.resolve,
    held: held.promise
  }
}

function addWatched (app: FastifyInstance, note: (name: string) => void): void {
  for (const phase of ['announcing', 'closing', 'draining', 'terminated'] as const) {
    app.graceful.addHook(phase, () => note(`hook of ${phase}`))
  }
  app.graceful.addHook('terminated', async ({ signal }) => {
    note('second hook')
    await sleep(5, undefined, { signal })
    note('second hook, later')
  })
  app.graceful.stall('watched', () => note('participant'))
  app.graceful.stall('slow', async () => {
    await sleep(1)
    note('slow participant')
  })
  app.graceful.signal.addEventListener('abort', () => note('graceful.signal'))
  app.graceful.addCheck('asked', () => note('check asked by a probe'), { ttl: 0 })
  app.graceful.addCheck('timed', () => note('check run by a timer'), { interval: 20 })
  app.addHook('onClose', async () => {
    note('onClose')
    await sleep(1)
    note('onClose, later')
  })
  app.addHook('onClose', (_instance, done) => {
    note('onClose with a callback')
    setImmediate(done)
  })
  app.addHook('preClose', async () => note('preClose'))
}

/** What each end has called. */
const always = [
  'hook of announcing',
  'hook of closing',
  'hook of draining',
  'hook of terminated',
  'second hook',
  'second hook, later',
  'participant',
  'slow participant',
  'graceful.signal',
  'check asked by a probe',
  'check run by a timer',
  'onClose',
  'onClose, later',
  'onClose with a callback',
  'preClose',
  'log',
  'channel fastify-graceful:phase',
  'channel fastify-graceful:report'
]

function sawOnly (t: Test, seen: Seen, expected: readonly string[]): void {
  const strangers = [...seen].filter(([, stores]) => [...stores].some((store) => store !== 'registration'))
    .map(([name, stores]) => `${name}: ${[...stores].join(', ')}`)
  t.strictSame(strangers, [], 'nothing was called in the store of a request')
  t.strictSame(expected.filter((name) => !seen.has(name)), [], 'everything was called')
}

/** A request that ends as the last one, by how it does: each leaves its connection or its stream in its own way. */
const last: Record<string, (watched: Watched) => Promise<unknown>> = {
  async 'HTTP/1, kept alive' ({ port, release }) {
    const client = await Client.open(port)
    client.get('/held')
    return async () => {
      release()
      await client.closed
    }
  },
  async 'HTTP/1, aborted' ({ port, held, release }) {
    const client = await Client.open(port)
    client.get('/held')
    await held
    return async () => {
      client.socket.destroy()
      await sleep(20)
      release()
    }
  },
  async 'HTTP/1, reset' ({ port, held, release }) {
    const client = await Client.open(port)
    client.get('/held')
    await held
    return async () => {
      client.socket.resetAndDestroy()
      await sleep(20)
      release()
    }
  },
  async 'HTTP/1, pipelined' ({ port, held, release }) {
    const client = await Client.open(port)
    client.get('/held')
    client.get('/?second')
    await held
    return async () => {
      release()
      await client.closed
    }
  },
  async inject ({ app, held, release }) {
    const answer = app.inject('/held')
    await held
    return async () => {
      release()
      await answer
    }
  },
  async 'a WebSocket' ({ port, held }) {
    const client = new WebSocket(`ws://127.0.0.1:${port}/socket`)
    await once(client, 'open')
    await held
    const closed = once(client, 'close')
    return () => closed
  }
}

for (const enter of ['run', 'enterWith'] as const) {
  for (const [name, begin] of Object.entries(last)) {
    t.test(`what the plugin starts sees the store of its registration, where the last request is ${name} (${enter})`,
      async (t) => {
        const service = await watched(t, { enter })
        const end = await begin(service) as () => Promise<unknown>
        if (name !== 'a WebSocket') await service.held
        await (await fetch(`http://127.0.0.1:${service.port}/readyz`, { headers: { connection: 'close' } })).text()
        const report = service.app.graceful.shutdown({ reason: 'test' })
        await until(() => service.app.graceful.phase === 'draining')
        await sleep(20)
        await end()
        t.equal((await report).phases.length, 4)
        sawOnly(t, service.seen, name === 'a WebSocket' ? always : [...always, 'request.drainSignal'])
      })
  }

  t.test(`where the last request is one of HTTP/2 (${enter})`, async (t) => {
    const service = await watched(t, { enter, fastify: { http2: true } })
    const client = connectHttp2(`http://127.0.0.1:${service.port}`)
    const streams = ['/held', '/readyz', '/?other'].map((path) => client.request({ ':path': path }))
    for (const stream of streams) stream.resume()
    await service.held
    const report = service.app.graceful.shutdown({ reason: 'test' })
    await until(() => service.app.graceful.phase === 'draining')
    await sleep(20)
    service.release()
    await report
    sawOnly(t, service.seen, [...always, 'request.drainSignal'])
    client.destroy()
  })
}

for (const [path, expected] of [
  ['/shutdown', always],
  ['/close', always.filter((name) => name !== 'hook of announcing')]
] as const) {
  t.test(`an end that a request asks for belongs to no request: ${path}`, async (t) => {
    const { app, port, seen } = await watched(t)
    await (await fetch(`http://127.0.0.1:${port}/readyz`, { headers: { connection: 'close' } })).text()
    await sleep(50)
    await (await fetch(`http://127.0.0.1:${port}${path}`)).text()
    await until(() => app.graceful.status().report !== undefined)
    await app.close()
    sawOnly(t, seen, expected)
  })
}

t.test('a drain that a request asks for, and one that is undone, belong to no request', async (t) => {
  const { app, port, seen } = await watched(t, { options: { admin: { token: 'a-secret-of-the-operators' } } })
  const post = async (name: string): Promise<number> => (await fetch(`http://127.0.0.1:${port}/-/${name}`, {
    method: 'POST',
    headers: { authorization: 'Bearer a-secret-of-the-operators' }
  })).status
  t.equal(await post('drain'), 200)
  await sleep(60)
  t.equal(await post('undrain'), 200)
  t.equal(await post('drain'), 200)
  await app.graceful.shutdown({ reason: 'test' })
  sawOnly(t, seen, ['hook of announcing', 'participant', 'log', 'channel fastify-graceful:phase'])
})

t.test('a request that is cut, and a connection that comes late, are published in the store of the registration',
  async (t) => {
    const { app, port, seen, held } = await watched(t, {
      options: { gracePeriod: 1700, reserve: 100, close: 300, announce: { min: 100, max: 300, quiet: 300 } }
    })
    const client = await Client.open(port)
    client.get('/plain')
    await held
    const report = app.graceful.shutdown({ reason: 'test' })
    // The last of them is late, however long phase 1 takes here.
    while (['running', 'announcing'].includes(app.graceful.phase)) {
      await sleep(20)
      const tried = (async () => {
        const late = await Client.open(port)
        late.get('/?late')
        await late.answers(1)
      })().catch(() => {})
      await Promise.race([tried, report])
    }
    t.equal((await report).verdict, 'cut')
    sawOnly(t, seen, ['channel fastify-graceful:request-cut', 'channel fastify-graceful:late-connection'])
  })

t.test('a hook that enters a store of its own does not leave it to those after it', async (t) => {
  const store = new AsyncLocalStorage<string>()
  const seen: Array<string | undefined> = []
  const app = Fastify()
  app.register(graceful, { exit: false, crash: false, gracePeriod: 5000 })
  app.after(() => {
    for (const phase of ['announcing', 'closing', 'draining', 'terminated'] as const) {
      app.graceful.addHook(phase, () => {
        seen.push(store.getStore())
        store.enterWith(phase)
      })
    }
    app.addHook('onClose', async () => { seen.push(store.getStore()) })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  await app.graceful.shutdown({ reason: 'test' })
  t.strictSame(seen, [undefined, undefined, undefined, undefined, undefined])
})

t.test('work that was given to waitUntil keeps its own store', async (t) => {
  const { app, store } = await watched(t)
  const seen: Array<string | undefined> = []
  store.run('a job', () => app.graceful.waitUntil((async () => {
    await sleep(60)
    seen.push(store.getStore())
  })()))
  await app.graceful.shutdown({ reason: 'test' })
  t.strictSame(seen, ['a job'])
})
