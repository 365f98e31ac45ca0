import { once } from 'node:events'
import { connect } from 'node:http2'
import type { ClientHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectSecurely } from 'node:tls'
import { Worker } from 'node:worker_threads'
import type { FastifyInstance, FastifyReply } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import type { GracefulOptions } from '../../lib/index.ts'
import { Http2Wire } from './http2-wire.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'
import { credentials, gate, phaseOf, serve, until } from './support.ts'
import type { Service, ServiceOptions } from './support.ts'

const allStreams = 2 ** 31 - 1
type AnnounceOptions = NonNullable<GracefulOptions['announce']>

interface Outcome { answered: number, unsent: number, lost: string[] }

/** When sessions are told: by the ramp of phase 1, or when draining starts. */
const moments: Record<'phase 1' | 'the ramp of phase 1' | 'phase 3', AnnounceOptions> = {
  'phase 1': { shed: 'immediate', quiet: 100, min: 300 },
  'the ramp of phase 1': { shed: 'gradual', quiet: 100, min: 300 },
  'phase 3': { shed: 'off', quiet: 50 }
}

const kinds = { h2c: { http2: true }, TLS: { http2: true, https: credentials } }

/** As on Windows, or in a Node that does not give it. */
function withoutDescriptor (app: FastifyInstance): void {
  app.server.on('connection', (socket: Socket) => {
    Object.defineProperty(Reflect.get(socket, '_handle') as object, 'fd', { value: -1 })
  })
}

const ways: Array<[protocol: string, moment: keyof typeof moments, options: ServiceOptions]> = [
  ['h2c', 'the ramp of phase 1', { fastify: kinds.h2c }],
  ['h2c', 'phase 3', { fastify: kinds.h2c }],
  ['h2c without a file descriptor', 'the ramp of phase 1', { fastify: kinds.h2c, routes: withoutDescriptor }],
  ['TLS', 'the ramp of phase 1', { fastify: kinds.TLS }],
  ['TLS with HTTP/1', 'phase 3', { fastify: { http2: true, https: { ...credentials, allowHTTP1: true } } }]
]

for (const [protocol, moment, options] of ways) {
  const name = `${protocol}, told in ${moment}: clients some milliseconds away, who ask until they are told`
  t.test(name, async (t) => {
    const announce = moments[moment]
    await Promise.all(([[1, 0], [1, 8], [3, 4]] as const).map(async ([parallel, pause]) => {
      const service = await serve(t, { ...options, graceful: { announce, drain: { idle: 5000 } } })
      const scheme = protocol.startsWith('TLS') ? 'https' : 'http'
      const clients = new Worker(new URL('fixtures/steady-http2.js', import.meta.url), {
        execArgv: [],
        workerData: { scheme, port: service.port, ca: credentials.cert, sessions: 12, parallel, latency: 5, pause }
      })
      await once(clients, 'message')
      const outcome = once(clients, 'message') as Promise<[Outcome]>
      const [report, [{ answered, unsent, lost }]] = await Promise.all([service.shutdown(), outcome])
      t.same(lost, [], `${parallel} at once, pause ${pause} ms: ${answered} answered, ${unsent} never sent`)
      t.ok(answered > 12, `${answered} answered`)
      t.match(report, { verdict: 'clean', traffic: { shed: 12 } }, report.summary)
      await clients.terminate()
    }))
  })
}

/** Asks until it is told to go, never twice at once; answers what it has asked. */
async function askUntilTold (client: Http2Wire): Promise<number[]> {
  const asked: number[] = []
  while (client.goaways.length === 0 && !client.closed) {
    const [stream] = client.send('GET /')
    asked.push(stream!)
    // oxlint-disable-next-line no-await-in-loop -- one at a time
    await client.answered(stream!)
    // oxlint-disable-next-line no-await-in-loop
    await sleep(Math.random() * 6)
  }
  return asked
}

