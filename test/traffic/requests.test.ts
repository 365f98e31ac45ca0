import { connect } from 'node:http2'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply } from 'fastify'
import t from 'tap'
import { gate, open, phaseOf, serve, until } from './support.ts'
import type { Gate, Reply, Service, Wire } from './support.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

/** One way in which a request can go. Its handler waits for the gate before it does what it is about to do. */
interface Way {
  name: string
  send: (wire: Wire) => unknown
  /** Requests in flight while the gate is shut. */
  count?: number
  status?: number
  body?: string
  /** Whether the last answer says that the connection ends; not where its head was out already. */
  told?: boolean
  check?: (wire: Wire, replies: Reply[]) => void
}

const ways: Way[] = [
  { name: 'a value', send: (wire) => wire.send('GET /value'), body: 'value' },
  { name: 'a reply sent by callback', send: (wire) => wire.send('GET /callback'), body: 'callback' },
  { name: 'nothing', send: (wire) => wire.send('GET /nothing'), body: '' },
  { name: 'a hijacked reply', send: (wire) => wire.send('GET /hijacked'), body: 'hijacked' },
  { name: 'a raw reply', send: (wire) => wire.send('GET /raw'), body: 'raw' },
  { name: 'a raw head', send: (wire) => wire.send('GET /raw-head'), body: 'raw head' },
  { name: 'a stream', send: (wire) => wire.send('GET /stream'), body: 'onetwo' },
  { name: 'a web stream', send: (wire) => wire.send('GET /web-stream'), body: 'web' },
  { name: 'a stream under way', send: (wire) => wire.send('GET /half-sent'), body: 'first second', told: false },
  { name: '404', send: (wire) => wire.send('GET /nowhere'), status: 404, body: 'nowhere' },
  { name: 'HEAD', send: (wire) => wire.send('HEAD /value'), body: '' },
  { name: '304', send: (wire) => wire.send('GET /304'), status: 304, body: '' },
  { name: '204', send: (wire) => wire.send('GET /204'), status: 204, body: '' },
  { name: 'a thrown error', send: (wire) => wire.send('GET /thrown'), status: 500 },
  {
    name: 'POST',
    send: (wire) => wire.post('/body', ['Content-Type: text/plain', 'Content-Length: 3'], 'abc'), body: 'got abc'
  },
  {
    name: 'POST in chunks',
    send: (wire) =>
      wire.post('/body', ['Content-Type: text/plain', 'Transfer-Encoding: chunked'], '3\r\nabc\r\n0\r\n\r\n'),
    body: 'got abc'
  },
  {
    name: 'Expect: 100-continue',
    send: (wire) =>
      wire.post('/body', ['Content-Type: text/plain', 'Expect: 100-continue', 'Content-Length: 3'], 'abc'),
    body: 'got abc'
  },
  {
    name: 'three in a row',
    send: (wire) => wire.send('GET /value', 'GET /value?2', 'GET /value?3'), count: 3, body: 'value'
  },
  {
    name: 'three of several kinds',
    send: (wire) => wire.send('GET /hijacked', 'GET /stream', 'GET /nowhere'), count: 3, status: 404
  }
]

function answer (reply: FastifyReply): Record<string, () => unknown> {
  return {
    value: () => 'value',
    nothing: () => {},
    hijacked: () => { reply.hijack().raw.end('hijacked') },
    raw: () => { reply.raw.end('raw') },
    'raw-head': () => { reply.raw.writeHead(200, { 'content-length': 8 }).end('raw head') },
    stream: () => Readable.from(['one', 'two']),
    'web-stream': () => new Response('web').body,
    304: () => { reply.code(304).send() },
    204: () => { reply.code(204).send() },
    thrown: () => { throw new Error('thrown') }
  }
}

