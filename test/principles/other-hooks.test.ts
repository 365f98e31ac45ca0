import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import proxy from '@fastify/http-proxy'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { WebSocket } from 'ws'
import graceful from '../../lib/index.ts'
import type { GracefulOptions, Report } from '../../lib/index.ts'
import { fork } from '../process/fork.ts'
import { bind, Client, until } from '../support/app.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

/** What a case adds to an application that writes down what happens to it. */
type Add = (app: FastifyInstance, log: string[]) => unknown

/** An application in which each hook of a tree of plugins writes down its turn; `before` is added before our plugin. */
function build (
  isOurs: boolean,
  { before, after, options, server }: {
    before?: Add,
    after?: Add,
    options?: GracefulOptions,
    server?: FastifyServerOptions
  } = {}
): { app: FastifyInstance, log: string[] } {
  const app = Fastify({ forceCloseConnections: true, ...server })
  const log: string[] = []
  before?.(app, log)
  if (isOurs) app.register(graceful, { exit: false, watchdog: false, ...options })
  after?.(app, log)
  return { app, log }
}

/** Hooks of every style in every kind of instance. */
function addTree (app: FastifyInstance, log: string[]): void {
  const add = (instance: FastifyInstance, name: string): void => {
    instance.addHook('preClose', async function (this: FastifyInstance) {
      await sleep(2)
      log.push(`preClose ${name} of ${this === instance ? 'its own' : 'another'} instance`)
    })
    instance.addHook('onClose', async () => { log.push(`onClose ${name}`) })
  }
  add(app, 'root 1')
  app.addHook('preClose', (done) => {
    setTimeout(() => {
      log.push('preClose root 2 by callback')
      done()
    }, 5)
  })
  app.addHook('preClose', function () { log.push('preClose root 3 at once') } as () => void)
  app.register(async (child) => {
    add(child, 'first child')
    child.register(async (grandchild) => add(grandchild, 'grandchild'))
  })
  app.register(async (child) => add(child, 'second child'))
  app.register(Object.assign(async (instance: FastifyInstance) => add(instance, 'plugin without a context'), {
    [Symbol.for('skip-override')]: true
  }))
}

// Scenario (Signals and exit): Hooks into the close of somebody's own say good-bye while their clients are there, each
// once, whatever the one before does (fastify#4697)
t.test('preClose hooks run in the order of bare Fastify, each once', async (t) => {
  const cases: Array<[string, { before?: Add, after?: Add }]> = [
    [
      'registered after us',
      { after: addTree }
    ],
    [
      'registered before us',
      { before: addTree }
    ],
    [
      'some before, some after',
      { before: (app, log) => { app.addHook('preClose', async () => { log.push('preClose early') }) }, after: addTree }
    ]
  ]
  for (const [title, parts] of cases) {
    const bare = build(false, parts)
    await bind(bare.app)
    await bare.app.close()
    t.ok(bare.log.length > 10)

    for (const [kind, end] of [
      ['shutdown', (app: FastifyInstance) => app.graceful.shutdown()],
      ['close', (app: FastifyInstance) => app.close()]
    ] as const) {
      t.test(`${title}, ended by ${kind}`, async (t) => {
        const { app, log } = build(true, parts)
        await bind(app)
        await end(app)
        await app.close()
        t.same(log, bare.log)
      })
    }

    t.test(`${title}, that never listened`, async (t) => {
      const { app, log } = build(true, parts)
      await app.ready()
      await app.inject('/')
      await app.close()
      t.same(log, bare.log)
    })

    t.test(`${title}, that was closed before it was ready`, async (t) => {
      const { app, log } = build(true, parts)
      await app.close()
      t.same(log, bare.log)
    })

    t.test(`${title}, whose boot failed`, async (t) => {
      const fail: Add = (app, log) => {
        parts.after?.(app, log)
        app.addHook('onReady', async () => { throw new Error('no database') })
      }
      const broken = build(false, { ...parts, after: fail })
      await t.rejects(bind(broken.app), { message: 'no database' })
      await broken.app.close()
      const { app, log } = build(true, { ...parts, after: fail })
      await t.rejects(bind(app), { message: 'no database' })
      await app.close()
      t.same(log, broken.log)
    })
  }

  t.test('a plain close runs them before its listener is closed, a shutdown after it', async (t) => {
    for (const [kind, listening, phase] of [['close', true, 'closing'], ['shutdown', false, 'draining']] as const) {
      const seen: unknown[] = []
      const { app } = build(true, { after: (app) => app.addHook('preClose', async () => {
        await sleep(50)
        seen.push(app.server.listening, app.graceful.phase)
      }) })
      await bind(app)
      await (kind === 'close' ? app.close() : app.graceful.shutdown())
      t.same(seen, [listening, phase], kind)
    }
  })
})

