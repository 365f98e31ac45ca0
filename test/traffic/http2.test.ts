import { once } from 'node:events'
import { connect, constants } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import { request } from 'node:https'
import { connect as connectRaw } from 'node:net'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectSecure } from 'node:tls'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { block, credentials, gate, phaseOf, refused, serve, until } from './support.ts'
import type { Gate, Service, ServiceOptions } from './support.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

const kinds: Array<[string, object]> = [
  ['h2c', { http2: true }],
  ['TLS', { http2: true, https: credentials }],
  ['TLS with HTTP/1', { http2: true, https: { ...credentials, allowHTTP1: true } }]
]

/** What became of a stream. */
interface Answer { status: number | undefined, body: string, error: Error | undefined }

class Client {
  readonly session: ClientHttp2Session
  readonly goaways: Array<[code: number, last: number]> = []
  closed = false
  error: Error | undefined

  constructor (service: Service, secure: boolean, socket?: Socket) {
    const createConnection = (): Duplex => secure
      ? connectSecure({
        ...socket === undefined ? { port: service.port, host: '127.0.0.1' } : { socket },
        servername: 'localhost',
        ca: credentials.cert,
        ALPNProtocols: ['h2']
      })
      : socket ?? connectRaw(service.port, '127.0.0.1')
    this.session = connect(`${secure ? 'https' : 'http'}://localhost:${service.port}`, { createConnection })
    this.session.on('goaway', (code, last) => { this.goaways.push([code, last]) })
    this.session.on('close', () => { this.closed = true })
    this.session.on('error', (error: Error) => { this.error = error })
  }

  get (path: string): Promise<Answer> {
    return answerOf(this.session.request({ ':path': path }))
  }
}

async function answerOf (stream: ClientHttp2Stream): Promise<Answer> {
  const answer: Answer = { status: undefined, body: '', error: undefined }
  stream.on('response', (headers) => { answer.status = headers[':status'] })
  stream.on('error', (error: Error) => { answer.error = error })
  stream.setEncoding('utf8').on('data', (chunk: string) => { answer.body += chunk })
  await new Promise((resolve) => { stream.once('close', resolve) })
  return answer
}

async function serveHttp2 (
  t: Parameters<typeof serve>[0],
  fastify: object,
  door: Gate = gate(),
  options: ServiceOptions['graceful'] = {}
): Promise<Service> {
  return serve(t, { graceful: options, fastify, routes (app) {
    app.get('/slow', async () => {
      await door.promise
      return 'slow'
    })
    app.get('/large', async () => {
      await door.promise
      return Buffer.alloc(3e6, 'x')
    })
  } })
}

async function idleClient (service: Service, secure: boolean): Promise<Client> {
  const client = new Client(service, secure)
  t.match(await client.get('/'), { status: 200 })
  return client
}

/** Asks again and again, each request when the one before has its answer, and none of them may be lost. */
async function askUntilTold (client: Client): Promise<void> {
  while (!client.session.closed) {
    const { status, error } = await client.get('/')
    if (status !== 200) throw error ?? new Error(`status ${status}`)
    await sleep(5)
  }
}

process.on('warning', (warning) => {
  t.not(warning.name, 'UnsupportedWarning', warning.message)
})