/** The routes of all ways behind one gate. `events` hears of the end of each handler. */
async function serveWays (
  t: Parameters<typeof serve>[0],
  door: Gate,
  options: { graceful?: object, fastify?: object } = {}
): Promise<Service> {
  return serve(t, { ...options, routes (app, events) {
    for (const name of Object.keys(answer({} as FastifyReply))) {
      app.route({ method: ['GET', 'POST'], url: `/${name}`, handler: async (_request, reply) => {
        await door.promise
        events.push('handler')
        return answer(reply)[name]!()
      } })
    }
    app.route({ method: ['GET', 'POST'], url: '/callback', handler: (_request, reply) => {
      void door.promise.then(() => {
        events.push('handler')
        reply.send('callback')
      })
    } })
    app.get('/half-sent', (_request, reply) => {
      const body = new PassThrough()
      body.write('first ')
      void door.promise.then(() => {
        events.push('handler')
        body.end('second')
      })
      reply.send(body)
    })
    app.post('/body', async (request) => {
      await door.promise
      events.push('handler')
      return `got ${String(request.body)}`
    })
    app.setNotFoundHandler(async (_request, reply) => {
      await door.promise
      events.push('handler')
      return reply.code(404).send('nowhere')
    })
  } })
}

async function takeReplies (wire: Wire, count: number): Promise<Reply[]> {
  const replies: Reply[] = []
  while (replies.length < count) {
    const reply = await wire.reply()
    if (reply.status !== 100) replies.push(reply)
  }
  return replies
}

// Scenario (Requests in flight): Values, callbacks, hijacked and raw replies, streams, 404, HEAD, 304, errors, POST,
// chunks, `Expect`, pipelining: all are answered before onClose runs, with `Connection: close` where the head is still
// to be sent (http-terminator, stoppable, http-graceful-shutdown)
t.test('a request in flight is answered, whatever kind it is', async (t) => {
  for (const way of ways) {
    t.test(way.name, async (t) => {
      const { send, count = 1, status = 200, body, told = true } = way
      const door = gate()
      const service = await serveWays(t, door)
      const wire = await open(service.port)
      const late = await open(service.port)
      late.send('GET /')
      await late.reply()
      send(wire)
      await until(() => service.status().requests.length === count)
      t.equal(service.status().connections['busy'], 1, 'while the service runs')

      const announcing = service.hold('announcing')
      const draining = service.hold('draining')
      const end = service.shutdown()
      await service.reached('announcing')
      t.equal(service.status().requests.length, count, 'in phase 1')
      announcing()
      await service.reached('draining')
      t.equal(service.status().requests.length, count, 'in phase 3')
      send(late)
      await until(() => service.status().requests.length === 2 * count, 'the late request')
      t.strictSame(service.events, [])
      door.open()
      for (const [name, one] of Object.entries({ wire, late })) {
        const replies = await takeReplies(one, count)
        const last = replies.at(-1)!
        t.equal(last.status, status, name)
        if (body !== undefined) t.equal(last.body.toString(), body)
        if (told || one === late && way.name !== 'a stream under way') t.equal(last.headers['connection'], 'close')
        for (const reply of replies.slice(0, -1)) {
          t.equal(reply.headers['connection'], 'keep-alive', 'only the last may end the connection')
        }
        await one.end()
        t.equal(one.text, '')
      }
      t.equal(service.status().requests.length, 0)
      draining()
      const report = await end
      t.match(report, { verdict: 'clean', exitCode: 0, cut: { requests: [], streams: 0, upgraded: 0 } })
      t.strictSame(service.events, [...Array.from({ length: 2 * count }, () => 'handler'), 'onClose'])
    })
  }
})