for (const [moment, announce] of Object.entries(moments)) {
  // Scenario (HTTP/2, upgrades, streams): 120 strict clients of HTTP/2 without TLS that ask at the very moment at which
  // they are told, in phase 1, on its ramp and in phase 3: each is answered, and the last GOAWAY names its last stream
  t.test(`120 strict clients that ask at the very moment of GOAWAY, ${moment}: each is answered`, async (t) => {
    const service = await serve(t, { fastify: kinds.h2c, graceful: { announce } })
    const clients = await Promise.all(Array.from({ length: 120 }, async () => openUsed(t, service)))
    for (const client of clients) client.latency = 3
    const asking = clients.map(async (client) => askUntilTold(client))
    const report = await service.shutdown()
    const asked = await Promise.all(asking)
    await until(() => clients.every(({ closed }) => closed), 'the end of all sessions')
    const wrong = clients.flatMap((client, index) => {
      const streams = asked[index]!
      const unanswered = streams.filter((stream) => !client.isAnswered(stream)).length
      const names = [...new Set(client.goaways)]
      const isRight = unanswered === 0 && client.error === undefined && names[0] === allStreams
        && names.length === 2 && names[1] === streams.at(-1)
      return isRight ? [] : [{ unanswered, streams: streams.length, names, error: client.error?.message }]
    })
    t.same(wrong, [], `of ${asked.flat().length} requests`)
    t.match(report, { verdict: 'clean', traffic: { shed: 120 }, cut: { connections: [] } }, report.summary)
  })
}

// Scenario (HTTP/2, upgrades, streams): The sessions of a balancer that goes by readiness, which are told when it sends
// nothing more, and those of other addresses, which are told in phase 1
t.test('the sessions of a balancer that goes by readiness are told in phase 3', async (t) => {
  const service = await serve(t, { fastify: kinds.h2c, graceful: { announce: moments['phase 1'] } })
  const [prober, balancer, other] = await Promise.all([
    openUsed(t, service), openUsed(t, service), openUsed(t, service, '127.0.0.2')
  ])
  const timer = setInterval(() => prober.send('GET /readyz'), 200)
  t.teardown(() => clearInterval(timer))
  await until(() => service.status().traffic.frontEnds.length === 1, 'the front end')
  const release = service.hold('closing')
  const end = service.shutdown()
  await until(() => other.goaways.length > 0, 'a GOAWAY')
  await service.reached('closing')
  t.same([prober, balancer].flatMap(({ goaways }) => goaways), [])
  release()
  clearInterval(timer)
  const [last] = balancer.send('GET /')
  await until(() => balancer.closed)
  t.ok(balancer.isAnswered(last!))
  t.same([...new Set(balancer.goaways)], [allStreams, last])
  t.match(await end, { verdict: 'clean', traffic: { frontEnds: [{ outcome: 'told' }] }, cut: { connections: [] } })
})

// Scenario (HTTP/2, upgrades, streams): Many sessions, long streams, and streams that never end
t.test('many sessions without a stream are told over some time when draining starts', async (t) => {
  const graceful = { announce: moments['phase 3'], drain: { idle: 5000 } }
  const service = await serve(t, { fastify: kinds.h2c, graceful })
  const clients = await Promise.all(Array.from({ length: 100 }, async () => openUsed(t, service)))
  const end = service.shutdown()
  await service.reached('draining')
  await until(() => clients.some(({ goaways }) => goaways.length > 0), 'the first GOAWAY')
  await sleep(100)
  const early = clients.filter(({ goaways }) => goaways.length > 0).length
  t.ok(early > 0 && early < 100, `${early} of 100 were told within 100 ms`)
  t.match(await end, { verdict: 'clean', traffic: { shed: 100 } })
})

// Scenario, too: Many sessions, long streams, and streams that never end
t.test('a session without a stream that is idle for long enough is told, too, and not just closed', async (t) => {
  const service = await serve(t, { fastify: kinds.h2c, graceful: { announce: { shed: 'off', min: 800, quiet: 50 } } })
  const clients = await Promise.all(Array.from({ length: 50 }, async () => openUsed(t, service)))
  t.match(await service.shutdown(), { verdict: 'clean', traffic: { shed: 50 } })
  await until(() => clients.every(({ closed }) => closed))
  for (const { goaways } of clients) t.same([...new Set(goaways)], [allStreams, 1])
})

