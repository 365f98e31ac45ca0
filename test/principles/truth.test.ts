// P7: the report says who ended what: the plugin, the client, or somebody else in this process.
import { once } from 'node:events'
import { Server as HttpServer } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import { connect as connectTcp, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { pipeline, PassThrough, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { credentials, gate, open, serve, until, Wire } from '../traffic/support.ts'
import type { Gate, Service } from '../traffic/support.ts'

/** A request in flight, as its handler sees it. */
interface InHand { request: FastifyRequest, reply: FastifyReply }

interface Case {
  name: string
  who: 'client' | 'others'
  fastify?: object
  secure?: boolean
  listen?: object
  to?: object
  /** Sends what is in flight when it ends; `GET /slow` by default. */
  send?: (wire: Wire) => unknown
  act: (given: {
    wire: Wire,
    socket: Socket,
    tcp: Socket,
    service: Service,
    hand: InHand,
    upstream: () => Promise<Error>
  }) => unknown
  /** How many requests are in flight, and lost. */
  count?: number
}

/** An error as a real connection to another server breaks with it. */
async function brokenUpstream (): Promise<Error> {
  const server = createServer((socket) => { socket.once('data', () => socket.resetAndDestroy()) })
    .listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connectTcp((server.address() as AddressInfo).port, '127.0.0.1')
  client.write('x')
  const [error] = await once(client, 'error') as [Error]
  server.close()
  return error
}

const socketOf = ({ request }: InHand): Socket => request.raw.socket
const path = `/tmp/fastify-graceful-truth-${process.pid}.sock`

const cases: Case[] = [
  {
    name: 'the client resets',
    who: 'client',
    act: ({ socket }) => socket.resetAndDestroy()
  },
  {
    name: 'the client closes',
    who: 'client',
    act: ({ socket }) => socket.destroy()
  },
  {
    name: 'the client ends its side',
    who: 'client',
    act: ({ socket }) => socket.end()
  },
  {
    name: 'the client has no more patience',
    who: 'client',
    act: ({ socket }) => { socket.setTimeout(20, () => socket.destroy()) }
  },
  {
    name: 'the client leaves in the middle of its body',
    who: 'client',
    send: (wire) => wire.post('/body', ['Content-Type: text/plain', 'Content-Length: 10'], 'abc'),
    act: ({ socket }) => socket.destroy()
  },
  {
    name: 'the client resets in the middle of its body',
    who: 'client',
    send: (wire) => wire.post('/body', ['Content-Type: text/plain', 'Content-Length: 10'], 'abc'),
    act: ({ socket }) => socket.resetAndDestroy()
  },
  {
    name: 'the client sends what is no HTTP',
    who: 'client',
    act: ({ wire }) => wire.write('NONSENSE\r\n\r\n')
  },
  {
    name: 'the client stops to read, and resets',
    who: 'client',
    send: (wire) => { wire.send('GET /large'); wire.socket.pause() },
    act: ({ socket }) => socket.resetAndDestroy()
  },
  {
    name: 'the client stops to read, and closes',
    who: 'client',
    send: (wire) => { wire.send('GET /large'); wire.socket.pause() },
    act: ({ socket }) => socket.destroy()
  },
  {
    name: 'the client leaves three in a row',
    who: 'client',
    send: (wire) => wire.send('GET /slow', 'GET /slow', 'GET /slow'),
    count: 3,
    act: ({ socket }) => socket.resetAndDestroy()
  },
  {
    name: 'the client of TLS closes',
    who: 'client',
    secure: true,
    act: ({ socket }) => socket.destroy()
  },
  {
    name: 'the client of TLS ends its side',
    who: 'client',
    secure: true,
    act: ({ socket }) => socket.end()
  },
  {
    name: 'the client of TLS resets',
    who: 'client',
    secure: true,
    act: ({ tcp }) => tcp.resetAndDestroy()
  },
  {
    name: 'the client of a unix socket closes',
    who: 'client',
    listen: { path }, to: { path },
    act: ({ socket }) => socket.destroy()
  },
  {
    name: 'the client closes, and then somebody destroys',
    who: 'client',
    act: async ({ socket, hand }) => {
      socket.destroy()
      await until(() => hand.request.raw.aborted || hand.reply.raw.destroyed)
      hand.reply.raw.destroy()
    }
  },

  {
    name: 'closeAllConnections',
    who: 'others',
    act: ({ service }) => HttpServer.prototype.closeAllConnections.call(service.app.server)
  },
  {
    name: 'socket.destroy()',
    who: 'others',
    act: ({ hand }) => { socketOf(hand).destroy() }
  },
  {
    name: 'socket.destroy(error)',
    who: 'others',
    act: ({ hand }) => { socketOf(hand).destroy(new Error('enough')) }
  },
  {
    name: 'socket.destroy() with an error that looks like the network\'s',
    who: 'others',
    act: ({ hand }) => { socketOf(hand).destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })) }
  },
  {
    name: 'socket.destroy() with the error of an upstream',
    who: 'others',
    act: async ({ hand, upstream }) => { socketOf(hand).destroy(await upstream()) }
  },
  {
    name: 'socket.destroy() and an answer after it',
    who: 'others',
    act: ({ hand }) => { socketOf(hand).destroy(); hand.reply.send('x') }
  },
  {
    name: 'socket.resetAndDestroy()',
    who: 'others',
    act: ({ hand }) => { socketOf(hand).resetAndDestroy() }
  },
  {
    name: 'socket.end()',
    who: 'others',
    act: ({ hand }) => { socketOf(hand).end() }
  },
  {
    name: 'socket.end(), and destroy after it',
    who: 'others',
    act: async ({ hand }) => { const socket = socketOf(hand); socket.end(); await sleep(5); socket.destroy() }
  },
  {
    name: 'reply.raw.destroy()',
    who: 'others',
    act: ({ hand }) => { hand.reply.raw.destroy() }
  },
  {
    name: 'reply.raw.destroy() with the error of an upstream',
    who: 'others',
    act: async ({ hand, upstream }) => { hand.reply.raw.destroy(await upstream()) }
  },
  {
    name: 'request.raw.destroy() in the middle of the body',
    who: 'others',
    send: (wire) => wire.post('/body', ['Content-Type: text/plain', 'Content-Length: 10'], 'abc'),
    act: ({ service, hand }) => { void service; hand.request.raw.destroy() }
  },
  {
    name: 'a pipeline whose source breaks',
    who: 'others',
    act: async ({ hand, upstream }) => {
      const source = new PassThrough()
      const raw = hand.reply.hijack().raw
      raw.writeHead(200)
      pipeline(source, raw, () => {})
      source.write('x')
      source.destroy(await upstream())
    }
  },
  {
    name: 'a stream of Fastify\'s that breaks',
    who: 'others',
    act: ({ hand }) => {
      const source = new PassThrough()
      source.write('x')
      setTimeout(() => source.destroy(new Error('broken')), 10)
      hand.reply.send(source)
    }
  },
  {
    name: 'the timeout of connections',
    who: 'others',
    fastify: { connectionTimeout: 300 },
    act: () => {}
  },
  {
    name: 'closeAllConnections while a large answer is on its way',
    who: 'others',
    send: (wire) => { wire.send('GET /large'); wire.socket.pause() },
    act: ({ service, wire }) => {
      HttpServer.prototype.closeAllConnections.call(service.app.server)
      wire.socket.resume()
    }
  },
  {
    name: 'three in a row whose socket is destroyed',
    who: 'others',
    send: (wire) => wire.send('GET /slow', 'GET /slow', 'GET /slow'),
    count: 3,
    act: ({ hand }) => { socketOf(hand).destroy() }
  },
  {
    name: 'closeAllConnections over TLS',
    who: 'others',
    secure: true,
    act: ({ service }) => HttpServer.prototype.closeAllConnections.call(service.app.server)
  },
  {
    name: 'reply.raw.destroy() over TLS',
    who: 'others',
    secure: true,
    act: ({ hand }) => { hand.reply.raw.destroy() }
  },
  {
    name: 'socket.destroy() behind a unix socket',
    who: 'others',
    listen: { path }, to: { path },
    act: ({ hand }) => { socketOf(hand).destroy() }
  }
]

