import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import websocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { WebSocket } from 'ws'
import type { Report } from '../../lib/index.ts'
import { open, phaseOf, serve, until } from './support.ts'
import type { Service, Wire } from './support.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

/** A WebSocket client that knows how it ended. */
interface Client { socket: WebSocket, code: number | undefined }

async function openWebSocket (service: Service, path = '/ws', options: object = {}): Promise<Client> {
  const socket = new WebSocket(`ws://127.0.0.1:${service.port}${path}`, options)
  const client: Client = { socket, code: undefined }
  socket.on('close', (code) => { client.code = code }).on('error', () => {})
  await once(socket, 'open')
  return client
}

function withWebSockets (app: FastifyInstance): void {
  app.register(websocket)
  app.register(async (child) => {
    child.get('/ws', { websocket: true }, (socket) => {
      socket.on('message', (message: Buffer) => socket.send(String(message)))
    })
  })
}

t.test('WebSockets', async (t) => {
  // Scenario (HTTP/2, upgrades, streams): WebSockets are told 1001, and one that does not answer is cut
  t.test('are told 1001, wherever they were registered', async (t) => {
    const service = await serve(t, { routes (app) {
      withWebSockets(app)
      app.register(async (child) => {
        child.register(async (grandchild) => {
          grandchild.get('/deep', { websocket: true }, () => {})
        })
      })
    } })
    const clients = await Promise.all(['/ws', '/ws', '/deep'].map(async (path) => openWebSocket(service, path)))
    t.match(service.status().connections, { open: 3, upgraded: 3, busy: 0 })
    t.strictSame(service.status().requests.map(({ kind }) => kind), ['upgraded', 'upgraded', 'upgraded'])
    const watch = new Stopwatch(process.pid)
    const report = await service.shutdown()
    watch.stop()
    t.match(report, { verdict: 'clean', exitCode: 0, cut: { upgraded: 0 } })
    await until(() => clients.every(({ code }) => code !== undefined))
    t.strictSame(clients.map(({ code }) => code), [1001, 1001, 1001])
    inTime(t, { time: phaseOf(report, 'draining')!.duration, late: watch.late }, [0, 1500])
  })

  t.test('of a plugin in a child context', async (t) => {
    const service = await serve(t, { routes (app) {
      app.register(async (child) => {
        await child.register(websocket)
        child.get('/ws', { websocket: true }, () => {})
      })
    } })
    const client = await openWebSocket(service)
    t.match(await service.shutdown(), { verdict: 'clean' })
    await until(() => client.code !== undefined)
    t.equal(client.code, 1001)
  })

  // Scenario, too: WebSockets are told 1001, and one that does not answer is cut
  t.test('that do not answer are cut within their bound, and counted', async (t) => {
    const service = await serve(t, { graceful: { gracePeriod: 6000 }, routes: withWebSockets })
    const good = await openWebSocket(service)
    const deaf = (await open(service.port)).send()
    deaf.write(
      'GET /ws HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
        + 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
    )
    await until(() => service.status().connections['upgraded'] === 2)
    const watch = new Stopwatch(process.pid)
    const report = await service.shutdown()
    t.match(report, { verdict: 'cut', exitCode: 0, cut: { requests: [], upgraded: 1 } })
    inTime(t, { time: phaseOf(report, 'draining')!.duration, late: watch.stop().late }, [0, 3000])
    t.equal(good.code, 1001)
    await deaf.end()
  })

  // Scenario, too: WebSockets are told 1001, and one that does not answer is cut
  t.test('that open while draining are told as well', async (t) => {
    const service = await serve(t, { routes: withWebSockets })
    const wire = (await open(service.port)).send('GET /')
    await wire.reply()
    const draining = service.hold('draining')
    const end = service.shutdown()
    await service.reached('draining')
    const client = await openWebSocket(service, '/ws', { createConnection: () => wire.socket })
    await until(() => client.code !== undefined)
    t.equal(client.code, 1001)
    draining()
    t.match(await end, { verdict: 'clean' })
  })
})

async function upgrade (service: Service, options: object = {}): Promise<Wire> {
  const wire = await open(service.port, options)
  wire.write('GET /raw HTTP/1.1\r\nHost: test\r\nUpgrade: raw\r\nConnection: Upgrade\r\n\r\n')
  await until(() => wire.bytes > 0)
  return wire
}
function upgrades (feed: boolean): (app: FastifyInstance) => void {
  return (app) => {
    app.server.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\nConnection: Upgrade\r\n\r\n')
      const feeding = feed ? setInterval(() => socket.write('x'), 20) : undefined
      socket.on('data', () => {}).on('error', () => {}).on('close', () => clearInterval(feeding))
    })
  }
}