// Scenario, too: Many sessions, long streams, and streams that never end
t.test('a session with a long stream is told, takes what was on the wire, and ends with that stream', async (t) => {
  for (const moment of ['phase 1', 'phase 3'] as const) {
    const door = gate()
    const service = await serve(t, {
      fastify: kinds.h2c,
      graceful: { announce: moments[moment] },
      routes: (app) => { app.get('/long', async () => door.promise.then(() => 'long')) }
    })
    const client = await openUsed(t, service)
    const [long] = client.send('GET /long')
    await until(() => service.status().requests.length === 1)
    client.answersPings = false
    const end = service.shutdown()
    await until(() => client.isPinged, 'a ping')
    const [short] = client.send('GET /')
    await client.answered(short!)
    client.answerPings()
    await until(() => client.goaways.includes(short!), 'the last GOAWAY')
    t.notOk(client.closed, 'the long stream is open')
    door.open()
    await client.answered(long!)
    t.ok(client.isAnswered(long!), moment)
    await until(() => client.closed)
    t.match(await end, { verdict: 'clean', traffic: { shed: 1 } })
  }
})

// Scenario, too: Many sessions, long streams, and streams that never end
t.test('a session with a stream that never ends, whose client is told, is cut at the cap of draining', async (t) => {
  const service = await serve(t, {
    fastify: kinds.h2c,
    graceful: { gracePeriod: 1500, announce: moments['phase 3'] },
    routes: (app) => { app.get('/long', async () => new Promise(() => {})) }
  })
  const client = await openUsed(t, service)
  client.send('GET /long')
  await until(() => service.status().requests.length === 1)
  const report = await service.shutdown()
  t.match(report, { verdict: 'cut', exitCode: 1, traffic: { shed: 1 }, cut: { connections: [] } })
  t.same(report.cut.requests.map(({ route }) => route), ['/long'])
  await until(() => client.closed)
  t.same([...new Set(client.goaways)].slice(0, 2), [allStreams, 3])
})

// Scenario, too: Many sessions, long streams, and streams that never end
t.test('a session over TLS that could not be told when the time is over is reported', async (t) => {
  const service = await serve(t, {
    fastify: kinds.TLS,
    graceful: { gracePeriod: 1500, announce: moments['phase 3'], drain: { idle: 5000 } }
  })
  await openSecurely(t, service)
  const report = await service.shutdown()
  t.match(report, { verdict: 'cut', traffic: { shed: 0 } })
  t.equal(report.cut.connections.length, 1)
})

/** Ways in which an answer can end. */
const answers: Record<string, [request: string, answer: (reply: FastifyReply) => unknown]> = {
  'a body': ['GET /answer', () => 'body'],
  'no body at all': ['GET /answer', (reply) => reply.code(204).send()],
  'a status without a body': ['GET /answer', (reply) => reply.code(304).send()],
  'the head alone': ['HEAD /answer', () => 'body'],
  'a stream': ['GET /answer', () => new Blob(['x'.repeat(5000)]).stream()],
  trailers: ['GET /answer', (reply) => reply.trailer('x-sum', async () => '1').send('body')],
  'the raw reply, written': ['GET /answer', (reply) => {
    reply.hijack()
    reply.raw.write('one')
    reply.raw.end('two')
  }],
  'the raw reply, ended without a word': ['GET /answer', (reply) => {
    reply.hijack()
    reply.raw.end()
  }],
  "Node's own stream": ['GET /answer', (reply) => {
    reply.hijack()
    const { stream } = reply.raw as unknown as { stream: ServerHttp2Stream }
    stream.respond({ ':status': 200 })
    stream.end('body')
  }],
  "Node's own stream, with its head alone": ['GET /answer', (reply) => {
    reply.hijack()
    const { stream } = reply.raw as unknown as { stream: ServerHttp2Stream }
    stream.respond({ ':status': 200 }, { endStream: true })
  }]
}