/** A service with a slow route, and what its handlers have in hand. */
async function start (
  t: Test,
  door: Gate,
  given: { fastify?: object, listen?: object } = {}
): Promise<{ service: Service, hands: InHand[] }> {
  const hands: InHand[] = []
  const service = await serve(t, {
    ...given,
    graceful: { drain: { idle: 200 }, announce: { shed: 'off' } },
    routes (app) {
      app.addHook('onRequest', (request, reply, done) => { hands.push({ request, reply }); done() })
      // The handler ends when the door opens: phase 3 waits for it, and its answer has nobody left.
      app.get('/slow', async (_request, reply) => { await door.promise; return reply.sent ? reply : 'slow' })
      app.post('/body', async () => 'body')
      app.get('/large', (_request, reply) => {
        reply.send(Readable.from(Array.from({ length: 300 }, () => Buffer.alloc(100_000))))
      })
    }
  })
  return { service, hands }
}

async function connectTo (
  { service, secure = false, to }: { service: Service, secure?: boolean | undefined, to?: object | undefined }
): Promise<{ wire: Wire, socket: Socket, tcp: Socket }> {
  if (!secure) {
    const wire = await open(to ?? service.port)
    return { wire, socket: wire.socket as Socket, tcp: wire.socket as Socket }
  }
  const tcp = connectTcp(service.port, '127.0.0.1')
  await once(tcp, 'connect')
  const secured = connectTls({ socket: tcp, rejectUnauthorized: false })
  await once(secured, 'secureConnect')
  return { wire: new Wire(secured), socket: secured, tcp }
}