// Scenario (Requests in flight): The client of a GET or a POST leaves: its handler is waited for, and nothing stays
// counted
t.test('a client that leaves leaves nothing behind but its handler', async (t) => {
  const rows: Array<[string, 'GET' | 'POST', boolean]> = [
    ['before the signal', 'GET', false],
    ['before the signal', 'POST', false],
    ['in phase 1', 'GET', true],
    ['in phase 1', 'POST', true]
  ]
  for (const [when, method, announced] of rows) {
    t.test(`${method} ${when}`, async (t) => {
      for (const path of [
        'value', 'callback', 'nothing', 'hijacked', 'raw', 'raw-head', 'stream', 'web-stream', '304', '204', 'thrown'
      ]) {
        const door = gate()
        const service = await serveWays(t, door)
        const wire = await open(service.port)
        const announcing = service.hold('announcing')
        let end = announced ? service.shutdown() : undefined
        if (method === 'GET') wire.send(`GET /${path}`)
        else wire.post(`/${path}`, ['Content-Type: text/plain', 'Content-Length: 3'], 'abc')
        await until(() => service.status().requests.length === 1)
        wire.socket.destroy()
        await until(() => service.status().connections['open'] === 0)
        const watch = new Stopwatch(process.pid)
        end ??= service.shutdown()
        announcing()
        await service.reached('draining')
        t.equal(service.status().requests.length, 1, `${path}: its handler is waited for`)
        t.strictSame(service.events, [])
        door.open()
        const report = await end
        t.match(report, { verdict: 'clean', exitCode: 0 }, path)
        const { duration } = phaseOf(report, 'draining')!
        inTime(t, { time: duration, late: watch.stop().late }, [0, 5000], `${path}: draining took`)
        t.strictSame(service.events, ['handler', 'onClose'])
      }
    })
  }

  t.test('three in a row', async (t) => {
    for (const announced of [false, true]) {
      const door = gate()
      const service = await serveWays(t, door)
      const announcing = service.hold('announcing')
      let end = announced ? service.shutdown() : undefined
      const wire = (await open(service.port)).send('GET /value', 'GET /nothing', 'GET /stream')
      await until(() => service.status().requests.length === 3)
      wire.socket.destroy()
      await until(() => service.status().connections['open'] === 0)
      end ??= service.shutdown()
      announcing()
      await service.reached('draining')
      t.equal(service.status().requests.length, 3)
      door.open()
      t.match(await end, { verdict: 'clean' })
      t.strictSame(service.events, ['handler', 'handler', 'handler', 'onClose'])
    }
  })

  // Scenario, too: The client of a GET or a POST leaves…
  t.test('in the middle of its body', async (t) => {
    for (const announced of [false, true]) {
      const service = await serveWays(t, gate())
      const announcing = service.hold('announcing')
      let end = announced ? service.shutdown() : undefined
      const wire = (await open(service.port)).post('/body', ['Content-Type: text/plain', 'Content-Length: 10'], 'abc')
      await until(() => service.status().requests.length === 1)
      wire.socket.destroy()
      await until(() => service.status().requests.length === 0)
      end ??= service.shutdown()
      announcing()
      t.match(await end, { verdict: 'clean' })
      t.strictSame(service.events, ['onClose'], 'no handler ran')
    }
  })

  // Scenario, too: The client of a GET or a POST leaves…
  t.test('with a stream under way', async (t) => {
    const service = await serveWays(t, gate())
    const wire = (await open(service.port)).send('GET /half-sent')
    await until(() => wire.text.includes('first'))
    wire.socket.destroy()
    await until(() => service.status().requests.length === 0)
    t.match(
      await service.shutdown(),
      { verdict: 'clean' },
      'its source was destroyed, there is nothing left to wait for'
    )
  })

  t.test('many while the service runs pile up nowhere', async (t) => {
    const door = gate()
    const service = await serveWays(t, door, { fastify: { http2: true } })
    for (let round = 0; round < 3; round++) {
      const session = connect(`http://127.0.0.1:${service.port}`)
      for (let index = 0; index < 80; index++) session.request({ ':path': '/nothing' }).on('error', () => {}).end()
      await until(() => service.status().requests.length === 80 * (round + 1))
      session.on('error', () => {}).destroy()
      await until(() => service.status().connections['sessions'] === 0)
    }
    t.equal(service.status().requests.length, 240, 'their handlers run')
    door.open()
    await until(() => service.status().requests.length === 0)
    t.match(await service.shutdown(), { verdict: 'clean' })
  })
})

