import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { block, gate, open, phaseOf, refused, serve, until } from './support.ts'
import type { Service, Wire } from './support.ts'
import { inTime, Stopwatch, unlessLate } from '../support/stopwatch.ts'

const size = 30 * 1024 * 1024
const big = Buffer.alloc(size, 'x')

async function keepAlive (service: Service): Promise<Wire> {
  const wire = (await open(service.port)).send('GET /')
  await wire.reply()
  return wire
}

async function told (wire: Wire): Promise<boolean> {
  return (await wire.send('GET /').reply()).headers['connection'] === 'close'
}

// Scenario (Requests in flight): 30 MB to a slow reader arrive whole
t.test('a slow reader gets every byte', async (t) => {
  const routes: Array<[string, (app: Service['app']) => void]> = [
    ['a buffer', (app) => { app.get('/big', async () => big) }],
    ['a raw reply', (app) => { app.get('/big', (_request, reply) => { reply.hijack().raw.end(big) }) }]
  ]
  for (const [name, route] of routes) {
    const service = await serve(t, { routes: route })
    const wire = (await open(service.port)).send('GET /big')
    wire.socket.pause()
    await until(() => service.status().requests.length === 1)
    const end = service.shutdown()
    await service.reached('draining')
    // Longer than an idle connection is kept, and with the listener closed.
    await sleep(500)
    t.equal(service.app.graceful.phase, 'draining', name)
    t.strictSame(service.events, [])
    wire.socket.resume()
    await wire.end()
    t.ok(wire.bytes > size, `${wire.bytes} bytes`)
    t.match(await end, { verdict: 'clean', exitCode: 0 })
  }
})

// Scenario (Connections): Idle, silent, half a head, half of a second head (stoppable, http-graceful-shutdown)
t.test('a connection that does nothing does not hold the end', async (t) => {
  const rows: Array<[string, (service: Service) => Promise<Wire>]> = [
    ['idle', keepAlive],
    ['silent', async (service) => open(service.port)],
    ['half a head', async (service) => {
      const wire = await open(service.port)
      wire.write('GET / HTTP/1.1\r\nHost:')
      return wire
    }],
    ['half of a second head', async (service) => {
      const wire = await keepAlive(service)
      wire.write('GET / HTTP/1.1\r\nHost:')
      return wire
    }]
  ]
  for (const [name, make] of rows) {
    for (const idle of [100, 600]) {
      const service = await serve(t, { graceful: { drain: { idle } } })
      const wire = await make(service)
      await until(() => service.status().connections['open'] === 1)
      t.match(service.status().connections, { busy: 0, idle: 1, upgraded: 0 }, name)
      const watch = new Stopwatch(process.pid)
      const report = await service.shutdown()
      t.match(report, { verdict: 'clean' })
      const { duration } = phaseOf(report, 'draining')!
      const { late } = watch.stop()
      inTime(t, { time: duration, late }, [idle - 50, idle + 1000], `${name}: with idle ${idle} draining took`)
      await wire.end()
      t.equal(wire.error, undefined)
    }
  }
})

// Scenario (Connections): A head that drips in
t.test('a head that drips in byte by byte is bounded', async (t) => {
  const service = await serve(t, { graceful: { drain: { idle: 150 } } })
  const wire = await open(service.port)
  wire.write('GET / HTTP/1.1\r\nX: ')
  const dripping = setInterval(() => { if (!wire.closed) wire.write('x') }, 20)
  t.teardown(() => clearInterval(dripping))
  const watch = new Stopwatch(process.pid)
  const report = await service.shutdown()
  t.match(report, { verdict: 'clean' })
  const { duration } = phaseOf(report, 'draining')!
  inTime(t, { time: duration, late: watch.stop().late }, [1000, 3000], 'draining took')
})

