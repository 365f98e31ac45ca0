import dns from 'node:dns'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectSecure } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { credentials, gate, open, phaseOf, refused, serve, until, Wire } from './support.ts'
import type { Service } from './support.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

const size = 30 * 1024 * 1024
const big = Buffer.alloc(size, 'x')

const hasIPv6 = Object.values(networkInterfaces()).flat().some((address) => address?.address === '::1')

/** `localhost` has two addresses, whatever the machine's own table says. */
function withBothAddresses (t: Parameters<typeof serve>[0]): void {
  const original = dns.lookup
  const addresses = [{ address: '127.0.0.1', family: 4 }, { address: '::1', family: 6 }]
  dns.lookup = ((host: string, ...rest: unknown[]) => {
    const callback = rest.at(-1) as (...parameters: unknown[]) => void
    if (host !== 'localhost') return Reflect.apply(original, dns, [host, ...rest])
    if ((rest[0] as { all?: boolean }).all === true) process.nextTick(callback, null, addresses)
    else process.nextTick(callback, null, '127.0.0.1', 4)
  }) as never
  t.teardown(() => { dns.lookup = original })
}

function slowAndBig (door: Promise<void>): (app: FastifyInstance) => void {
  return (app) => {
    app.get('/big', async () => big)
    app.get('/slow', async () => {
      await door
      return 'slow'
    })
  }
}

/** For idle connections that are used once more when draining has begun: a late machine takes its time. */
const patient = { drain: { idle: 5000 } }

async function secure (service: Service, options: object = {}): Promise<Wire> {
  const socket = connectSecure({
    port: service.port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: credentials.cert,
    ...options
  })
  const wire = new Wire(socket)
  await once(socket, 'secureConnect')
  return wire
}

// Scenario (Connections): `localhost` on both addresses
t.test('localhost, which binds two servers', { skip: hasIPv6 ? false : 'this machine has no ::1' }, async (t) => {
  withBothAddresses(t)
  const both = ['127.0.0.1', '::1']
  const kinds: Array<[string, object, (service: Service, host: string) => Promise<Wire>]> = [
    ['plain', {}, async ({ port }, host) => open({ port, host })],
    ['TLS', { https: credentials }, async (service, host) => secure(service, { host })]
  ]
  for (const [name, fastify, to] of kinds) {
    t.test(`${name}: requests in flight on both`, async (t) => {
      const door = gate()
      const listen = { port: 0, host: 'localhost' }
      const service = await serve(t, { fastify, graceful: patient, listen, routes: slowAndBig(door.promise) })
      t.strictSame(new Set(service.app.addresses().map((address) => (address as AddressInfo).address)), new Set(both))
      const wires = await Promise.all(both.map(async (host) => (await to(service, host)).send('GET /slow')))
      const idle = await Promise.all(both.map(async (host) => {
        const wire = await to(service, host)
        await wire.send('GET /').reply()
        return wire
      }))
      await until(() => service.status().requests.length === 2)
      t.match(service.status().connections, { open: 4, busy: 2, idle: 2 })
      const draining = service.hold('draining')
      const end = service.shutdown()
      await service.reached('draining')
      for (const host of both) t.ok(await refused(service.port, host), `${host} accepts nothing`)
      for (const wire of idle) {
        t.match(await wire.send('GET /').reply(), { status: 200, headers: { connection: 'close' } })
      }
      door.open()
      for (const wire of wires) t.match(await wire.reply(), { status: 200, headers: { connection: 'close' } })
      draining()
      t.match(await end, { verdict: 'clean', exitCode: 0 })
      t.strictSame(service.events, ['onClose'])
    })

    t.test(`${name}: 30 MB to a slow reader of the one, while the other is idle`, async (t) => {
      for (const host of both) {
        const service =
          await serve(t, { fastify, listen: { port: 0, host: 'localhost' }, routes: slowAndBig(Promise.resolve()) })
        const wire = await to(service, host)
        wire.send('GET /big')
        wire.socket.pause()
        await until(() => service.status().requests.length === 1)
        const end = service.shutdown()
        await service.reached('draining')
        await sleep(500)
        t.strictSame(service.events, [])
        wire.socket.resume()
        await wire.end()
        t.ok(wire.bytes > size, `${host}: ${wire.bytes} bytes`)
        t.match(await end, { verdict: 'clean' })
      }
    })
  }
})

// Scenario, too: A supervisor's port on `::`…
t.test('all addresses of both families', { skip: hasIPv6 ? false : 'this machine has no ::1' }, async (t) => {
  const door = gate()
  const service = await serve(t, {
    graceful: patient,
    listen: { port: 0, host: '::' },
    routes: slowAndBig(door.promise)
  })
  const { port } = service
  const both = ['127.0.0.1', '::1']
  const slow = await Promise.all(both.map(async (host) => (await open({ port, host })).send('GET /slow')))
  const kept = await Promise.all(both.map(async (host) => open({ port, host })))
  for (const wire of kept) await wire.send('GET /').reply()
  await until(() => service.status().requests.length === 2)
  t.match(service.status().connections, { open: 4, busy: 2, idle: 2 })
  const end = service.shutdown()
  await service.reached('draining')
  for (const host of both) t.ok(await refused(port, host), `${host} accepts nothing`)
  for (const wire of kept) {
    t.match(await wire.send('GET /').reply(), { status: 200, headers: { connection: 'close' } })
  }
  door.open()
  for (const wire of slow) t.match(await wire.reply(), { status: 200, headers: { connection: 'close' } })
  t.match(await end, { verdict: 'clean', exitCode: 0 })
})