// Scenario (Requests in flight): Pipelined requests: the last reply alone ends the connection
t.test('several in a row to a handler that answers at once', async (t) => {
  const service = await serve(t, { graceful: { announce: { shed: 'immediate' } }, routes (app) {
    app.get('/at-once', (_request, reply) => { reply.send('at once') })
  } })
  const kept = (await open(service.port)).send('GET /')
  await kept.reply()
  const holds = { announcing: service.hold('announcing'), draining: service.hold('draining') }
  const end = service.shutdown()
  await service.reached('announcing')
  await until(() => Date.now() - service.status().since > 60)
  for (const [phase, wire] of [['announcing', await open(service.port)], ['draining', kept]] as const) {
    wire.send('GET /at-once', 'GET /at-once', 'GET /at-once')
    for (const connection of ['keep-alive', 'keep-alive', 'close']) {
      t.match(await wire.reply(), { status: 200, headers: { connection } }, phase)
    }
    holds[phase]()
    if (phase === 'announcing') await service.reached('draining')
  }
  t.match(await end, { verdict: 'clean' })
})

// Scenario (Requests in flight): A reply breaks off
t.test('a reply that breaks off', async (t) => {
  const door = gate()
  const service = await serve(t, { routes (app) {
    app.get('/breaks', (_request, reply) => {
      const body = new PassThrough()
      body.write('first ')
      void door.promise.then(() => body.destroy(new Error('broken')))
      reply.send(body)
    })
  } })
  const wire = (await open(service.port)).send('GET /breaks')
  await until(() => wire.text.includes('first'))
  const end = service.shutdown()
  await service.reached('draining')
  t.equal(service.status().requests.length, 1)
  door.open()
  await wire.end()
  t.match(await end, { verdict: 'cut', cut: { requests: [], byOthers: [{ method: 'GET', route: '/breaks' }] } })
})

// Scenario (Requests in flight): A bad URL in each phase
t.test('a bad URL is answered in every phase', async (t) => {
  const service = await serve(t)
  const wires = await Promise.all([1, 2, 3].map(async () => open(service.port)))
  const bad = async (wire: Wire | undefined): Promise<void> => {
    wire!.send('GET /%zz')
    t.equal((await wire!.reply()).status, 400)
    await until(() => service.status().requests.length === 0)
  }
  await bad(wires[0])
  const announcing = service.hold('announcing')
  const draining = service.hold('draining')
  const end = service.shutdown()
  await bad(wires[1])
  announcing()
  await service.reached('draining')
  await bad(wires[2])
  draining()
  t.match(await end, { verdict: 'clean' })
})

// Scenario (Requests in flight): `inject` in each phase
t.test('inject is counted and waited for', async (t) => {
  const door = gate()
  const service = await serveWays(t, door)
  const before = service.app.inject('/value')
  await until(() => service.status().requests.length === 1)
  t.match(service.status().requests, [{ method: 'GET', route: '/value', kind: 'request' }])
  const end = service.shutdown()
  await service.reached('draining')
  const during = service.app.inject('/value')
  await until(() => service.status().requests.length === 2)
  door.open()
  t.equal((await before).body, 'value')
  t.equal((await during).body, 'value')
  t.match(await end, { verdict: 'clean' })
})