/** Ends an application with an open stream that only its own hook ends; answers the report and what the client got. */
async function endStream (
  t: Test,
  add: (app: FastifyInstance, end: () => void) => unknown,
  options: GracefulOptions = {}
): Promise<{ report: Report, text: string, watch: Stopwatch }> {
  const streams: Array<NodeJS.WritableStream> = []
  const { app } = build(true, { options, server: { pluginTimeout: 1000 }, after: (app) => {
    app.get('/stream', (_request, reply) => {
      reply.hijack()
      reply.raw.writeHead(200, { 'content-type': 'text/plain' })
      reply.raw.write('hello\n')
      streams.push(reply.raw)
    })
    add(app, () => { for (const stream of streams.splice(0)) stream.end('good-bye\n') })
  } })
  t.teardown(() => app.close())
  const client = await Client.open(await bind(app))
  client.get('/stream')
  await until(() => client.text.includes('hello'))
  const watch = new Stopwatch(process.pid)
  const report = await app.graceful.shutdown()
  watch.stop()
  await client.closed
  return { report, text: client.text, watch }
}

t.test('a good-bye of one\'s own', async (t) => {
  t.test('is said while its clients are there', async (t) => {
    const { report, text, watch } = await endStream(t, (app, end) => app.addHook('preClose', async () => end()))
    t.match(text, /good-bye/)
    t.equal(report.verdict, 'clean')
    inTime(t, watch, [0, 3000])
  })

  t.test('is said by a callback, although a hook before it rejects', async (t) => {
    const { report, text } = await endStream(t, (app, end) => {
      app.addHook('preClose', async function refuse () { throw new Error('refused') })
      app.addHook('preClose', (done) => {
        end()
        done()
      })
    })
    t.match(text, /good-bye/)
    t.match(report, {
      verdict: 'failed',
      failures: [{ name: "preClose hook 'refuse'", message: 'refused', phase: 'draining' }]
    })
  })

  t.test('is said although a hook before it throws, calls back with an error, or resolves to something', async (t) => {
    const { report, text } = await endStream(t, (app, end) => {
      app.addHook('preClose', (() => { throw new Error('thrown') }) as () => void)
      app.addHook('preClose', function back (done) { done(new Error('called back')) })
      app.addHook('preClose', async () => 'truthy')
      app.register(async function bye (child) { child.addHook('preClose', async () => end()) })
    })
    t.match(text, /good-bye/)
    t.same(report.failures.map(({ message }) => message), ['thrown', 'called back'])
  })

  t.test('is said although a hook before it hangs, which is named', async (t) => {
    const { report, text } = await endStream(t, (app, end) => {
      app.register(async function queue (child) {
        child.addHook('preClose', function stopWorker () { return new Promise<void>(() => {}) })
      })
      app.register(async function streams (child) { child.addHook('preClose', async () => end()) })
    }, { gracePeriod: 4000 })
    t.match(text, /good-bye/)
    t.match(report, {
      verdict: 'cut',
      exitCode: 1,
      cut: { requests: [], waiting: ["preClose hook 'stopWorker' of plugin 'queue'"] }
    })
  })

  t.test('may take longer than pluginTimeout', async (t) => {
    const { report, text } = await endStream(t, (app, end) => app.addHook('preClose', async () => {
      await sleep(1500)
      end()
    }))
    t.match(text, /good-bye/)
    t.equal(report.verdict, 'clean')
  })
})

