import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:http2'
import { get } from 'node:http'
import { createServer } from 'node:http2'
import type { Http2Server } from 'node:http2'
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
t.test('a server of HTTP/2 without TLS says at boot where probes are answered', async (t) => {
  const factory = { serverFactory: (handler: never): Http2Server => createServer({}, handler), http2: true }
  const rows: Array<[name: string, server: object, options: GracefulOptions, said: number]> = [
    ['HTTP/2 without TLS', { http2: true }, {}, 40],
    ['of a factory', factory, {}, 40],
    ['with a watchdog that has no port', { http2: true }, { watchdog: { enabled: true } }, 40],
    ['with a port of its own', { http2: true }, { watchdog: { port: 0, host: '127.0.0.1' } }, 30],
    ['without probes', { http2: true }, { probes: false }, 0],
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
t.test('which is so: HTTP/1.1 gets no answer there, and one on the port of the watchdog', async (t) => {
  const service = fork('parent.js', {
    given: { server: { http2: true }, options: { watchdog: { port: 0, host: '127.0.0.1' } } }
  })
  t.teardown(() => service.kill('SIGKILL'))
  const [, port, watchdog] = (await service.waitForLine(/^ports (\d+) (\d+)$/m)).map(Number) as [number, number, number]
  t.equal(await probe(port), 'no answer')
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