t.test('upgraded sockets of an application\'s own', async (t) => {
  // Scenario (HTTP/2, upgrades, streams): Raw upgraded sockets, idle and in use
  t.test('idle: ended', async (t) => {
    const service = await serve(t, { routes: upgrades(false) })
    const wires = [await upgrade(service), await upgrade(service, { allowHalfOpen: true })]
    t.match(service.status().connections, { upgraded: 2 })
    const watch = new Stopwatch(process.pid)
    const report = await service.shutdown()
    t.match(report, { verdict: 'clean', exitCode: 0 })
    const { duration } = phaseOf(report, 'draining')!
    inTime(t, { time: duration, late: watch.stop().late }, [0, 2000], 'also where the client does not end its side:')
    for (const wire of wires) {
      await until(() => wire.ended)
      t.equal(wire.error, undefined)
      wire.socket.destroy()
    }
  })

  // Scenario, too: Raw upgraded sockets, idle and in use
  t.test('in use, by either side: cut at the deadline and counted', async (t) => {
    for (const feed of [true, false]) {
      const service = await serve(t, { graceful: { gracePeriod: 1500 }, routes: upgrades(feed) })
      const wire = await upgrade(service)
      const chatting = feed ? undefined : setInterval(() => wire.write('x'), 20)
      const report = await service.shutdown()
      clearInterval(chatting)
      t.match(report, { verdict: 'cut', exitCode: 0, cut: { requests: [], upgraded: 1 } })
      t.equal(phaseOf(report, 'draining')?.endedBy, 'cap')
      await wire.end()
    }
  })
})

t.test('event streams', async (t) => {
  // Scenario (HTTP/2, upgrades, streams): Event streams that end when told, and those that do not
  t.test('end through drainSignal, paced', async (t) => {
    const ended: number[] = []
    const service = await serve(t, { routes (app) {
      app.get('/sse', (request, reply) => {
        reply.header('content-type', 'text/event-stream').hijack()
        reply.raw.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
        t.equal(request.drainSignal, request.drainSignal)
        request.drainSignal.addEventListener('abort', () => {
          ended.push(performance.now())
          reply.raw.end('data: bye\n\n')
        })
      })
    } })
    const wires = await Promise.all(Array.from({ length: 60 }, async () => (await open(service.port)).send('GET /sse')))
    await until(() => wires.every((wire) => wire.text.includes('data: 1')))
    t.equal(service.status().requests.filter(({ kind }) => kind === 'stream').length, 60)
    const watch = new Stopwatch(process.pid)
    const report = await service.shutdown()
    watch.stop()
    t.match(report, { verdict: 'clean', exitCode: 0 })
    await until(() => wires.every((wire) => wire.closed))
    t.ok(wires.every((wire) => wire.text.includes('bye')))
    const spread = ended.at(-1)! - ended[0]!
    inTime(t, { time: spread, late: watch.late }, [150 - watch.late, 3000], '60 were told, at 200 a second, within')
  })

  // Scenario, too: Event streams that end when told, and those that do not
  t.test('that ignore it are cut at the deadline, however they were made', async (t) => {
    const heads: Record<string, (
      reply: { raw: { writeHead: Function, setHeader: Function, write: Function }, header: Function, hijack: Function }
    ) => void> = {
      writeHead: (reply) => { reply.raw.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' }) },
      setHeader: (reply) => { reply.raw.setHeader('content-type', 'text/event-stream') }
    }
    const service = await serve(t, { graceful: { gracePeriod: 1500 }, routes (app) {
      for (const [name, head] of Object.entries(heads)) {
        app.get(`/${name}`, (_request, reply) => {
          reply.hijack()
          head(reply)
          reply.raw.write('data: 1\n\n')
        })
      }
      app.get('/poll', async (request) => {
        t.notOk(request.drainSignal.aborted)
        await new Promise(() => {})
      })
    } })
    const wires = await Promise.all(['writeHead', 'setHeader', 'poll'].map(async (name) =>
      (await open(service.port)).send(`GET /${name}`)))
    await until(() => service.status().requests.filter(({ kind }) => kind === 'stream').length === 3)
    t.match(await service.shutdown(), { verdict: 'cut', exitCode: 0, cut: { requests: [], streams: 3, upgraded: 0 } })
    for (const wire of wires) await wire.end()
  })
})

t.test('request.drainSignal', async (t) => {
  t.test('taken after draining began is aborted already', async (t) => {
    const service = await serve(t, { routes (app) {
      app.get('/late', async (request) => `aborted ${request.drainSignal.aborted} ${request.drainSignal.reason.name}`)
    } })
    const wire = (await open(service.port)).send('GET /')
    await wire.reply()
    const draining = service.hold('draining')
    const end = service.shutdown()
    await service.reached('draining')
    t.equal((await wire.send('GET /late').reply()).body.toString(), 'aborted true AbortError')
    draining()
    t.match(await end, { verdict: 'clean' })
  })

  // Scenario (HTTP/2, upgrades, streams): The signal for a request with a body that was read
  t.test('is not aborted before, by a body that was read, or by inject', async (t) => {
    const service = await serve(t, { routes (app) {
      app.post('/long-poll', async (request) => {
        const { drainSignal } = request
        if (!drainSignal.aborted) await once(drainSignal, 'abort')
        return `phase ${app.graceful.phase} body ${String(request.body)}`
      })
    } })
    const wire = (await open(service.port)).post('/long-poll', ['Content-Type: text/plain', 'Content-Length: 3'], 'abc')
    const injected = service.app.inject({
      url: '/long-poll',
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      payload: 'def'
    })
    await until(() => service.status().requests.length === 2)
    const announcing = service.hold('announcing')
    const end = service.shutdown()
    await service.reached('announcing')
    t.equal(service.status().requests.length, 2)
    announcing()
    t.equal((await wire.reply()).body.toString(), 'phase draining body abc')
    t.equal((await injected).body, 'phase draining body def')
    t.match(await end, { verdict: 'clean' })
  })
})

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

function start (name: string, ...parameters: unknown[]): ChildProcess {
  const { NODE_OPTIONS: _options, NODE_V8_COVERAGE: _coverage, KUBERNETES_SERVICE_HOST: _host, ...env } = process.env
  // As many file descriptors as this machine allows.
  return spawn(
    'sh',
    [
      '-c', 'ulimit -n "$(ulimit -Hn)"; exec env -u NODE_OPTIONS "$@"', 'sh',
      process.execPath, fixture(name), ...parameters.map(String)
    ],
    { env, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] }
  )
}

