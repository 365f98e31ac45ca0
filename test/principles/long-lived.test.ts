import { EventEmitter, once } from 'node:events'
import { request } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Report } from '../../lib/index.ts'
import { fork } from '../process/fork.ts'
import { bind, build } from '../support/app.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'
import { Client, ended, serve } from './sockets.ts'
import type { Service } from './sockets.ts'

// Scenario (HTTP/2, upgrades, streams): Work in hand of two applications in one process; the pace of `drain.spread` as
// clients see it; what `waitUntil` takes for a socket
t.test('drain.spread, as clients see it', { jobs: 2 }, async (t) => {
  const spread = 2000
  const count = 40
  const kinds: Record<string, (service: Service) => Promise<() => number>> = {
    WebSockets: async ({ url }) => {
      const client = new Client(`${url}/quiet`)
      await once(client.socket, 'open')
      let at = Number.NaN
      client.socket.on('close', () => { at = performance.now() })
      return () => at
    },
    'event streams that hear of the end': async (service) => timeOfEnd(service, '/sse/signal'),
    'event streams whose route says so': async (service) => timeOfEnd(service, '/sse/route')
  }
  for (const [name, open] of Object.entries(kinds)) {
    t.test(name, async (t) => {
      const service = await serve(t, { options: { gracePeriod: 12_000, drain: { spread, webSocket: { quiet: 0 } } } })
      const ends = await Promise.all(Array.from({ length: count }, async () => open(service)))
      await sleep(300)
      const watch = new Stopwatch(service.fork.child.pid)
      const start = performance.now()
      service.fork.kill('SIGTERM')
      const { code, report } = await ended(service)
      // A busy machine delays the service's word, and this process that hears it.
      const { late } = watch.stop()
      t.equal(code, 0)
      t.match(report, { verdict: 'clean' })
      const times = ends.map((end) => end() - start).toSorted((a, b) => a - b)
      const [first = Number.NaN] = times
      const last = times.at(-1)! - first
      inTime(t, { time: first, late }, [0, 1000], 'the first is told after')
      inTime(t, { time: last, late }, [spread * 0.75 - late, spread * 1.4], 'and the last one later by')
      const within = (from: number, length: number): number =>
        times.filter((time) => time >= from && time < from + length).length
      // A second is half of it.
      const early = within(first, spread / 2)
      t.ok(early <= count * 0.7, `${early} of ${count} within the first half`)
      const soon = within(first, spread / 2 + late)
      t.ok(soon >= count * 0.3, `${soon} of them within that and the delay`)
      const crowd = Math.max(...times.map((time) => within(time, spread / 10)))
      // What was due during a delay comes at once after it.
      t.ok(crowd <= count / 3 + count * late / spread, `${crowd} at once`)
    })
  }
})

/** When a stream has come to its end, once it has begun. */
async function timeOfEnd ({ port }: Service, path: string): Promise<() => number> {
  let at = Number.NaN
  return new Promise((resolve) => {
    request({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      response.once('data', () => resolve(() => at))
      response.resume().once('close', () => { at = performance.now() })
    }).end()
  })
}

// Scenario, too: Work in hand of two applications in one process…
t.test('two applications in one process: the work of either is finished before the process ends', async (t) => {
  const service = fork('../../principles/fixtures/two-applications.js')
  t.teardown(() => service.kill('SIGKILL'))
  const [, first, second] = await service.waitForLine(/^listening (\d+) (\d+)$/m)
  const clients = [first, second].map((port) => new Client(`ws://127.0.0.1:${port}/late`))
  for (const { socket } of clients) await once(socket, 'open')
  const [idle, busy] = clients as [Client, Client]
  const stream = await timeOfEnd({ fork: service, port: Number(first), url: '' }, '/events')
  const watch = new Stopwatch(service.child.pid)
  busy.socket.send('a')
  await sleep(100)
  for (const client of clients) client.started = performance.now()
  const start = performance.now()
  service.kill('SIGTERM')
  await Promise.all(clients.map(async ({ closed }) => closed))
  const [code, signal, output] = await service.result
  t.strictSame([code, signal], [0, null], output)
  t.strictSame([idle.code, busy.code], [1001, 1001])
  t.strictSame([idle.messages, busy.messages], [[], ['answer to a']])
  const { late } = watch.stop()
  inTime(t, { time: idle.closedAt, late }, [0, 1200], 'the idle one is told after')
  inTime(t, { time: busy.closedAt, late }, [1200 - late, 3000], 'the other one after')
  inTime(t, { time: stream() - start, late }, [0, 1200], 'the stream ends after')
  const reports = [...output.matchAll(/^report (.*)$/gm)].map(([, text = '']) => JSON.parse(text) as Report)
  t.match(reports, [{ verdict: 'clean' }, { verdict: 'clean' }])
  t.equal(output.match(/^onClose$/gm)?.length, 2)
})

// Scenario, too: Work in hand of two applications in one process…
t.test('waitUntil with something that is no socket says what it takes, and begins nothing', async (t) => {
  const app = build()
  t.teardown(() => app.close())
  await bind(app)
  const rows: Array<[given: unknown, shown: RegExp]> = [
    [42, /got 42 \(number\)/],
    ['socket', /got "socket" \(string\)/],
    [null, /got null \(null\)/],
    [true, /got true \(boolean\)/],
    [{}, /got .* \(object\)/],
    [[], /got .* \(array\)/],
    [() => {}, /got .* \(function\)/],
    [new EventEmitter(), /got .* \(object\)/],
    [app.server, /got .* \(object\)/],
    [{ raw: {} }, /got .* \(object\)/]
  ]
  for (const [given, shown] of rows) {
    const wait = (): void => app.graceful.waitUntil(new Promise(() => {}), { name: 'job', socket: given as Socket })
    const error = t.throws(wait, { code: 'FST_GRACEFUL_INVALID_ARGUMENT' }) as Error
    t.match(error.message, /^fastify-graceful: the socket given to 'waitUntil' must be a WebSocket of the package ws, /)
    t.match(error.message, shown)
    t.ok(error.message.length < 400, `${error.message.length} characters`)
  }
  const misspelt = { sockets: 1 } as object
  t.throws(() => app.graceful.waitUntil(Promise.resolve(), misspelt), { code: 'FST_GRACEFUL_UNKNOWN_OPTION' })
  t.match(await app.graceful.shutdown(), { verdict: 'clean', cut: { waiting: [] } }, 'nobody waits for the work')
})