// Scenario (HTTP/2, upgrades, streams): Sessions of clients some milliseconds away that never stop asking, one request
// at a time or several, told on the ramp or in phase 3
t.test('what is on the wire before the ping is answered is served, on a session without a stream', async (t) => {
  for (const [index, [name, [request, answer]]] of Object.entries(answers).entries()) {
    for (const moment of [index % 2 === 0 ? 'phase 1' : 'phase 3'] as const) {
      t.test(`${name}, ${moment}`, async (t) => {
        const service = await serve(t, {
          fastify: kinds.h2c,
          graceful: { announce: moments[moment] },
          routes: (app) => { app.get('/answer', (_request, reply) => answer(reply)) }
        })
        const client = await openUsed(t, service)
        client.answersPings = false
        const release = service.hold('announcing')
        const end = service.shutdown()
        if (moment === 'phase 3') release()
        await until(() => client.isPinged, 'a ping')
        t.same(client.goaways, [allStreams])
        // The client has not read what it was sent yet.
        const sent = client.send(request, 'GET /', request)
        await until(() => sent.every((stream) => client.isAnswered(stream)), 'the answers to what was on the wire')
        const [last] = client.send(request)
        await until(() => client.isAnswered(last!), 'the answer to what was on the wire')
        client.answerPings()
        await until(() => client.closed, 'the end of the session')
        t.equal(client.error, undefined)
        t.equal(client.goaways[0], allStreams)
        // The end of a session in Node repeats its GOAWAY.
        t.same([...new Set(client.goaways.slice(1))], [last])
        const order = client.frames.map(({ type }) => type)
        t.ok(order.indexOf('GOAWAY') < order.indexOf('PING'), 'the ping comes after the news')
        t.notOk(order.includes('RST_STREAM'))
        release()
        t.match(await end, { verdict: 'clean', cut: { connections: [] } })
      })
    }
  }
})

async function openUsed (t: Test, service: Service, address?: string): Promise<Http2Wire> {
  const client = await Http2Wire.open(service.port, address)
  t.teardown(() => client.socket.destroy())
  const [first] = client.send('GET /')
  await until(() => client.isAnswered(first!))
  return client
}

// Scenario, too: Sessions of clients some milliseconds away that never stop asking…
t.test('a client that does not take what it was sent gets whole frames, and is told later', async (t) => {
  const size = 30e6
  const service = await serve(t, {
    fastify: { http2: true },
    graceful: { announce: { shed: 'immediate', min: 2000, quiet: 50 } },
    routes: (app) => { app.get('/large', async () => Buffer.alloc(size, 'x')) }
  })
  const client = await openUsed(t, service)
  client.widen(2 * size)
  const [large] = client.send('GET /large')
  await until(() => client.isBegun(large!))
  client.socket.pause()
  const end = service.shutdown()
  await service.reached('announcing')
  await sleep(1000)
  client.socket.resume()
  await until(() => client.isAnswered(large!))
  const data = client.frames.filter(({ type, stream }) => type === 'DATA' && stream === large)
  t.equal(data.reduce((sum, { payload }) => sum + payload.length, 0), size)
  await until(() => client.closed)
  t.same([...new Set(client.goaways)], [allStreams, large])
  t.match(await end, { verdict: 'clean', traffic: { shed: 1 } })
})

// Scenario, too: Sessions of clients some milliseconds away that never stop asking…
t.test('a client that never answers the ping is waited for for three seconds', async (t) => {
  const service = await serve(t, { fastify: { http2: true }, graceful: { announce: { shed: 'off', quiet: 50 } } })
  const client = await openUsed(t, service)
  client.answersPings = false
  const watch = new Stopwatch(process.pid)
  const report = await service.shutdown()
  t.match(report, { verdict: 'clean' })
  const { duration } = phaseOf(report, 'draining')!
  inTime(t, { time: duration, late: watch.stop().late }, [2900, 4500], 'draining took')
  await until(() => client.closed)
  t.same([...new Set(client.goaways)], [allStreams, 1])
})

interface SecureClient { session: ClientHttp2Session, get: () => Promise<number>, errors: Error[], goaways: number[] }

/** A session over TLS that has had one answer. */
async function openSecurely (t: Test, service: Service): Promise<SecureClient> {
  const session = connect(`https://localhost:${service.port}`, { ca: credentials.cert })
  t.teardown(() => session.destroy())
  const errors: Error[] = []
  const goaways: number[] = []
  session.on('error', (error: Error) => errors.push(error)).on('goaway', (_code, last) => goaways.push(last))
  const get = async (): Promise<number> => {
    const stream = session.request({ ':path': '/' })
    stream.on('error', (error: Error) => errors.push(error)).resume()
    const [{ ':status': status }] = await once(stream, 'response') as [{ ':status': number }]
    return status
  }
  t.equal(await get(), 200)
  return { session, get, errors, goaways }
}