// Scenario, too: Hooks into the close of somebody's own say good-bye…
t.test('a hook that hangs does not keep phase 3 beyond its cap, nor is it called again', async (t) => {
  let calls = 0
  const { app } = build(true, { options: { gracePeriod: 2000 }, after: (app) => {
    app.addHook('preClose', async function hang () {
      calls++
      await new Promise(() => {})
    })
  } })
  await bind(app)
  const watch = new Stopwatch(process.pid)
  const report = await app.graceful.shutdown()
  t.equal(calls, 1)
  t.match(report, { exitCode: 1, cut: { waiting: ["preClose hook 'hang'"] } })
  inTime(t, { time: report.duration, late: watch.stop().late }, [0, 2000])
  await app.close()
  t.equal(calls, 1)
})

// Scenario, too: Slow hooks of others at the start of phase 3 do…
t.test('a hook that waits for a client whose handler hears of the end gets it at once', async (t) => {
  const { app } = build(true, { options: { gracePeriod: 6000 }, after: (app) => {
    const gone: Array<Promise<unknown>> = []
    app.get('/stream', (request, reply) => {
      reply.hijack()
      reply.raw.writeHead(200, { 'content-type': 'text/event-stream' })
      reply.raw.write('data: hello\n\n')
      request.drainSignal.addEventListener('abort', () => reply.raw.end())
      gone.push(new Promise((resolve) => { reply.raw.once('close', resolve) }))
    })
    app.addHook('preClose', async function waitForClients () { await Promise.all(gone) })
  } })
  const client = await Client.open(await bind(app))
  client.get('/stream')
  await until(() => client.text.includes('hello'))
  const watch = new Stopwatch(process.pid)
  const report = await app.graceful.shutdown()
  t.match(report, { verdict: 'clean', cut: { streams: 0, waiting: [] } })
  inTime(t, { time: report.duration, late: watch.stop().late }, [0, 2000])
})

// Scenario, too: Hooks into the close of somebody's own say good-bye…
t.test('a hook that waits for a client which only we end gets it at half of the time', async (t) => {
  const { app } = build(true, { options: { gracePeriod: 4000 }, after: (app) => {
    app.register(websocket)
    const gone: Array<Promise<unknown>> = []
    app.register(async (instance) => {
      instance.get('/ws', { websocket: true }, (socket) => { gone.push(once(socket, 'close')) })
    })
    app.addHook('preClose', async function waitForClients () { await Promise.all(gone) })
  } })
  const { heard, closed } = await openWebSocket(app, '/ws')
  const report = await app.graceful.shutdown()
  await closed
  t.same(heard, ['1001 service restart'])
  t.match(report, { verdict: 'clean', cut: { upgraded: 0, waiting: [] } })
  t.ok(report.duration > 1000, `${report.duration} ms`)
})

// Scenario, too: Hooks into the close of somebody's own say good-bye…
t.test('a good-bye after a signal reaches its client', async (t) => {
  /** What else the report says, where it is not clean. */
  const cases: Array<[kind: string, expected?: { code: number, waiting?: string[], failures?: string[] }]> = [
    ['by a promise'],
    ['by a callback'],
    ['deep in a tree'],
    ['in a plugin that came first'],
    ['after more than pluginTimeout'],
    ['by one that asks where it listens'],
    ['in a hook of draining'],
    ['behind one that resolves to something'],
    ['behind one that fails', { code: 1, failures: ["preClose hook 'deregister': no registry"] }],
    ['behind one that hangs', { code: 1, waiting: ['preClose hook at '] }]
  ]
  for (const [kind, { code, waiting = [], failures = [] } = { code: 0 }] of cases) {
    t.test(kind, async (t) => {
      const service = fork('../../principles/fixtures/other-hooks.js', { given: { kind, gracePeriod: 6000 } })
      const [, port] = await service.waitForLine(/listening on (\d+)/)
      const client = await Client.open(Number(port))
      client.get('/stream')
      await until(() => client.text.includes('hello'))
      service.kill('SIGTERM')
      await client.closed
      const [exit, killed, output] = await service.result
      t.match(client.text, /good-bye/)
      t.equal(client.error, undefined)
      t.same([exit, killed], [code, null], output)
      t.same(output.match(/^(preClose|onClose)$/gm), ['preClose', 'onClose'], 'each once')
      const report = JSON.parse(/^report (.*)$/m.exec(output)?.[1] ?? '{}') as Report
      t.equal(report.cut.requests.length, 0)
      t.equal(report.cut.waiting.length, waiting.length)
      for (const [index, name] of waiting.entries()) t.match(report.cut.waiting[index], name)
      t.same(report.failures.map(({ name, message }) => `${name}: ${message}`), failures)
      if (kind.includes('where it listens')) t.match(output, new RegExp(`deregistered ${port} 1`))
    })
  }
})