for (const { name, who, fastify, secure, listen, to, send, act, count = 1 } of cases) {
  // Scenario (Connections): Who ended a request: its client (reset, end, timeout, no HTTP), or other code of the
  // process (`closeAllConnections`, `destroy`, a broken source)
  t.test(`by ${who}: ${name}`, async (t) => {
    const door = gate()
    const { service, hands } = await start(t, door, {
      fastify: { ...fastify, ...secure === true && { https: credentials } },
      ...listen && { listen }
    })
    const { wire, socket, tcp } = await connectTo({ service, secure, to })
    if (send === undefined) wire.send('GET /slow')
    else send(wire)
    await until(() => hands.length === count)
    const release = service.hold('draining')
    const end = service.shutdown()
    await service.reached('draining')
    await act({ wire, socket, tcp, service, hand: hands[0]!, upstream: brokenUpstream })
    await until(
      () => hands.every(({ reply }) => reply.raw.destroyed || reply.raw.socket === null || reply.raw.closed),
      'the end of the replies'
    )
    await sleep(20)
    door.open()
    release()
    const report = await end
    const { method, url } = hands[0]!.request
    t.strictSame(
      report.cut.byOthers.map((lost) => `${lost.method} ${lost.route}`),
      who === 'client' ? [] : Array.from({ length: count }, () => `${method} ${url}`)
    )
    for (const { age } of report.cut.byOthers) t.ok(age >= 0 && age < 10_000, `${age} ms old`)
    t.match(
      report,
      who === 'client'
        ? { verdict: 'clean', exitCode: 0, advice: [] }
        : { verdict: 'cut', exitCode: 1, cut: { requests: [] } }
    )
    if (who === 'others') {
      t.match(report.summary, count === 1 ? /1 request ended by others in this process/ : /3 requests ended by others/)
    }
    socket.destroy()
  })
}

interface Http2Case {
  name: string
  who: 'client' | 'others'
  act: (given: {
    session: ClientHttp2Session & { tcp: Socket },
    stream: ReturnType<ClientHttp2Session['request']>,
    hand: InHand
  }) => unknown
}

const streamOf = ({ reply }: InHand): {
  close: (code?: number) => void,
  destroy: (error?: Error) => void,
  session: { destroy: (error?: Error) => void }
} => (reply.raw as unknown as { stream: never }).stream