// Scenario (Connections): Connections that are gone are no longer counted (http-terminator, stoppable)
t.test('a connection that is no plain socket of the server, or was destroyed by anybody, is followed to its end',
  async (t) => {
    const service = await serve(t)
    const connected = (of = service): unknown => of.status().connections['open']
    const { server } = service.app

    const written: string[] = []
    const destroyed: string[] = []
    const stream = new Duplex({
      read () {},
      write (chunk: Buffer, _encoding, callback) {
        written.push(chunk.toString())
        callback()
      },
      destroy (error, callback) {
        destroyed.push('by its own destroy')
        callback(error)
      }
    })
    server.emit('connection', stream)
    stream.push('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => written.length > 0)
    t.match(written.join(''), 'HTTP/1.1 200 OK')
    t.equal(connected(), 1)
    stream.destroy()
    await until(() => connected() === 0)
    t.strictSame(destroyed, ['by its own destroy'])

    // Two servers share it.
    const other = await serve(t)
    server.once('connection', (socket: Socket) => other.app.server.emit('connection', socket))
    const wire = await keepAlive(service)
    t.equal(connected(), 1)
    t.equal(connected(other), 1)
    wire.socket.destroy()
    await until(() => connected() === 0 && connected(other) === 0)

    // Gone before anybody heard of it.
    server.prependOnceListener('connection', (socket: Socket) => { socket.destroy() })
    await (await open(service.port)).end()
    await until(() => connected() === 0)
    server.once('connection', (socket: Socket) => { socket.destroy(new Error('by the application')) })
    await (await open(service.port)).end()
    await until(() => connected() === 0)
    t.match(await service.shutdown(), { verdict: 'clean' })
    t.match(await other.shutdown(), { verdict: 'clean' })
  })

t.test('a connection in use is not taken for one that drips', async (t) => {
  const service = await serve(t, { graceful: { announce: { shed: 'off', min: 1800 }, drain: { idle: 250 } } })
  const wires = await Promise.all(Array.from({ length: 10 }, async () => open(service.port)))
  const used = wires.map(async (wire) => {
    for (let served = 1; ; served++) {
      const { status, headers } = await wire.send('GET /').reply()
      if (status !== 200 || headers['connection'] === 'close') return served
      // Longer than the sweep's first look, shorter than idle.
      await sleep(120)
    }
  })
  const end = service.shutdown()
  for (const served of await Promise.all(used)) t.ok(served > 5, `${served} requests, and the last was told`)
  t.match(await end, { verdict: 'clean' })
})

t.test('what comes late', async (t) => {
  // Scenario (Connections): A late request on a kept connection is served, and told to close while draining
  // (http-terminator)
  t.test('on a kept connection, in phases 1 and 3', async (t) => {
    const service = await serve(t, { graceful: { announce: { shed: 'off' }, drain: { idle: 5000 } } })
    const wire = await keepAlive(service)
    const announcing = service.hold('announcing')
    const draining = service.hold('draining')
    const end = service.shutdown()
    await service.reached('announcing')
    t.match(await wire.send('GET /').reply(), { status: 200, headers: { connection: 'keep-alive' } })
    announcing()
    await service.reached('draining')
    t.match(await wire.send('GET /').reply(), { status: 200, headers: { connection: 'close' } })
    await wire.end()
    draining()
    t.match(await end, { verdict: 'clean' })
  })

  // Scenario (Connections): New connections are served while the end is announced (graceful-server), and refused
  // afterwards (http-terminator, stoppable)
  t.test('on a new connection: served in phase 1, refused from phase 2 on', async (t) => {
    const service = await serve(t)
    const announcing = service.hold('announcing')
    const draining = service.hold('draining')
    const end = service.shutdown()
    await service.reached('announcing')
    t.equal((await (await open(service.port)).send('GET /').reply()).status, 200)
    announcing()
    await service.reached('draining')
    t.ok(await refused(service.port))
    draining()
    t.match(await end, { verdict: 'clean', traffic: { arrivals: 1 } })
  })

  // Scenario (Connections): New connections and requests that wait in the kernel while the event loop is blocked
  t.test('and waits in the kernel while the event loop is blocked', async (t) => {
    for (const kept of [false, true]) {
      const service = await serve(t)
      const sent = new Int32Array(new SharedArrayBuffer(4))
      const burst = new Worker(new URL('fixtures/burst.js', import.meta.url), {
        execArgv: [],
        workerData: { port: service.port, count: 50, kept, sent }
      })
      await once(burst, 'message')
      const before = Atomics.load(sent, 0)
      burst.postMessage('send', [])
      // The event loop stands still until all of it lies in the kernel.
      const patience = performance.now() + 20_000
      while (Atomics.load(sent, 0) - before < 50 && performance.now() < patience) block(10)
      // What a client has sent can be on its way still, on a machine that is late.
      while (queuedInKernel(service.port, kept) < 50 && performance.now() < patience) block(10)
      const watch = new Stopwatch(process.pid)
      const end = service.shutdown()
      const [{ lost }] = await once(burst, 'message') as [{ lost: string[] }]
      // Phase 2 lasts half a second at most, and each connection in the queue takes a turn of it.
      const what = `on ${kept ? 'kept' : 'new'} connections: ${lost.length} lost ${lost[0] ?? ''}`
      unlessLate(t, lost.length === 0, what, watch.stop().late, 200)
      t.match(await end, { verdict: 'clean' })
      await burst.terminate()
    }
  })
})

/** How many connections to a port of 127.0.0.1 wait to be accepted, or with `kept`, to be read. */
function queuedInKernel (port: number, kept: boolean): number {
  const [listens, established] = ['0A', '01']
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const queues = readFileSync('/proc/net/tcp', 'latin1').split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, address, , state]) => address?.endsWith(local) && state === (kept ? established : listens))
    .map(([, , , , queue = '']) => Number.parseInt(queue.slice(9), 16))
  return kept ? queues.filter((bytes) => bytes > 0).length : queues[0] ?? 0
}