t.test('20,000 long-lived connections', async (t) => {
  const limit = Number(execFileSync('sh', ['-c', 'ulimit -Hn']).toString()) || 1_000_000
  // A thousand for the rest of each process.
  const wanted = Math.min(20_000, Math.max(200, limit - 1000)) & ~1
  const server = start('longlived-server.js')
  let output = ''
  server.stdout!.on('data', (chunk: Buffer) => { output += chunk.toString() })
  const ended = once(server, 'close') as Promise<[number | null, string | null]>
  const [{ port }] = await once(server, 'message') as [{ port: number }]
  const clients = [1, 2].map(() => start('longlived-client.js', port, wanted / 2, 10_000))
  t.teardown(() => { for (const child of [server, ...clients]) child.kill('SIGKILL') })
  type Ends = Record<'opened' | 'sse' | 'ws' | 'bye' | 'goingAway' | 'broken' | 'open' | 'first' | 'last', number>
  const next = async (): Promise<Ends[]> =>
    Promise.all(clients.map(async (client) => (await once(client, 'message') as [Ends])[0]))
  const sum = (all: Ends[], name: keyof Ends): number => all.reduce((total, one) => total + one[name], 0)
  const opened = sum(await next(), 'opened')

  await t.test(`${opened} of them on this machine: all end, told and in order`, async (t) => {
    server.send('watch')
    const [status] = await once(server, 'message') as [{ requests: number, connections: object }]
    t.match(status, { requests: opened, connections: { open: opened } })
    const results = next()
    const watch = new Stopwatch(server.pid)
    server.kill('SIGTERM')
    const ends = await results
    t.strictSame(await ended, [0, null])
    const took = watch.stop().time
    t.equal(sum(ends, 'bye'), sum(ends, 'sse'))
    t.equal(sum(ends, 'goingAway'), sum(ends, 'ws'))
    t.equal(sum(ends, 'broken'), 0)
    const { longest, report } = JSON.parse(output) as { longest: { processor: number, turn: number }, report: Report }
    t.match(report, { verdict: 'clean', cut: { requests: [], streams: 0, upgraded: 0 } })
    t.comment(
      `${opened} connections ended in ${Math.round(took)} ms, spread over `
        + `${Math.max(...ends.map(({ last }) => last)) - Math.min(...ends.map(({ first }) => first))} ms; `
        + `longest turn ${longest.processor.toFixed(1)} ms of processor, ${longest.turn.toFixed(1)} ms by the clock`
    )
    inTime(t, watch, [0, 15_000])
  })
})