for (const [name, fastify] of kinds) {
  const secure = 'https' in fastify
  t.test(name, async (t) => {
    // Scenario (HTTP/2, upgrades, streams): Streams in flight are finished, idle sessions end, over TLS and without
    // (http-terminator)
    t.test('streams in flight are finished', async (t) => {
      const door = gate()
      const service = await serveHttp2(t, fastify, door)
      const client = new Client(service, secure)
      const answers = ['/slow', '/large', '/slow'].map(async (path) => client.get(path))
      await until(() => service.status().requests.length === 3)
      t.match(service.status().connections, { sessions: 1, open: 1 })
      const end = service.shutdown()
      await service.reached('draining')
      t.equal(service.status().requests.length, 3)
      await until(() => client.goaways.length > 0)
      door.open()
      t.strictSame(
        (await Promise.all(answers)).map(({ status, body, error }) => [status, body.length, error]),
        [[200, 4, undefined], [200, 3e6, undefined], [200, 4, undefined]]
      )
      t.match(await end, { verdict: 'clean', exitCode: 0 })
      await until(() => client.closed)
      t.equal(client.error, undefined)
      t.strictSame(service.events, ['onClose'])
    })

    // Scenario, too: Streams in flight are finished…
    t.test('idle sessions end', async (t) => {
      const service = await serveHttp2(t, fastify)
      const used = await idleClient(service, secure)
      const unused = new Client(service, secure)
      await once(unused.session, 'connect')
      await until(() => service.status().connections['sessions'] === 2)
      const watch = new Stopwatch(process.pid)
      const report = await service.shutdown()
      t.match(report, { verdict: 'clean' })
      const { duration } = phaseOf(report, 'draining')!
      inTime(t, { time: duration, late: watch.stop().late }, [0, 2500], 'draining took')
      await until(() => used.closed && unused.closed)
      t.equal(used.error, undefined)
      t.equal(unused.error, undefined)
    })

    t.test('a session that was told in phase 1 ends at once', async (t) => {
      const service = await serveHttp2(t, fastify, gate(), { announce: { shed: 'immediate', min: 1200 } })
      const client = await idleClient(service, secure)
      const watch = new Stopwatch(process.pid)
      const end = service.shutdown()
      // Over TLS a session is told with a request.
      if (secure) await askUntilTold(client)
      const report = await end
      t.match(report, { verdict: 'clean', traffic: { shed: 1 } })
      const { duration } = phaseOf(report, 'draining')!
      inTime(t, { time: duration, late: watch.stop().late }, [0, 500], 'draining took')
      await until(() => client.closed)
      t.equal(client.error, undefined)
    })

    // Scenario (HTTP/2, upgrades, streams): Requests on the wire when GOAWAY is sent
    t.test('20 requests on the wire are answered, in phase 1 and when draining starts', async (t) => {
      for (const phase of ['announcing', 'draining'] as const) {
        const service = await serveHttp2(t, fastify, gate(), {
          announce: { shed: phase === 'draining' ? 'off' : 'immediate' }
        })
        const burst = new Worker(new URL('fixtures/burst-http2.js', import.meta.url), {
          execArgv: [],
          workerData: {
            origin: `${secure ? 'https' : 'http'}://localhost:${service.port}`,
            ca: credentials.cert,
            count: 20
          }
        })
        await once(burst, 'message')
        const announcing = service.hold('announcing')
        const send = (): void => {
          burst.postMessage('send', [])
          block(300)
        }
        if (phase === 'announcing') send()
        else {
          let isSent = false
          // Asked in the turn in which phase 3 begins.
          service.app.graceful.stall('burst', (now) => {
            if (now === 'closing' && !isSent) send()
            isSent ||= now === 'closing'
            return false
          })
        }
        const end = service.shutdown()
        // Over TLS a session without a stream is told in phase 3 at the earliest.
        if (phase === 'draining' || secure) announcing()
        const [{ served, goaways }] = await once(burst, 'message') as [{ served: number, goaways: number[][] }]
        t.equal(served, 20, phase)
        t.equal(goaways[0]?.[0], 0)
        if (!secure) t.equal(goaways[0]?.[1], 2 ** 31 - 1)
        announcing()
        t.match(await end, { verdict: 'clean' })
        await burst.terminate()
      }
    })

    t.test('GOAWAY comes in phase 1, on the ramp', async (t) => {
      await Promise.all((['immediate', 'gradual', 'off'] as const).map(async (shed) => {
        const service = await serveHttp2(t, fastify, gate(), { announce: { shed, min: 400 } })
        const clients = await Promise.all(Array.from({ length: 8 }, async () => idleClient(service, secure)))
        const end = service.shutdown()
        const asking = secure ? clients.map(async (client) => askUntilTold(client)) : []
        let early = 0
        service.app.graceful.addHook('closing', () => {
          early = clients.filter(({ goaways }) => goaways.length > 0).length
        })
        const report = await end
        t.equal(early >= 3, shed !== 'off', `${shed}: ${early} of 8 were told in phase 1`)
        if (shed === 'off') t.equal(early, 0)
        t.equal(report.verdict, 'clean')
        await Promise.all(asking)
      }))
    })

    // Scenario (HTTP/2, upgrades, streams): A session that begins late
    t.test('a session opened in phase 1 has its request served, and is told with one', async (t) => {
      const service = await serveHttp2(t, fastify, gate(), { announce: { shed: 'immediate' } })
      const announcing = service.hold('announcing')
      const end = service.shutdown()
      await service.reached('announcing')
      await until(() => Date.now() - service.status().since > 60)
      for (const wait of [0, 50]) {
        const client = new Client(service, secure)
        if (wait > 0) {
          await once(client.session, 'connect')
          await sleep(wait)
        }
        t.match(await client.get('/'), { status: 200, body: 'ok' })
        if (secure) await askUntilTold(client)
        await until(() => client.session.destroyed, 'the end of a session')
        t.equal(client.error, undefined)
      }
      announcing()
      t.match(await end, { verdict: 'clean', traffic: { arrivals: 2, shed: 2 } })
    })

    // Scenario, too: A session that begins late
    t.test('a session that is accepted at the last moment has its request served', async (t) => {
      const service = await serveHttp2(t, fastify)
      const draining = service.hold('draining')
      const announcing = service.hold('announcing')
      const end = service.shutdown()
      const sockets = await Promise.all(Array.from({ length: 5 }, async () => {
        const socket = connectRaw(service.port, '127.0.0.1')
        await once(socket, 'connect')
        return socket
      }))
      announcing()
      await service.reached('draining')
      await Promise.all(sockets.map(async (socket) => {
        const client = new Client(service, secure, socket)
        t.match(await client.get('/'), { status: 200, body: 'ok', error: undefined })
        await until(() => client.closed, 'the end of a session')
        t.equal(client.error, undefined)
      }))
      draining()
      t.match(await end, { verdict: 'clean' })
      t.ok(await refused(service.port))
    })

    // Scenario (HTTP/2, upgrades, streams): Clients that leave, say nothing, or never end
    t.test('a client that leaves with its session', async (t) => {
      for (const how of ['destroy', 'reset'] as const) {
        const door = gate()
        const service = await serveHttp2(t, fastify, door)
        const client = new Client(service, secure)
        const stream = client.session.request({ ':path': '/slow' }).on('error', () => {})
        await until(() => service.status().requests.length === 1)
        const end = service.shutdown()
        await service.reached('draining')
        if (how === 'destroy') client.session.destroy()
        else stream.close(constants.NGHTTP2_CANCEL)
        await until(() => service.status().connections['sessions'] === 0)
        t.equal(service.status().requests.length, 1, 'its handler is waited for')
        door.open()
        t.match(await end, { verdict: 'clean' }, how)
      }
    })
  })
}