// Scenario (Connections): A unix socket
t.test('a unix socket', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'graceful-'))
  t.teardown(async () => rm(directory, { recursive: true }))
  const path = join(directory, 'app.sock')
  const door = gate()
  const service = await serve(t, { graceful: { drain: { idle: 1500 } }, listen: { path }, routes: slowAndBig(door.promise) })
  const slow = (await open({ path })).send('GET /slow')
  const kept = await open({ path })
  await kept.send('GET /').reply()
  const silent = await open({ path })
  await until(() => service.status().requests.length === 1)
  t.match(service.status().connections, { open: 3, busy: 1, idle: 2 })
  const end = service.shutdown()
  await service.reached('draining')
  await t.rejects(open({ path }))
  t.match(await kept.send('GET /').reply(), { status: 200, headers: { connection: 'close' } })
  door.open()
  t.match(await slow.reply(), { status: 200, headers: { connection: 'close' } })
  t.match(await end, { verdict: 'clean' })
  await silent.end()
})

t.test('TLS', async (t) => {
  // Scenario (Connections): TLS: in flight, late, a slow reader, handshakes (http-terminator, stoppable)
  t.test('requests in flight, late ones, and 30 MB to a slow reader', async (t) => {
    const door = gate()
    const fastify = { https: credentials }
    const service = await serve(t, { fastify, graceful: patient, routes: slowAndBig(door.promise) })
    const slow = (await secure(service)).send('GET /slow')
    const kept = await secure(service)
    await kept.send('GET /').reply()
    const reader = (await secure(service)).send('GET /big')
    reader.socket.pause()
    await until(() => service.status().requests.length === 2)
    t.match(service.status().connections, { open: 3, busy: 2, idle: 1 })
    const end = service.shutdown()
    await service.reached('draining')
    t.match(await kept.send('GET /').reply(), { status: 200, headers: { connection: 'close' } })
    door.open()
    t.match(await slow.reply(), { status: 200 })
    await sleep(400)
    t.strictSame(service.events, [])
    reader.socket.resume()
    await reader.end()
    t.ok(reader.bytes > size, `${reader.bytes} bytes`)
    t.match(await end, { verdict: 'clean' })
  })

  // Scenario, too: TLS: in flight, late…
  t.test('handshakes that do not get on do not hold the end', async (t) => {
    const service = await serve(t, { fastify: { https: credentials } })
    const silent = await open(service.port)
    const half = await open(service.port)
    // The first bytes of a record that never comes.
    half.socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02]))
    await until(() => service.status().connections['open'] === 2)
    const watch = new Stopwatch(process.pid)
    const report = await service.shutdown()
    t.match(report, { verdict: 'clean' })
    const { duration } = phaseOf(report, 'draining')!
    inTime(t, { time: duration, late: watch.stop().late }, [150, 1500], 'draining took')
    await silent.end()
    await half.end()
  })

  // Scenario, too: TLS: in flight, late…
  t.test('a handshake that is under way when the listener closes is finished and served', async (t) => {
    const service = await serve(t, { fastify: { https: credentials }, graceful: { drain: { idle: 1000 } } })
    const raw = await open(service.port)
    await until(() => service.status().connections['open'] === 1)
    const end = service.shutdown()
    await service.reached('draining')
    raw.socket.removeAllListeners('data')
    const wire = await secure(service, { socket: raw.socket })
    t.match(await wire.send('GET /').reply(), { status: 200, headers: { connection: 'close' } })
    t.match(await end, { verdict: 'clean' })
  })
})

// Scenario (Connections): Somebody has closed the server already (exiting)
t.test('a server that closes before the plugin asks it to', async (t) => {
  const door = gate()
  const service = await serve(t, { routes: slowAndBig(door.promise) })
  const slow = (await open(service.port)).send('GET /slow')
  await until(() => service.status().requests.length === 1)
  service.app.server.close()
  const end = service.shutdown()
  await service.reached('draining')
  door.open()
  t.match(await slow.reply(), { status: 200 })
  t.match(await end, { verdict: 'clean' })
})

// Scenario (Connections): No connection at all (http-terminator)
t.test('a service without a connection ends at once', async (t) => {
  const service = await serve(t)
  const watch = new Stopwatch(process.pid)
  const report = await service.shutdown()
  t.match(report, { verdict: 'clean' })
  inTime(t, { time: report.duration, late: watch.stop().late }, [0, 500], 'with nobody there')
})
