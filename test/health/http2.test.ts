import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:http2'
import { get } from 'node:http'
import { createServer } from 'node:http2'
import type { Http2Server } from 'node:http2'
import { connect as connectPlainly } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import graceful from '../../lib/index.ts'
import type { GracefulOptions } from '../../lib/index.ts'
import { fork } from '../process/fork.ts'

const folder = mkdtempSync(join(tmpdir(), 'fastify-graceful-http2-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
execFileSync(
  'openssl',
  [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1', '-subj',
    '/CN=localhost', '-keyout', join(folder, 'key'), '-out', join(folder, 'cert')
  ],
  { stdio: 'ignore' }
)
const https = { key: readFileSync(join(folder, 'key')), cert: readFileSync(join(folder, 'cert')) }

interface Line { level: number, event?: string, msg: string }

async function start (server: object, options: GracefulOptions): Promise<{ app: FastifyInstance, lines: Line[] }> {
  const lines: Line[] = []
  const app = Fastify({
    ...server,
    logger: { level: 'info', stream: { write: (line: string) => { lines.push(JSON.parse(line) as Line) } } }
  })
  await app.register(graceful, { exit: false, crash: false, ...options })
  const heard = new Promise<void>((resolve) => { app.addHook('onListen', async () => resolve()) })
  await app.listen({ port: 0, host: '127.0.0.1' })
  await heard
  return { app, lines }
}

// Scenario (Health): HTTP/2 without TLS, and probes over HTTP/1.1
t.test('a server of HTTP/2 without TLS that answers no probe over HTTP/1.1 says at boot who does', async (t) => {
  const factory = { serverFactory: (handler: never): Http2Server => createServer({}, handler), http2: true }
  // As where somebody has put something over what Node does with a connection.
  const hidden = {
    serverFactory (handler: never): Http2Server {
      const server = createServer({}, handler)
      const [speak] = server.listeners('connection')
      server.removeAllListeners('connection').on('connection', (socket) => speak!.call(server, socket))
      return server
    },
    http2: true
  }
  const rows: Array<[name: string, server: object, options: GracefulOptions, said: number]> = [
    ['HTTP/2 without TLS', { http2: true }, {}, 0],
    ['of a factory', factory, {}, 0],
    ['a connection that is hidden', hidden, {}, 40],
    ['with a watchdog that has no port', hidden, { watchdog: { enabled: true } }, 40],
    ['with a port of its own', hidden, { watchdog: { port: 0, host: '127.0.0.1' } }, 30],
    ['without probes', hidden, { probes: false }, 0],
    ['HTTP/2 with TLS, which a kubelet speaks', { http2: true, https }, {}, 0],
    ['HTTP/2 and HTTP/1.1 with TLS', { http2: true, https: { ...https, allowHTTP1: true } }, {}, 0],
    ['TLS', { https }, {}, 0],
    ['HTTP/1.1', {}, {}, 0]
  ]
  for (const [name, server, options, said] of rows) {
    const { app, lines } = await start(server, options)
    const told = lines.filter(({ event }) => event === 'graceful.http2')
    t.equal(told.length, said === 0 ? 0 : 1, name)
    if (said > 0) {
      const where = said === 30 ? 'answered on the port of the watchdog' : 'watchdog\\.port'
      const msg = new RegExp(`^fastify-graceful: this server speaks HTTP/2 without TLS .*${where}`)
      t.match(told[0], { level: said, msg }, name)
    }
    await app.close()
  }
})

/** Asks as a kubelet does. */
async function probe (port: number): Promise<number | string> {
  return new Promise((resolve) => {
    const request = get({
      port,
      host: '127.0.0.1',
      path: '/readyz',
      headers: { 'user-agent': 'kube-probe/1.36' },
      timeout: 2000
    }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.once('timeout', () => request.destroy(new Error('no answer')))
    request.once('error', () => resolve('no answer'))
  })
}

// Scenario, too: HTTP/2 without TLS, and probes over HTTP/1.1
t.test('probes over HTTP/1.1 are answered there, too, in every phase, and on the port of the watchdog', async (t) => {
  const service = fork('parent.js', {
    given: { server: { http2: true }, options: { watchdog: { port: 0, host: '127.0.0.1' } } }
  })
  t.teardown(() => service.kill('SIGKILL'))
  const [, port, watchdog] = (await service.waitForLine(/^ports (\d+) (\d+)$/m)).map(Number) as [number, number, number]
  t.equal(await probe(port), 200)
  t.equal(await probe(watchdog), 200)
  const session = connect(`http://127.0.0.1:${port}`)
  const code = await new Promise((resolve, reject) => {
    session.once('error', reject)
    session.request({ ':path': '/readyz' }).once('response', (headers) => resolve(headers[':status'])).resume()
  })
  session.close()
  t.equal(code, 200, 'over HTTP/2 the application answers itself')
  service.kill('SIGTERM')
  t.equal((await service.result)[0], 0)
})

/** What is answered to some bytes, piece by piece, until the connection ends; whoever gets no end leaves by himself. */
async function say (port: number, ...pieces: Array<string | Buffer>): Promise<string> {
  const socket = connectPlainly(port, '127.0.0.1').setNoDelay()
  let answer = ''
  socket.on('data', (data: Buffer) => {
    answer += data.toString('latin1')
    // The settings of HTTP/2.
    if (answer.startsWith('\0')) socket.destroy()
  }).on('error', () => {})
  const closed = new Promise((resolve) => { socket.once('close', resolve) })
  for (const piece of pieces) {
    socket.write(piece)
    await new Promise((resolve) => { setTimeout(resolve, 20) })
  }
  await closed
  return answer
}

// Scenario, too: HTTP/2 without TLS, and probes over HTTP/1.1
t.test('what is no probe of HTTP/1.1 is what it was', async (t) => {
  const lines: string[] = []
  const stream = { write: (line: string) => { lines.push(line) } }
  const app = Fastify({ http2: true, logger: { level: 'warn', stream } })
  await app.register(graceful, {
    exit: false, crash: false, probes: { prefix: '/health', external: { path: '/balancer' } }
  })
  let asked = 0
  app.addHook('onRequest', async (request, reply) => {
    if (request.headers['x-no'] === '1') await reply.code(403).send('no')
  })
  app.get('/', async () => { asked++ })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const rest = ' HTTP/1.1\r\nHost: localhost\r\n\r\n'
  for (const line of [
    'GET /health/readyz', 'HEAD /health/livez', 'OPTIONS /health/livez', 'GET /balancer', 'GET /health/readyz?verbose'
  ]) {
    const answer = await say(port, `${line}${rest}`)
    t.match(answer, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n/, line)
  }
  t.match(await say(port, 'GET /health/readyz/none HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 404 /)
  const refused = await say(port, 'GET /health/livez HTTP/1.1\r\nHost: localhost\r\nX-No: 1\r\n\r\n')
  t.match(refused, /^HTTP\/1\.1 403 /, 'hooks')
  t.match(await say(port, 'GET /health/livez HTTP/1.1\r\nHost:', ' localhost\r\n\r\n'), /^HTTP\/1\.1 200 /, 'in pieces')
  for (const line of ['GET /', 'POST /health/livez', 'GET /health/livezz', 'GET /livez', 'GET /%68ealth/livez']) {
    t.match(await say(port, `${line}${rest}`), /^\0\0/, `${line}: frames of HTTP/2`)
  }
  const two = await say(port, `GET /health/livez${rest}GET /${rest}`)
  t.notMatch(two, /HTTP[^]*HTTP/, 'no second question')
  t.match(await say(port, 'PRI * HT', 'TP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'), /^\0\0/, 'HTTP/2 in pieces')
  const session = connect(`http://127.0.0.1:${port}`)
  const code = await new Promise((resolve, reject) => {
    session.once('error', reject)
    session.request({ ':path': '/' }).once('response', (headers) => resolve(headers[':status'])).resume()
  })
  t.equal(code, 200)
  t.equal(asked, 1, 'of all these one')
  session.close()

  const silent = connectPlainly(port, '127.0.0.1')
  const closed = new Promise((resolve) => { silent.once('close', resolve) })
  silent.on('error', () => {}).resume()
  const gone: Socket = connectPlainly(port, '127.0.0.1')
  gone.on('error', () => {}).once('connect', () => gone.resetAndDestroy())
  await new Promise((resolve) => { gone.once('close', resolve) })
  while (app.graceful.status().connections['open'] !== 1) await new Promise((resolve) => { setImmediate(resolve) })
  const startedAt = performance.now()
  await Promise.all([app.close(), closed])
  t.ok(performance.now() - startedAt < 5000, 'a connection that says nothing holds no end')
  t.same(lines, [])
})