const http2Cases: Http2Case[] = [
  {
    name: 'the client resets its stream',
    who: 'client',
    act: ({ stream }) => stream.close(8)
  },
  {
    name: 'the client destroys its session',
    who: 'client',
    act: ({ session }) => session.destroy()
  },
  {
    name: 'the client\'s connection is reset',
    who: 'client',
    act: ({ session }) => { session.tcp.resetAndDestroy() }
  },
  {
    name: 'the client\'s connection ends',
    who: 'client',
    act: ({ session }) => { session.tcp.destroy() }
  },
  {
    name: 'stream.close() with a code',
    who: 'others',
    act: ({ hand }) => streamOf(hand).close(2)
  },
  {
    name: 'stream.destroy()',
    who: 'others',
    act: ({ hand }) => streamOf(hand).destroy()
  },
  {
    name: 'stream.destroy(error)',
    who: 'others',
    act: ({ hand }) => streamOf(hand).destroy(new Error('enough'))
  },
  {
    name: 'reply.raw.destroy()',
    who: 'others',
    act: ({ hand }) => { (hand.reply.raw as unknown as { destroy: () => void }).destroy() }
  },
  {
    name: 'session.destroy()',
    who: 'others',
    act: ({ hand }) => streamOf(hand).session.destroy()
  },
  {
    name: 'session.destroy(error)',
    who: 'others',
    act: ({ hand }) => streamOf(hand).session.destroy(new Error('enough'))
  }
]

for (const secure of [false, true]) {
  for (const { name, who, act } of http2Cases) {
    // Scenario, too: Who ended a request: its client…
    t.test(`HTTP/2${secure ? ' over TLS' : ''}, by ${who}: ${name}`, async (t) => {
      const door = gate()
      const { service, hands } = await start(t, door, { fastify: { http2: true, ...secure && { https: credentials } } })
      const tcp = connectTcp(service.port, '127.0.0.1')
      await once(tcp, 'connect')
      const carrier = secure ? connectTls({ socket: tcp, rejectUnauthorized: false, ALPNProtocols: ['h2'] }) : tcp
      if (secure) await once(carrier, 'secureConnect')
      const session = Object.assign(
        connectHttp2(`http${secure ? 's' : ''}://127.0.0.1:${service.port}`, { createConnection: () => carrier }),
        { tcp }
      )
      session.on('error', () => {})
      const complete = session.request({ ':path': '/' })
      complete.resume()
      await once(complete, 'end')
      const stream = session.request({ ':path': '/slow' })
      stream.on('error', () => {})
      await until(() => hands.length === 2)
      const release = service.hold('draining')
      const end = service.shutdown()
      await service.reached('draining')
      await act({ session, stream, hand: hands[1]! })
      await sleep(50)
      door.open()
      await until(() => service.status().requests.length === 0)
      release()
      const report = await end
      t.strictSame(
        report.cut.byOthers.map((lost) => `${lost.method} ${lost.route}`),
        who === 'client' ? [] : ['GET /slow']
      )
      t.match(report, who === 'client' ? { verdict: 'clean', exitCode: 0 } : { verdict: 'cut', exitCode: 1 })
      session.destroy()
    })
  }
}

// Scenario, too: Who ended a request: its client…
t.test('what others end while the service runs, or as a stream, is nobody\'s loss', async (t) => {
  const door = gate()
  const { service, hands } = await start(t, door)
  service.app.server.on('request', () => {})
  const before = await open(service.port)
  before.send('GET /slow')
  await until(() => hands.length === 1)
  socketOf(hands[0]!).destroy()
  await before.end()
  const stream = await open(service.port)
  stream.send('GET /slow')
  await until(() => hands.length === 2)
  hands[1]!.reply.hijack().raw.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: x\n\n')
  const release = service.hold('draining')
  const end = service.shutdown()
  await service.reached('draining')
  hands[1]!.reply.raw.destroy()
  await stream.end()
  door.open()
  release()
  t.match(await end, { verdict: 'clean', exitCode: 0, cut: { byOthers: [], connections: [] } })
})

interface IdleCase {
  name: string
  /** Begins before the signal; what it answers is done in phase 1. */
  before: (wire: Wire) => unknown
  during?: (wire: Wire) => unknown
  lost: { method?: string, route?: string } | undefined
  secure?: boolean
  shed?: 'immediate' | 'off'
  idle?: number
}