// Scenario (Connections): A client with a pool of kept connections sees no reset
t.test('a kept connection of a real agent is not reset', async (t) => {
  const service = await serve(t, { graceful: { announce: { min: 400 } } })
  const agent = new Agent({ keepAlive: true, maxSockets: 5 })
  t.teardown(() => agent.destroy())
  const controller = new AbortController()
  const { signal: stop } = controller
  const served = [0, 0, 0, 0, 0]
  const loop = async (_: number, index: number): Promise<void> => {
    while (!stop.aborted) {
      await new Promise<void>((resolve, reject) => {
        get({ port: service.port, host: '127.0.0.1', agent }, (response) => { response.resume().once('end', resolve) })
          .once('error', reject)
      })
      served[index]!++
      await sleep(5)
    }
  }
  const loops = Promise.all(served.map(loop))
  await sleep(100)
  const announcing = service.hold('announcing')
  const end = service.shutdown()
  await service.reached('announcing')
  const before = [...served]
  // Past the whole ramp, which lasts `announce.quiet` at least, whatever else the machine does.
  await until(
    () => Date.now() - service.status().since > 1100 && served.every((count, index) => count > before[index]! + 20)
  )
  controller.abort()
  await loops
  announcing()
  const { traffic } = await end
  t.ok(traffic.shed >= 5, `${traffic.shed} connections were told to reconnect`)
})

t.test('shedding', async (t) => {
  // Scenario, too: Nobody is told to close before the end…
  t.test('off and immediate', async (t) => {
    for (const shed of ['off', 'immediate'] as const) {
      const service = await serve(t, { graceful: { announce: { shed, min: 500 } } })
      const wires = await Promise.all(Array.from({ length: 10 }, async () => keepAlive(service)))
      const end = service.shutdown()
      // Two rounds of asking.
      await until(() => Date.now() - service.status().since > 60)
      const answers = await Promise.all(wires.map(told))
      t.equal(answers.filter(Boolean).length, shed === 'off' ? 0 : 10, shed)
      t.equal((await end).traffic.shed, shed === 'off' ? 0 : 10)
    }
  })

  // Scenario (Connections): Connections are told little by little
  t.test('gradual rises with phase 1', async (t) => {
    const service = await serve(t, { graceful: { announce: { min: 2000 } } })
    const wires = await Promise.all(Array.from({ length: 200 }, async () => keepAlive(service)))
    const announcing = service.hold('announcing')
    const end = service.shutdown()
    await service.reached('announcing')
    const left = new Set(wires)
    for (const at of [100, 1000, 1900]) {
      const elapsed = (): number => Date.now() - service.status().since
      await until(() => elapsed() >= at)
      const asked = elapsed()
      // Who was told is asked no more, also where its client has not seen the end of the connection yet.
      await Promise.all([...left].map(async (wire) => { if (await told(wire)) left.delete(wire) }))
      const answered = elapsed()
      const told200 = 200 - left.size
      // 200 draws of a share: four standard deviations are at most 14 percent.
      t.comment(`${told200} of 200 told between ${asked} and ${answered} ms of 2000`)
      t.ok(told200 / 200 > Math.min(1, (asked - 50) / 2000) - 0.15, 'as many as the ramp has passed')
      t.ok(told200 / 200 < answered / 2000 + 0.15, 'and no more')
    }
    announcing()
    t.equal((await end).traffic.shed, 200 - left.size)
  })

  // Scenario, too: Pipelined requests: the last reply alone ends the connection
  t.test('takes the mark back from a reply that gets a successor', async (t) => {
    const door = gate()
    const service = await serve(t, { graceful: { announce: { shed: 'immediate' } }, routes (app) {
      app.get('/slow', async () => {
        await door.promise
        return 'slow'
      })
    } })
    const announcing = service.hold('announcing')
    const end = service.shutdown()
    await service.reached('announcing')
    const wire = await open(service.port)
    for (const count of [1, 2, 3]) {
      wire.send('GET /slow')
      await until(() => service.status().requests.length === count)
    }
    door.open()
    for (const connection of ['keep-alive', 'keep-alive', 'close']) {
      t.match(await wire.reply(), { status: 200, headers: { connection } })
    }
    await wire.end()
    announcing()
    t.match(await end, { verdict: 'clean' })
  })

  t.test('a connection whose application insists on keep-alive is told all the same', async (t) => {
    const service = await serve(t, { routes (app) {
      app.get('/insists', async (_request, reply) => reply.header('connection', 'keep-alive').send('ok'))
    } })
    const draining = service.hold('draining')
    const wire = await keepAlive(service)
    const end = service.shutdown()
    await service.reached('draining')
    t.match(await wire.send('GET /insists').reply(), { status: 200, headers: { connection: 'close' } })
    await wire.end()
    draining()
    t.match(await end, { verdict: 'clean' })
  })

  t.test('is undone with the drain', async (t) => {
    const token = 'a token of the test'.replaceAll(' ', '-')
    const service = await serve(t, { graceful: { announce: { shed: 'immediate' }, admin: { token } } })
    const post = async (name: string): Promise<number> => (await service.app.inject({
      url: `/-/${name}`,
      method: 'POST',
      headers: { authorization: `Bearer ${token}` }
    })).statusCode
    const wire = await keepAlive(service)
    t.equal(await post('drain'), 200)
    await until(() => service.app.graceful.phase === 'announcing')
    await until(() => Date.now() - service.status().since > 60)
    t.equal(await told(await open(service.port)), true)
    t.equal(await post('undrain'), 200)
    t.equal(await told(wire), false)
    t.equal(service.status().requests.length, 0)
  })
})
