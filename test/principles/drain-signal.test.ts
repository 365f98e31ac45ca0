import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import WebSocket from 'ws'
import graceful from '../../lib/index.ts'
import { deferred } from '../../lib/util/promises.ts'
import { Client, until } from '../support/app.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'
import type { Timed } from '../support/stopwatch.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

interface Service {
  app: FastifyInstance
  port: number
  /** What each reader of a request was given, by the request's path. */
  read: Map<string, AbortSignal[]>
  release: () => void
}

/**
 * A service in which hooks before and after the plugin's own read the signal of each request, except of those to
 * `/none`; `add` adds to it.
 */
async function serve (
  t: Test,
  fastify: object = {},
  add: (app: FastifyInstance) => unknown = () => {}
): Promise<Service> {
  const read = new Map<string, AbortSignal[]>()
  const gate = deferred<void>()
  const note = (request: FastifyRequest): void => {
    read.set(request.url, [...read.get(request.url) ?? [], request.drainSignal])
  }
  const app = Fastify({ ...fastify, rewriteUrl: ({ url = '' }) => url.replace('/old', '/held') })
  app.addHook('onRequest', async (request) => {
    if (request.url === '/none') return
    if (request.url.includes('slowly')) await sleep(5)
    if ('drainSignal' in request) note(request)
  })
  app.register(graceful, {
    exit: false,
    crash: false,
    signals: { SIGTERM: false, SIGINT: false, SIGHUP: false },
    gracePeriod: 5000,
    announce: { quiet: 20 },
    drain: { idle: 50 }
  })
  app.register(websocket)
  add(app)
  app.addHook('preParsing', async (request) => { if (request.url !== '/none') note(request) })
  app.addHook('onResponse', async (request) => { if (request.url.includes('late')) note(request) })
  app.setNotFoundHandler(async (request) => {
    note(request)
    await gate.promise
  })
  app.all('/held', async (request) => {
    note(request)
    await gate.promise
    return 'ok'
  })
  app.get('/', async (request) => {
    note(request)
    return 'ok'
  })
  app.get('/none', async (request) => {
    read.set('/none', [request.drainSignal, request.drainSignal])
    await gate.promise
  })
  app.register(async (scope) => {
    scope.addHook('onRequest', async (request) => note(request))
    scope.get('/scoped', async () => gate.promise)
    scope.get('/socket', { websocket: true }, (_socket, request) => note(request))
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(async () => {
    gate.resolve()
    await app.close()
  })
  return { app, port: (app.server.address() as AddressInfo).port, read, release: gate.resolve }
}

const cases: Record<string, [paths: string[], (service: Service) => Promise<unknown>]> = {
  'a hook before ours': [
    ['/held'],
    async ({ port }) => (await Client.open(port)).get('/held')
  ],
  'a hook before ours that takes its time': [
    ['/held?slowly'],
    async ({ port }) => (await Client.open(port)).get('/held?slowly')
  ],
  'a handler alone': [
    ['/none'],
    async ({ port }) => (await Client.open(port)).get('/none')
  ],
  'a request with a body': [
    ['/held?body'],
    async ({ port }) => (await Client.open(port)).socket.write(
      'POST /held?body HTTP/1.1\r\nHost: test\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok'
    )
  ],
  'a route that is not there': [
    ['/nowhere'],
    async ({ port }) => (await Client.open(port)).get('/nowhere')
  ],
  'a route whose URL is rewritten': [
    ['/held?rewritten'],
    async ({ port }) => (await Client.open(port)).get('/old?rewritten')
  ],
  'a scope of its own': [
    ['/scoped'],
    async ({ port }) => (await Client.open(port)).get('/scoped')
  ],
  'a pipelined request': [
    ['/held?1', '/held?2', '/held?3slowly'],
    async ({ port }) => {
      const client = await Client.open(port)
      for (const path of ['/held?1', '/held?2', '/held?3slowly']) client.get(path)
    }
  ],
  'inject': [
    ['/held?injected'],
    async ({ app }) => { app.inject('/held?injected', () => {}) }
  ],
  'inject, read late': [
    ['/held?injected-slowly'],
    async ({ app }) => { app.inject('/held?injected-slowly', () => {}) }
  ],
  'a WebSocket': [
    ['/socket'],
    async ({ port }) => once(new WebSocket(`ws://127.0.0.1:${port}/socket`), 'open')
  ]
}

function same (t: Test, signals: AbortSignal[] | undefined, aborted: boolean): void {
  t.ok((signals?.length ?? 0) > 1, 'it is read more than once')
  t.equal(new Set(signals).size, 1, 'it is one object')
  t.equal(signals?.[0]?.aborted, aborted)
}

for (const [name, [paths, ask]] of Object.entries(cases)) {
  t.test(`the drain signal is one object, and aborts: ${name}`, async (t) => {
    const service = await serve(t)
    await ask(service)
    await until(() => paths.every((path) => (service.read.get(path)?.length ?? 0) > 1))
    for (const path of paths) same(t, service.read.get(path), false)
    const report = service.app.graceful.shutdown({ reason: 'test' })
    await until(() => paths.every((path) => service.read.get(path)?.[0]?.aborted === true))
    for (const path of paths) same(t, service.read.get(path), true)
    service.release()
    t.equal((await report).exitCode, 0)
  })
}

t.test('the drain signal is one object, and aborts, with HTTP/2', async (t) => {
  const service = await serve(t, { http2: true })
  const client = connectHttp2(`http://127.0.0.1:${service.port}`)
  const paths = ['/held', '/held?slowly', '/none']
  for (const path of paths) client.request({ ':path': path }).on('error', () => {}).resume()
  await until(() => paths.every((path) => (service.read.get(path)?.length ?? 0) > 1))
  const report = service.app.graceful.shutdown({ reason: 'test' })
  await until(() => paths.every((path) => service.read.get(path)?.[0]?.aborted === true))
  for (const path of paths) same(t, service.read.get(path), true)
  service.release()
  await report
  client.destroy()
})

t.test('the drain signal of a request that has its answer', async (t) => {
  const { app, port, read } = await serve(t)
  const client = await Client.open(port)
  client.get('/?late')
  await until(() => read.get('/?late')?.length === 4)
  const injected = await app.inject('/?late-injected')
  t.equal(injected.statusCode, 200)
  for (const path of ['/?late', '/?late-injected']) same(t, read.get(path), false)
  await app.graceful.shutdown({ reason: 'test' })
  for (const path of ['/?late', '/?late-injected']) same(t, read.get(path), false)
})

t.test('the drain signals of requests that have their answers are not kept', async (t) => {
  const { app, port, read } = await serve(t)
  const client = await Client.open(port)
  const refs: Array<WeakRef<AbortSignal>> = []
  for (let index = 0; index < 50; index++) {
    client.get(`/?${index}`)
    await client.answers(index + 1)
    await app.inject(`/?injected-${index}`)
  }
  for (const signals of read.values()) refs.push(new WeakRef(signals[0]!))
  read.clear()
  t.equal(refs.length, 100)
  for (let round = 0; round < 20 && refs.filter((ref) => ref.deref() !== undefined).length > 3; round++) {
    await sleep(20)
    collect()
  }
  // The parser of a connection that is kept alive holds its last request.
  t.ok(refs.filter((ref) => ref.deref() !== undefined).length <= 3)
})

/** A hook of somebody's own. */
const slowly = async (): Promise<void> => sleep(2000)
/** Who is told behind one of them is told later than that. */
const atOnce = [0, 1900] as const

// Scenario (HTTP/2, upgrades, streams): Slow hooks of others at the start of phase 3 do not delay drain signals and
// GOAWAY
t.test('others who take their time at the start of phase 3 do not delay the news', async (t) => {
  const others: Array<[title: string, add: (app: FastifyInstance) => unknown]> = [
    ['a preClose hook', (app) => app.addHook('preClose', slowly)],
    ['a preClose hook that hangs', (app) => app.addHook('preClose', async () => new Promise(() => {}))],
    ['a preClose hook that blocks before its first pause', (app) => app.addHook('preClose', async () => {
      const end = performance.now() + 100
      while (performance.now() < end);
      await slowly()
    })],
    ['a hook of draining', (app) => app.after(() => { app.graceful.addHook('draining', slowly) })],
    ['both', (app) => {
      app.addHook('preClose', slowly)
      app.after(() => { app.graceful.addHook('draining', slowly) })
    }]
  ]
  for (const [title, add] of others) {
    t.test(title, async (t) => {
      const { app, port, read, release } = await serve(t, {}, add)
      const client = await Client.open(port)
      client.get('/held')
      await until(() => (read.get('/held')?.length ?? 0) > 1)
      const { told, report } = timeOfNews(app)
      await until(() => read.get('/held')?.[0]?.aborted === true)
      inTime(t, told(), atOnce, 'told after')
      release()
      await report
    })

    t.test(`${title}, with HTTP/2`, async (t) => {
      const { app, port, read, release } = await serve(t, { http2: true }, add)
      const session = connectHttp2(`http://127.0.0.1:${port}`)
      session.on('error', () => {})
      t.teardown(() => session.destroy())
      let goaways = 0
      session.on('goaway', () => { goaways++ })
      session.request({ ':path': '/held' }).on('error', () => {}).resume()
      await until(() => (read.get('/held')?.length ?? 0) > 1)
      const { told, report } = timeOfNews(app)
      // The second one names the last stream: the session takes no more.
      await until(() => goaways > 1 && read.get('/held')?.[0]?.aborted === true)
      inTime(t, told(), atOnce, 'told after')
      release()
      await report
    })
  }

  t.test('a WebSocket that has read it is told at once, and its close waits for them', async (t) => {
    const { app, port, read } = await serve(t, {}, (app) => app.addHook('preClose', slowly))
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`)
    await once(socket, 'open')
    await until(() => (read.get('/socket')?.length ?? 0) > 1)
    const closed = once(socket, 'close')
    const { told, report } = timeOfNews(app)
    await until(() => read.get('/socket')?.[0]?.aborted === true)
    inTime(t, told(), atOnce, 'told after')
    await closed
    t.ok(told().time > 1900, `closed after ${told().time} ms`)
    await report
  })
})

/** Ends an application, and says how long ago its phase 3 began. */
function timeOfNews (app: FastifyInstance): { told: () => Timed, report: Promise<unknown> } {
  const watch = new Stopwatch(process.pid)
  app.graceful.signal.addEventListener('abort', () => { watch.restart() })
  const report = app.graceful.shutdown({ reason: 'test' })
  void report.then(() => { watch.stop() })
  return { told: () => ({ time: watch.time, late: watch.late }), report }
}