const probing = ['User-Agent: kube-probe/1.31']
const idleCases: IdleCase[] = [
  {
    name: 'a request that ended in phase 1',
    before: () => {},
    during: (wire) => wire.send('GET /').reply(),
    lost: { method: 'GET', route: '/' }
  },
  {
    name: 'several of them, of which the last counts',
    before: (wire) => wire.send('GET /').reply(),
    during: async (wire) => {
      await wire.send('GET /nowhere').reply()
      await wire.post('/body', ['Content-Type: text/plain', 'Content-Length: 1'], 'x').reply()
    },
    lost: { method: 'POST', route: '/body' }
  },
  {
    name: 'a request that ended just before the signal',
    before: (wire) => wire.send('GET /').reply(),
    lost: {}
  },
  {
    name: 'a request that began before the signal',
    before: async (wire) => { wire.send('GET /soon'); await sleep(30) },
    during: (wire) => wire.reply(),
    lost: { method: 'GET', route: '/soon' }
  },
  {
    name: 'over TLS',
    before: (wire) => wire.send('GET /').reply(),
    during: (wire) => wire.send('GET /').reply(),
    lost: { method: 'GET', route: '/' },
    secure: true
  },
  {
    name: 'one that was told to go',
    before: () => {},
    during: (wire) => wire.send('GET /').reply(),
    lost: undefined,
    shed: 'immediate'
  },
  {
    name: 'one that its handler told to go',
    before: () => {},
    during: (wire) => wire.send('GET /closes').reply(),
    lost: undefined
  },
  {
    name: 'one that its client has closed',
    before: (wire) => wire.send('GET /').reply(),
    during: async (wire) => { await wire.send('GET /').reply(); wire.socket.destroy() },
    lost: undefined
  },
  {
    name: 'a probe',
    before: (wire) => wire.sendWith(probing, 'GET /').reply(),
    during: (wire) => wire.sendWith(probing, 'GET /').reply(),
    lost: undefined
  },
  {
    name: 'one that never sent a request',
    before: () => {},
    lost: undefined
  },
  {
    name: 'one that was idle for long enough',
    before: (wire) => wire.send('GET /').reply(),
    during: (wire) => wire.send('GET /').reply(),
    lost: undefined,
    idle: 300
  }
]

// Scenario (Connections): A connection that has just carried a request when the time is over
t.test('connections at the cap of draining', { jobs: 6 }, async (t) => {
  for (const { name, before, during, lost, secure = false, shed = 'off', idle = 10_000 } of idleCases) {
    t.test(`${lost === undefined ? 'not lost' : 'lost'}: ${name}`, async (t) => {
      const service = await serve(t, {
        fastify: secure ? { https: credentials } : {},
        graceful: { gracePeriod: 3000, drain: { idle }, announce: { shed, quiet: 50 } },
        routes (app) {
          app.post('/body', async () => 'body')
          app.get('/closes', async (_request, reply) => reply.header('connection', 'close').send('x'))
          app.get('/soon', async () => { await sleep(100); return 'soon' })
        }
      })
      const { wire, socket } = await connectTo({ service, secure })
      await before(wire)
      const release = service.hold('announcing')
      const end = service.shutdown()
      await service.reached('announcing')
      await until(() => Date.now() - service.status().since > 60)
      await during?.(wire)
      release()
      const { cut, verdict, exitCode, advice, summary } = await end
      if (lost === undefined) {
        t.match(
          { cut, verdict, exitCode, advice },
          { cut: { connections: [] }, verdict: 'clean', exitCode: 0, advice: [] }
        )
      } else {
        t.match({ cut, verdict, exitCode, summary }, {
          cut: { connections: [{ ...lost, address: /127\.0\.0\.1$/ }], requests: [], byOthers: [] },
          verdict: 'cut',
          exitCode: 1,
          summary: /1 connection cut soon after a request/
        })
        t.ok(cut.connections[0]!.age >= 0 && cut.connections[0]!.age < 4000, `${cut.connections[0]!.age} ms`)
        t.match(advice, [/^1 connection was cut \d+ ms or more after the last answer.*raise the grace period/])
      }
      socket.destroy()
    })
  }
})

// Scenario, too: A connection that has just carried a request when…
t.test('a session that was told with a GOAWAY is not lost at the cap', async (t) => {
  const service = await serve(t, {
    fastify: { http2: true },
    graceful: { gracePeriod: 3000, drain: { idle: 10_000 }, announce: { shed: 'off', quiet: 50 } }
  })
  const stop = service.app.graceful.stall('to the cap', (phase) => phase === 'draining')
  void stop
  const session = connectHttp2(`http://127.0.0.1:${service.port}`)
  session.on('error', () => {})
  const request = session.request({ ':path': '/' })
  request.resume()
  await once(request, 'end')
  t.match(await service.shutdown(), { cut: { connections: [], byOthers: [], waiting: ['to the cap'] } })
  session.destroy()
})