// Scenario, too: Sessions of clients some milliseconds away that never stop asking…
t.test('a session over TLS without a stream when draining starts', async (t) => {
  t.test('is open for as long as an idle connection of HTTP/1', async (t) => {
    const graceful = { drain: { idle: 2500 }, announce: { shed: 'off', quiet: 50 } } as const
    const service = await serve(t, { fastify: kinds.TLS, graceful })
    const [late, never] = await Promise.all([openSecurely(t, service), openSecurely(t, service)])
    const watch = new Stopwatch(process.pid)
    const end = service.shutdown()
    await service.reached('draining')
    await sleep(300)
    t.same(late.goaways, [])
    t.equal(await late.get(), 200)
    await until(() => late.session.destroyed && never.session.destroyed)
    t.same([late.errors, never.errors], [[], []])
    t.equal(late.goaways[0], allStreams)
    t.same([...new Set(never.goaways)], [1])
    const report = await end
    t.match(report, { verdict: 'clean' })
    inTime(t, { time: phaseOf(report, 'draining')!.duration, late: watch.stop().late }, [0, 4500], 'draining took')
  })

  t.test('that has been idle for as long in phase 1 ends at once', async (t) => {
    const graceful = { drain: { idle: 600 }, announce: { min: 1500, shed: 'off', quiet: 50 } } as const
    const service = await serve(t, { fastify: kinds.TLS, graceful })
    const { session, errors } = await openSecurely(t, service)
    const watch = new Stopwatch(process.pid)
    const report = await service.shutdown()
    t.match(report, { verdict: 'clean' })
    inTime(t, { time: phaseOf(report, 'draining')!.duration, late: watch.stop().late }, [0, 500], 'draining took')
    await until(() => session.destroyed)
    t.same(errors, [])
  })

  t.test('in a plain close ends soon', async (t) => {
    const service = await serve(t, { fastify: kinds.TLS, graceful: { drain: { idle: 5000 } } })
    const { session, errors } = await openSecurely(t, service)
    const start = performance.now()
    const watch = new Stopwatch(process.pid)
    await service.app.close()
    inTime(t, { time: performance.now() - start, late: watch.stop().late }, [0, 1500], 'closed after')
    await until(() => session.destroyed)
    t.same(errors, [])
  })
})

/** As a busy Node does at times over TLS: nobody hears that the last stream of a closed session is over. */
function forgetSessions (app: FastifyInstance): void {
  app.server.on('session', (session: object) => {
    const parts = Object.getOwnPropertySymbols(session).map((symbol) => Reflect.get(session, symbol) as unknown)
    const handle = parts.find((part) => part instanceof Object && 'ongracefulclosecomplete' in part) as object
    Reflect.set(handle, 'ongracefulclosecomplete', () => {})
  })
}

// Scenario (HTTP/2, upgrades, streams): A session that Node does not end although it is closed and has no stream left
t.test('a session over TLS that Node keeps after its last stream does not hold phase 3', async (t) => {
  const graceful = { announce: moments['phase 3'], drain: { idle: 300 } }
  const service = await serve(t, { fastify: kinds.TLS, graceful, routes: forgetSessions })
  const socket = connectSecurely({ port: service.port, host: 'localhost', ca: credentials.cert, ALPNProtocols: ['h2'] })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  // As a balancer, it does not end the connection itself.
  const client = new Http2Wire(socket)
  const [first] = client.send('GET /')
  await client.answered(first!)
  const watch = new Stopwatch(process.pid)
  const report = await service.shutdown()
  t.match(report, { verdict: 'clean', cut: { connections: [] } })
  t.equal(phaseOf(report, 'draining')!.endedBy, 'condition')
  inTime(t, { time: phaseOf(report, 'draining')!.duration, late: watch.stop().late }, [0, 4000], 'draining took')
  await until(() => client.closed)
  t.equal(client.error, undefined)
  t.same([...new Set(client.goaways)], [first])
})

t.test('a client that leaves when it hears of it', async (t) => {
  for (const how of ['end', 'destroy'] as const) {
    const graceful = { announce: { shed: 'immediate', min: 1500 } } as const
    const service = await serve(t, { fastify: kinds.h2c, graceful })
    const client = await openUsed(t, service)
    client.answersPings = false
    const end = service.shutdown()
    await until(() => client.goaways.length > 0)
    client.socket[how]()
    await until(() => service.status().connections['sessions'] === 0)
    t.match(await end, { verdict: 'clean' }, how)
  }
})