// Scenario (HTTP/2, upgrades, streams): HTTP/1 on a server of both
t.test('HTTP/1 clients of a server of both', async (t) => {
  const door = gate()
  const service = await serveHttp2(t, { http2: true, https: { ...credentials, allowHTTP1: true } }, door)
  const answer = new Promise<string | undefined>((resolve, reject) => {
    request({ port: service.port, host: 'localhost', path: '/slow', ca: credentials.cert }, (response) => {
      response.resume().once('end', () => resolve(response.headers.connection))
    }).once('error', reject).end()
  })
  await until(() => service.status().requests.length === 1)
  const end = service.shutdown()
  await service.reached('draining')
  t.match(service.status(), { requests: [{ route: '/slow' }], connections: { sessions: 0, busy: 1 } })
  door.open()
  t.equal(await answer, 'close')
  t.match(await end, { verdict: 'clean' })
})

/** Frames of a client that says what every client must, and nothing else. */
const preface = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])
])

// Scenario, too: Clients that leave, say nothing, or never end
t.test('clients that do not play along are bounded', async (t) => {
  const rows: Array<[string, Buffer]> = [['says nothing', Buffer.alloc(0)], ['says hello and nothing more', preface]]
  await Promise.all(rows.map(async ([name, bytes]) => {
    const service = await serveHttp2(t, { http2: true }, gate(), { gracePeriod: 10_000 })
    const socket = connectRaw({ port: service.port, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => {}).resume()
    t.teardown(() => socket.destroy())
    await once(socket, 'connect')
    socket.write(bytes)
    await until(() => service.status().connections['open'] === 1)
    const watch = new Stopwatch(process.pid)
    const report = await service.shutdown()
    t.match(report, { verdict: 'clean', exitCode: 0 }, name)
    inTime(t, { time: report.duration, late: watch.stop().late }, [0, 4000], `${name}:`)
  }))
})

// Scenario, too: Clients that leave, say nothing, or never end
t.test('a session whose stream never ends is cut at the deadline', async (t) => {
  const service = await serveHttp2(t, { http2: true }, gate(), { gracePeriod: 1500 })
  const client = new Client(service, false)
  const answer = client.get('/slow')
  await until(() => service.status().requests.length === 1)
  const report = await service.shutdown()
  t.match(report, { verdict: 'cut', exitCode: 1, cut: { requests: [{ method: 'GET', route: '/slow' }] } })
  t.equal((await answer).status, undefined)
  await until(() => client.closed)
})
