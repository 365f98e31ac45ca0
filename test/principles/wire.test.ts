// P1: from the ramp on, the head of every reply says what was decided, whoever wrote headers before.
import { createServer } from 'node:http'
import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import compress from '@fastify/compress'
import proxy from '@fastify/http-proxy'
import replyFrom from '@fastify/reply-from'
import type { FastifyInstance, FastifyReply } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { pipeline, stream } from 'undici'
import { credentials, gate, open, serve, until, Wire } from '../traffic/support.ts'
import type { Service } from '../traffic/support.ts'

/** An upstream that insists on keeping its connections, as Node's servers do. */
async function serveUpstream (t: Test): Promise<string> {
  const server: Server = createServer((_request, response) => {
    response.writeHead(200, { connection: 'keep-alive', 'keep-alive': 'timeout=5' }).end('upstream')
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Way {
  name: string
  /** What the handler does; without one the path leads nowhere, or somewhere else. */
  handler?: (reply: FastifyReply, raw: ServerResponse, upstream: string) => unknown
  /** What is sent; `GET` of its own path by default. */
  send?: (wire: Wire, path: string) => unknown
  status?: number
  /** What else the head says, as lines in lower case. */
  lines?: string[]
  body?: string | RegExp
  /** Not counted: the client ended by itself, or what came was no request. */
  uncounted?: boolean
}

const kept = { connection: 'keep-alive', 'keep-alive': 'timeout=72' }
const hijack = (reply: FastifyReply): ServerResponse => reply.hijack().raw

const ways: Way[] = [
  {
    name: 'a value',
    handler: () => 'x'
  },
  {
    name: 'reply.header',
    handler: (reply) => reply.header('connection', 'keep-alive').send('x')
  },
  {
    name: 'reply.headers in capitals',
    handler: (reply) => reply.headers({ Connection: 'Keep-Alive', 'Keep-Alive': 'timeout=5' }).send('x')
  },
  {
    name: 'raw.setHeader',
    handler: (reply, raw) => { raw.setHeader('CONNECTION', 'keep-alive'); return reply.send('x') }
  },
  {
    name: 'raw.setHeaders with Headers',
    handler: (_reply, raw) => { raw.setHeaders(new Headers(kept)); return 'x' }
  },
  {
    name: 'raw.setHeaders with a Map',
    handler: (_reply, raw) => { raw.setHeaders(new Map(Object.entries(kept))); return 'x' }
  },
  {
    name: 'raw.appendHeader',
    handler: (_reply, raw) => {
      raw.appendHeader('connection', 'keep-alive').appendHeader('connection', 'x-hop')
      return 'x'
    },
    lines: ['connection: close, x-hop']
  },
  {
    name: 'several values at once',
    handler: (_reply, raw) => {
      raw.setHeader('connection', ['keep-alive', 'Upgrade']).setHeader('upgrade', 'h2c')
      return 'x'
    },
    lines: ['connection: close, upgrade', 'upgrade: h2c']
  },
  {
    name: 'a header that was removed',
    handler: (_reply, raw) => { raw.removeHeader('connection'); return 'x' }
  },
  {
    name: 'writeHead with an object',
    handler: (reply) => { hijack(reply).writeHead(200, { ...kept, 'X-One': '1' }).end('x') },
    lines: ['x-one: 1']
  },
  {
    name: 'writeHead with a message and an object',
    handler: (reply) => { hijack(reply).writeHead(200, 'Fine', kept).end('x') }
  },
  {
    name: 'writeHead with a flat array and duplicates',
    handler: (reply) => {
      hijack(reply).writeHead(
        200,
        ['Connection', 'keep-alive', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'KEEP-ALIVE', 'timeout=1'] as never
      ).end('x')
    },
    lines: ['set-cookie: a=1', 'set-cookie: b=2']
  },
  {
    name: 'writeHead with a message and a nested array',
    handler: (reply) => {
      hijack(reply)
        .writeHead(200, 'Fine', [['connection', 'keep-alive'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2']] as never)
        .end('x')
    },
    lines: ['set-cookie: a=1', 'set-cookie: b=2']
  },
  {
    name: 'setHeader and then writeHead',
    handler: (reply) => {
      const raw = hijack(reply)
      raw.setHeader('Connection', 'close')
      raw.setHeader('Set-Cookie', ['a=1', 'b=2'])
      raw.writeHead(200, { Connection: 'keep-alive' }).end('x')
    },
    lines: ['set-cookie: a=1', 'set-cookie: b=2']
  },
  {
    name: 'an own close',
    handler: (reply) => reply.header('connection', 'close').send('x')
  },
  {
    name: 'flushHeaders',
    handler: (reply) => {
      const raw = hijack(reply)
      raw.setHeader('connection', 'keep-alive')
      raw.flushHeaders()
      setTimeout(() => raw.end('x'), 5)
    }
  },
  {
    name: 'a head that is written long before its body',
    handler: (reply) => { const raw = hijack(reply); raw.writeHead(200, kept); setTimeout(() => raw.end('x'), 20) }
  },
  {
    name: 'writeHead wrapped by the handler',
    handler: (reply) => {
      const raw = hijack(reply)
      const { writeHead } = raw
      raw.writeHead = function wrapped (this: ServerResponse, status: number) {
        this.setHeader('connection', 'keep-alive')
        return writeHead.call(this, status, { 'keep-alive': 'timeout=9' })
      }
      raw.end('x')
    }
  },
  {
    name: 'writeHead of the prototype',
    handler: (reply) => {
      const raw = hijack(reply)
      ;(Object.getPrototypeOf(raw) as ServerResponse).writeHead.call(raw, 200, kept).end('x')
    }
  },
  {
    name: 'informational heads before',
    handler: (reply) => {
      const raw = hijack(reply)
      raw.writeProcessing()
      raw.writeEarlyHints({ link: '</a.css>; rel=preload' })
      raw.writeContinue()
      raw.writeHead(200, kept).end('x')
    }
  },
  {
    name: 'an onSend hook',
    handler: (reply) => reply.header('x-keep', '1').send('x')
  },
  {
    name: 'a stream',
    handler: (reply) => reply.header('connection', 'keep-alive').send(Readable.from(['x', 'y'])),
    body: /x[^]*y/
  },
  {
    name: 'a web response',
    handler: () => new Response('x', { headers: kept })
  },
  {
    name: 'an event stream that ends',
    handler: (reply) => {
      const raw = hijack(reply)
      raw.writeHead(200, { 'content-type': 'text/event-stream', ...kept })
      raw.write('data: x\n\n')
      setTimeout(() => raw.end(), 5)
    },
    body: 'data: x\n\n'
  },
  {
    name: 'HEAD',
    handler: (reply) => reply.header('connection', 'keep-alive').send('x'),
    send: (wire, path) => wire.send(`HEAD ${path}`),
    body: ''
  },
  {
    name: '204',
    handler: (reply) => reply.code(204).header('connection', 'keep-alive').send(),
    status: 204,
    body: ''
  },
  {
    name: '304',
    handler: (reply) => reply.code(304).header('connection', 'keep-alive').send(),
    status: 304,
    body: ''
  },
  {
    name: '426 with its upgrade',
    handler: (reply) => reply.code(426).headers({ connection: 'upgrade', upgrade: 'websocket' }).send('x'),
    status: 426,
    lines: ['connection: close, upgrade', 'upgrade: websocket']
  },
  {
    name: 'a thrown error',
    handler: (reply) => { reply.header('connection', 'keep-alive'); throw new Error('thrown') },
    status: 500,
    body: ''
  },
  {
    name: '404',
    status: 404,
    body: ''
  },
  {
    name: 'a bad URL',
    send: (wire) => wire.send('GET /%zz'),
    status: 400,
    body: ''
  },
  {
    name: 'a hook before ours',
    send: (wire) => wire.send('GET /early'),
    status: 401,
    body: 'early'
  },
  {
    name: 'Expect: 100-continue',
    handler: (reply) => reply.headers(kept).send('x'),
    send: (wire, path) =>
      wire.post(path, ['Content-Type: text/plain', 'Expect: 100-continue', 'Content-Length: 3'], 'abc')
  },
  {
    name: 'an expectation that nobody knows',
    send: (wire) => wire.sendWith(['Expect: the-unexpected'], 'GET /'),
    status: 417,
    body: ''
  },
  {
    name: 'HTTP/1.0 that asks to be kept',
    handler: (reply) => reply.headers(kept).send('x'),
    send: (wire, path) => wire.write(`GET ${path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`)
  },
  {
    name: 'a client that ends by itself',
    handler: (reply) => reply.headers(kept).send('x'),
    send: (wire, path) => wire.sendWith(['Connection: close'], `GET ${path}`),
    uncounted: true
  },
  {
    name: 'what is no HTTP',
    send: (wire) => wire.write('NONSENSE\r\n\r\n'),
    status: 400,
    body: '',
    uncounted: true
  },
  {
    name: 'a head that is too long',
    send: (wire) => wire.sendWith([`X-Long: ${'x'.repeat(20_000)}`], 'GET /'),
    status: 431,
    body: '',
    uncounted: true
  },
  {
    name: '@fastify/http-proxy',
    send: (wire) => wire.send('GET /proxied/x'),
    body: 'upstream'
  },
  {
    name: '@fastify/reply-from',
    handler: (reply, _raw, upstream) => reply.from(`${upstream}/`),
    body: 'upstream'
  },
  {
    name: '@fastify/compress',
    handler: (reply) => reply.headers(kept).type('text/plain').send('x'.repeat(5000)),
    send: (wire, path) => wire.sendWith(['Accept-Encoding: gzip'], `GET ${path}`),
    lines: ['content-encoding: gzip'],
    body: ''
  },
  {
    name: 'undici.stream into raw',
    handler: async (reply, _raw, upstream) => {
      const raw = hijack(reply)
      await stream(
        upstream,
        { method: 'GET' },
        ({ statusCode, headers }) => raw.writeHead(statusCode, { ...headers, connection: 'keep-alive' })
      )
    },
    body: 'upstream'
  },
  {
    name: 'undici.pipeline into raw',
    handler: (reply, _raw, upstream) => {
      const raw = hijack(reply)
      pipeline(upstream, { method: 'GET' }, ({ statusCode, headers, body }) => {
        raw.writeHead(statusCode, { ...headers, connection: 'keep-alive' })
        return body
      }).end().pipe(raw)
    },
    body: 'upstream'
  }
]

const pathOf = ({ name }: Way): string => `/${name.replaceAll(/[^a-zA-Z0-9]+/g, '-')}`

function routes (upstream: string): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    await app.register(compress, { global: false, customTypes: /text\/plain/, threshold: 100 })
    await app.register(replyFrom as never, {})
    await app.register(proxy, { upstream, prefix: '/proxied' })
    app.addHook('onSend', async (_request, reply) => {
      if (reply.getHeader('x-keep') !== undefined) reply.headers(kept)
    })
    app.setNotFoundHandler((_request, reply) => { reply.code(404).header('connection', 'keep-alive').send('nowhere') })
    for (const way of ways) {
      const { handler } = way
      if (handler === undefined) continue
      app.route({
        method: ['GET', 'POST'],
        url: pathOf(way),
        handler: (_request: unknown, reply: FastifyReply) => handler(reply, reply.raw, upstream),
        ...(way.name === '@fastify/compress' ? { compress: { threshold: 100 } } : {})
      } as never)
    }
  }
}

/** A service with a hook that answers before the plugin's own is asked. */
async function start (t: Test, given: { graceful?: object, fastify?: object } = {}): Promise<Service> {
  const upstream = await serveUpstream(t)
  return serve(t, {
    graceful: { announce: { shed: 'immediate' }, drain: { idle: 10_000 }, ...given.graceful },
    fastify: given.fastify ?? {},
    first: (app) => {
      app.addHook('onRequest', (request, reply, done) => {
        if (request.url === '/early') reply.headers(kept).code(401).send('early')
        else done()
      })
    },
    routes: routes(upstream)
  })
}

/** The final head on the wire, in lower case, line by line. */
async function headOf (wire: Wire): Promise<string[]> {
  const head = (): string | undefined => wire.text.match(/HTTP\/1\.1 [2-5](?:.*\r\n)+?\r\n/)?.[0]
  await until(() => head() !== undefined || wire.closed, 'a head')
  return (head() ?? '').trimEnd().toLowerCase().split('\r\n')
}

async function ask (t: Test, wire: Wire, way: Way): Promise<void> {
  if (way.send === undefined) wire.send(`GET ${pathOf(way)}`)
  else way.send(wire, pathOf(way))
  const head = await headOf(wire)
  t.match(head[0], `http/1.1 ${way.status ?? 200}`, `${way.name}: ${head[0]}`)
  const said = head.filter((line) => line.startsWith('connection:'))
  t.strictSame(
    said,
    [way.lines?.find((line) => line.startsWith('connection:')) ?? 'connection: close'],
    `${way.name}: told, once`
  )
  t.notOk(head.some((line) => line.startsWith('keep-alive:')), `${way.name}: and nothing against it`)
  for (const line of way.lines ?? []) t.equal(head.filter((other) => other === line).length, 1, `${way.name}: ${line}`)
  await wire.end()
  if (way.body !== '') t.match(wire.text, way.body ?? 'x', `${way.name}: answered`)
  t.equal(wire.error, undefined, `${way.name}: in order`)
}

// Scenario (Connections): The head of each reply says close, whoever wrote headers before: handlers, hooks,
// `writeHead`, proxies, compression (http4s#7956, node-http-proxy#1488)
t.test('in phase 1 and in phase 3 every head says close, and who was told is counted', async (t) => {
  for (const phase of ['announcing', 'draining'] as const) {
    const service = await start(t)
    const wires = await Promise.all(ways.map(async () => open(service.port)))
    // Each connection has carried a request before.
    for (const wire of wires) t.match(await wire.send('GET /').reply(), { headers: { connection: 'keep-alive' } })
    const release = service.hold(phase)
    const end = service.shutdown()
    await service.reached(phase)
    await until(() => Date.now() - service.status().since > 60)
    for (const [index, way] of ways.entries()) await ask(t, wires[index]!, way)
    release()
    const { traffic, verdict, cut } = await end
    t.equal(verdict, 'clean', JSON.stringify(cut))
    t.equal(traffic.shed, ways.filter(({ uncounted }) => uncounted !== true).length, phase)
  }
})

// Scenario, too: The head of each reply says close…
t.test('while running, and after an undone drain, nothing is changed', async (t) => {
  const service = await start(t, { graceful: { admin: { token: 'a-token-of-the-test' } } })
  const insisting = ways.find(({ name }) => name === 'writeHead with a flat array and duplicates')!
  const order = async (what: string): Promise<void> => {
    t.equal((await service.app.inject({
      method: 'POST',
      url: `/-/${what}`,
      headers: { authorization: 'Bearer a-token-of-the-test' }
    })).statusCode, 200)
  }
  const asks = async (): Promise<void> => {
    const wire = await open(service.port)
    for (let index = 0; index < 3; index++) {
      t.match(await wire.send(`GET ${pathOf(insisting)}`).reply(), {
        status: 200,
        headers: { connection: 'keep-alive', 'keep-alive': 'timeout=1' }
      })
    }
    wire.socket.destroy()
  }
  await asks()
  await order('drain')
  await until(() => Date.now() - service.status().since > 60)
  const told = await open(service.port)
  t.match(await told.send(`GET ${pathOf(insisting)}`).reply(), { headers: { connection: 'close' } })
  await order('undrain')
  await asks()
})

/** Kinds of connection: the head is the same on all of them. */
const transports: Array<{
  name: string,
  fastify?: object,
  listen?: object,
  to: (service: Service) => number | object,
  secure?: boolean
}> = [
  {
    name: 'TLS',
    fastify: { https: credentials },
    to: ({ port }) => port,
    secure: true
  },
  {
    name: 'HTTP/1 on a server of HTTP/2',
    fastify: { http2: true, https: { ...credentials, allowHTTP1: true } },
    to: ({ port }) => port,
    secure: true
  },
  {
    name: 'IPv6',
    listen: { port: 0, host: '::1' },
    to: ({ port }) => ({ port, host: '::1' })
  },
  {
    name: 'the second listener of localhost',
    listen: { port: 0, host: 'localhost' },
    to: ({ app }) => {
      const { address, port } = app.addresses().at(-1) as AddressInfo
      return { host: address, port }
    }
  },
  {
    name: 'a unix socket',
    listen: { path: `/tmp/fastify-graceful-wire-${process.pid}.sock` },
    to: () => ({ path: `/tmp/fastify-graceful-wire-${process.pid}.sock` })
  }
]

for (const { name, fastify, listen, to, secure = false } of transports) {
  // Scenario, too: The head of each reply says close…
  t.test(`told over ${name}`, async (t) => {
    const service = await serve(t, {
      graceful: { announce: { shed: 'immediate' } },
      ...fastify && { fastify },
      ...listen && { listen },
      routes (app) {
        app.get('/insists', async (_request, reply) => reply.headers(kept).send('x'))
      }
    })
    const wire = secure
      ? new Wire(
        connectTls({ port: service.port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
      )
      : await open(to(service))
    t.match(await wire.send('GET /insists').reply(), { headers: { connection: 'keep-alive' } })
    const release = service.hold('announcing')
    const end = service.shutdown()
    await until(() => service.status().phase === 'announcing' && Date.now() - service.status().since > 60)
    t.match(await wire.send('GET /insists').reply(), { status: 200, headers: { connection: 'close' } })
    await wire.end()
    release()
    t.match(await end, { verdict: 'clean', traffic: { shed: 1 } })
  })
}

/** How pipelined requests come, and how their handlers answer: none may be lost, and the last alone may say close. */
const rows: Array<{ name: string, paths: string[], apart?: boolean }> = [
  { name: 'all at once to a synchronous handler', paths: ['/sync', '/sync', '/sync'] },
  { name: 'all at once, each after the other', paths: ['/slow', '/fast', '/fast'] },
  { name: 'a successor of a reply that waits for its turn', paths: ['/slow', '/fast', '/fast'], apart: true },
  { name: 'a successor of a head that is not flushed', paths: ['/stored', '/fast'], apart: true },
  { name: 'a successor of a head stored by writeHead with an array', paths: ['/stored-array', '/sync'], apart: true },
  { name: 'a successor of a successor', paths: ['/slow', '/stored', '/fast', '/sync'], apart: true },
  { name: 'a bad URL among them', paths: ['/sync', '/%zz', '/sync'] },
  { name: 'bad URLs alone', paths: ['/%zz', '/%zy', '/sync'] },
  { name: 'a hook before ours answers', paths: ['/early', '/early', '/sync'] }
]

for (const { name, paths, apart = false } of rows) {
  // Scenario (Connections): Pipelined requests whose predecessor would have closed their connection
  t.test(`pipelined: ${name}`, async (t) => {
    for (const phase of ['announcing', 'draining'] as const) {
      const door = gate()
      let heads = 0
      const service = await serve(t, {
        graceful: { announce: { shed: 'immediate' }, drain: { idle: 10_000 } },
        first: (app) => {
          app.addHook('onRequest', (request, reply, done) => {
            if (request.url === '/early') reply.headers(kept).send('early')
            else done()
          })
        },
        routes (app) {
          app.addHook('onRequest', (_request, _reply, done) => { heads++; done() })
          app.get('/sync', (_request, reply) => { reply.headers(kept).send('sync') })
          app.get('/fast', async (_request, reply) => reply.headers(kept).send('fast'))
          app.get('/slow', async () => { await door.promise; return 'slow' })
          for (const [path, given] of [['/stored', kept], ['/stored-array', Object.entries(kept).flat()]] as const) {
            app.get(path, (_request, reply) => {
              const raw = hijack(reply)
              raw.writeHead(200, given as never)
              void door.promise.then(() => raw.end('stored'))
            })
          }
        }
      })
      const wire = await open(service.port)
      await wire.send('GET /').reply()
      const release = service.hold(phase)
      const end = service.shutdown()
      await service.reached(phase)
      await until(() => Date.now() - service.status().since > 60)
      heads = 0
      if (apart) {
        for (const [index, path] of paths.entries()) {
          wire.send(`GET ${path}`)
          await until(() => heads === index + 1)
          // Its handler has answered, as far as it can.
          await sleep(20)
        }
      } else wire.send(...paths.map((path) => `GET ${path}`))
      door.open()
      const said: Array<string | undefined> = []
      for (const path of paths) {
        const { status, headers, body } = await wire.reply()
        t.equal(status, path.startsWith('/%') ? 400 : 200, `${phase}: ${path}`)
        if (status === 200) t.equal(body.toString(), path.split(/[/-]/)[1], `${phase}: ${path}`)
        said.push(headers['connection'])
      }
      t.strictSame(said, [...paths.slice(1).map(() => 'keep-alive'), 'close'], phase)
      await wire.end()
      release()
      t.match(await end, { verdict: 'clean', traffic: { shed: 1 } })
    }
  })
}

// Scenario, too: Connections are told little by little
t.test('a connection draws once: a busy pool is told over the whole ramp', async (t) => {
  const service = await serve(t, { graceful: { announce: { min: 2000 } } })
  const release = service.hold('announcing')
  const wires = await Promise.all(Array.from({ length: 60 }, async () => open(service.port)))
  for (const wire of wires) await wire.send('GET /').reply()
  const end = service.shutdown()
  await service.reached('announcing')
  const told: number[] = []
  await Promise.all(wires.map(async (wire) => {
    // A hundred requests a second: drawn per reply, half of all would be told within a tenth of a second or two.
    for (;;) {
      const { headers } = await wire.send('GET /').reply()
      if (headers['connection'] === 'close') break
      await sleep(10)
    }
    told.push(Date.now() - service.status().since)
  }))
  release()
  told.sort((a, b) => a - b)
  t.equal((await end).traffic.shed, 60)
  t.comment(`told: first ${told[0]}, median ${told[30]}, last ${told[59]} ms of 2000`)
  // Sixty draws of a share: four standard deviations are 26 percent.
  t.ok(told[30]! > 480, 'half of them in the middle of the ramp or later')
  t.ok(told[50]! > 1000, 'and many late')
})

t.test('who left before the head was out is not counted as told', async (t) => {
  const door = gate()
  const service = await serve(t, { graceful: { announce: { shed: 'immediate' } }, routes (app) {
    app.get('/slow', async () => { await door.promise; return 'slow' })
    app.get('/head', (_request, reply) => { hijack(reply).writeHead(200, kept).flushHeaders() })
  } })
  const gone = (await open(service.port)).send('GET /slow')
  const half = (await open(service.port)).send('GET /head')
  await until(() => service.status().requests.length === 2)
  const release = service.hold('announcing')
  const end = service.shutdown()
  await service.reached('announcing')
  gone.socket.destroy()
  half.socket.destroy()
  await until(() => service.status().connections['open'] === 0)
  door.open()
  await until(() => Date.now() - service.status().since > 60)
  release()
  t.match(await end, { traffic: { shed: 0 } })
})