// Scenario (Requests in flight): A handler that never answers is cut at the deadline, and named (http-terminator,
// stoppable, http-graceful-shutdown)
t.test('a handler that never answers is cut at the deadline, and named', async (t) => {
  // What nobody could ever open would be collected, handlers and all.
  const door = gate()
  const service = await serveWays(t, door, { graceful: { gracePeriod: 1500 } })
  const wire = (await open(service.port)).send('GET /value?secret=1')
  const lost = (await open(service.port)).post('/body', ['Content-Type: text/plain', 'Content-Length: 3'], 'abc')
  const nowhere = (await open(service.port)).send('GET /nowhere/secret')
  const watch = new Stopwatch(process.pid)
  await until(() => service.status().requests.length === 3)
  lost.socket.destroy()
  await until(() => service.status().connections['open'] === 2)
  const report = await service.shutdown()
  t.match(report, { verdict: 'cut', exitCode: 1, advice: [/^3 requests were cut/] })
  t.strictSame(
    report.cut.requests.map(({ method, route }) => `${method} ${route}`).toSorted((a, b) => a.localeCompare(b)),
    ['GET /value', 'GET undefined', 'POST /body']
  )
  const { late } = watch.stop()
  for (const { age } of report.cut.requests) inTime(t, { time: age, late }, [900, 3000], 'age')
  t.equal(phaseOf(report, 'draining')?.endedBy, 'cap')
  t.notMatch(JSON.stringify(report), 'secret')
  await wire.end()
  await nowhere.end()
  t.strictSame(service.events, ['onClose'])
  door.open()
})

// Scenario (Requests in flight): The end comes with the last reply, and does not wait for the limit (http-terminator,
// stoppable)
t.test('exit comes soon after the last byte', async (t) => {
  const figures: Stopwatch[] = []
  for (const name of ['value', 'hijacked', 'stream']) {
    const door = gate()
    const service = await serveWays(t, door)
    const wire = (await open(service.port)).send(`GET /${name}`)
    await until(() => service.status().requests.length === 1)
    const end = service.shutdown()
    await service.reached('draining')
    door.open()
    await wire.reply()
    const watch = new Stopwatch(process.pid)
    await end
    figures.push(watch.stop())
  }
  for (const figure of figures) inTime(t, figure, [0, 1000], 'from the last byte to the end:')
})

t.test('a request is as old as itself, and not as its connection or the one before it', async (t) => {
  const door = gate()
  const service = await serve(t, { routes: (app) => { app.get('/held', async () => door.promise.then(() => 'held')) } })
  const wire = await open(service.port)
  await wire.send('GET /').reply()
  await sleep(1500)
  const watch = new Stopwatch(process.pid)
  const sent = performance.now()
  wire.send('GET /held')
  // The clock that is read per request may be a tenth of a second old.
  const ages = async (count: number): Promise<number[]> => {
    await until(() => service.status().requests.length === count)
    return service.status().requests.map(({ age }) => age)
  }
  const [held] = await ages(1)
  const isAsOld = (age: number, least: number, since: number): void => {
    inTime(t, { time: age, late: watch.late }, [least - watch.late, performance.now() - since + 700], 'its age:')
  }
  isAsOld(held!, -700, sent)

  // A pipelined one is counted from its own start, and announcing changes neither.
  await sleep(1500)
  const pipelined = performance.now()
  wire.send('GET /held')
  const [first, second] = await ages(2)
  isAsOld(first!, pipelined - sent - 700, sent)
  isAsOld(second!, -700, pipelined)
  const end = service.shutdown()
  const [adopted, successor] = await ages(2)
  isAsOld(adopted!, -700, sent)
  isAsOld(successor!, -700, pipelined)
  door.open()
  t.match(await end, { verdict: 'clean' })
})

t.test(
  'what is noted of a request gives all replies of the service one shape, first and later ones, probes and traffic',
  async (t) => {
    const shapes: string[] = []
    const service = await serve(t, {
      routes: (app) => {
        app.get('/shape', async (_request, { raw }) => {
          shapes.push(Reflect.ownKeys(raw).map(String).join())
          return 'here'
        })
      }
    })
    const wires = [await open(service.port), await open(service.port)]
    for (const wire of wires) {
      for (let index = 0; index < 3; index++) await wire.send('GET /shape').reply()
    }
    const probe = await open(service.port)
    for (let index = 0; index < 2; index++) await probe.sendWith(['User-Agent: kube-probe/1.30'], 'GET /shape').reply()
    t.equal(shapes.length, 8)
    t.equal(new Set(shapes).size, 1, [...new Set(shapes)].join(' | '))
  }
)