/** Opens a WebSocket at `path` of an application, and answers it with what it has heard so far. */
async function openWebSocket (
  app: FastifyInstance,
  path: string
): Promise<{ socket: WebSocket, heard: string[], closed: Promise<unknown> }> {
  const socket = new WebSocket(`ws://127.0.0.1:${await bind(app)}${path}`)
  const heard: string[] = []
  socket.on('message', (message: Buffer) => { heard.push(message.toString()) })
  const closed = new Promise((resolve) => {
    socket.on('close', (code, reason) => {
      heard.push(`${code} ${reason.toString()}`.trim())
      resolve(undefined)
    })
  })
  await once(socket, 'open')
  return { socket, heard, closed }
}

const addRoute: Add = (app) => app.register(async (instance) => { instance.get('/ws', { websocket: true }, () => {}) })

function sayBye (server: { clients: Set<WebSocket> }): void {
  for (const client of server.clients) {
    client.send('bye')
    client.close(4000, 'own')
  }
}

t.test('WebSockets', async (t) => {
  const cases: Array<[title: string, add: Add, heard: string[], options?: GracefulOptions]> = [
    [
      'that nobody else ends are told by us',
      (app) => app.register(websocket),
      ['1001 service restart']
    ],
    [
      'have the good-bye of a preClose hook',
      (app) => {
        app.register(websocket)
        app.addHook('preClose', async () => {
          await sleep(50)
          sayBye(app.websocketServer)
        })
      },
      ['bye', '4000 own']
    ],
    [
      'have the good-bye that the plugin was given',
      (app) => app.register(websocket, {
        preClose (this: FastifyInstance, done: () => void) {
          sayBye(this.websocketServer)
          done()
        }
      } as object),
      ['bye', '4000 own']
    ],
    [
      'have the good-bye of a hook of draining',
      (app) => {
        app.register(websocket)
        app.after(() => {
          app.graceful.addHook('draining', async () => {
            await sleep(50)
            sayBye(app.websocketServer)
          })
        })
      },
      ['bye', '4000 own']
    ],
    [
      'that are left to the application are closed by the plugin for WebSockets',
      (app) => app.register(websocket),
      ['1005'],
      { drain: { webSocket: false } }
    ]
  ]
  for (const [title, add, heard, options = {}] of cases) {
    t.test(title, async (t) => {
      const { app } = build(true, { options: { gracePeriod: 6000, ...options }, after: (app, log) => {
        add(app, log)
        addRoute(app, log)
      } })
      const client = await openWebSocket(app, '/ws')
      const report = await app.graceful.shutdown()
      await client.closed
      t.same(client.heard, heard)
      t.equal(report.verdict, 'clean', report.summary)
    })
  }

  t.test('through @fastify/http-proxy get the answer that they wait for, and are told', async (t) => {
    const upstream = Fastify()
    t.teardown(() => upstream.close())
    upstream.register(websocket)
    upstream.register(async (instance) => {
      instance.get('/ws', { websocket: true }, (socket) => {
        socket.on('message', (message: Buffer) => setTimeout(() => socket.send(`re ${message.toString()}`), 100))
      })
    })
    const { app } = build(true, { options: { gracePeriod: 6000 } })
    app.register(proxy, { upstream: `http://127.0.0.1:${await bind(upstream)}`, websocket: true })
    const { socket, heard, closed } = await openWebSocket(app, '/ws')
    socket.send('first')
    await until(() => heard.length > 0)
    socket.send('second')
    const watch = new Stopwatch(process.pid)
    const report = await app.graceful.shutdown()
    await closed
    t.same(heard, ['re first', 're second', '1001 service restart'])
    t.equal(report.verdict, 'clean', report.summary)
    inTime(t, { time: report.duration, late: watch.stop().late }, [0, 4000])
  })
})
