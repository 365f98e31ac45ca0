import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { eventNames, publish } from '../../lib/metrics/events.ts'
import type { Events } from '../../lib/metrics/events.ts'
import { fork } from '../process/fork.ts'
import { bind, build, Client, until } from '../support/app.ts'

type Seen = Array<{ [Name in keyof Events]: { name: Name, message: Events[Name] } }[keyof Events]>

/** Everything that is published while a test runs. */
function listen (t: Test): Seen {
  const seen: Seen = []
  const listener = (message: unknown, name: string | symbol): void => { seen.push({ name, message } as Seen[number]) }
  for (const name of eventNames) subscribe(name, listener)
  t.teardown(() => { for (const name of eventNames) unsubscribe(name, listener) })
  return seen
}

const of = <Name extends keyof Events>(seen: Seen, wanted: Name): Array<Events[Name]> =>
  seen.filter(({ name }) => name === wanted).map(({ message }) => message as Events[Name])

t.test('no message is made where nobody listens', async (t) => {
  let made = 0
  const make = (): Events['fastify-graceful:blocked'] => {
    made++
    return { application: 'x', duration: 1, at: 2, blockedIn: undefined }
  }
  publish('fastify-graceful:blocked', make)
  t.equal(made, 0)
  const seen = listen(t)
  publish('fastify-graceful:blocked', make)
  t.equal(made, 1)
  t.same(of(seen, 'fastify-graceful:blocked'), [{ application: 'x', duration: 1, at: 2, blockedIn: undefined }])
})

t.test('a shutdown that cuts a request, with a connection that came late', async (t) => {
  const seen = listen(t)
  const app = build({ gracePeriod: 2000, metrics: true, announce: { quiet: 1000, max: 1000 } })
  let isStuck = false
  app.get('/stuck/:id', () => new Promise(() => { isStuck = true }))
  app.get('/', async () => 'ok')
  await app.ready()
  // Whoever comes within `quiet` before the cap is late: the balancer was still sending.
  const halfway = new Promise<void>((resolve) => {
    app.graceful.stall('test', (phase, elapsed) => {
      if (elapsed >= 400) resolve()
      return phase === 'announcing'
    })
  })
  const port = await bind(app)
  const stuck = await Client.open(port)
  stuck.get('/stuck/5?token=secret')
  await until(() => isStuck)
  const done = app.graceful.shutdown({ reason: 'test' })
  await halfway
  const late = await Client.open(port)
  late.get('/')
  await late.answers(1)
  const report = await done
  stuck.socket.destroy()
  late.socket.destroy()

  const phases = of(seen, 'fastify-graceful:phase')
  t.same(
    phases.map(({ phase, previous }) => [previous, phase]),
    [['running', 'announcing'], ['announcing', 'closing'], ['closing', 'draining'], ['draining', 'terminated']]
  )
  t.same(phases.slice(1).map(({ record }) => record), report.phases.slice(0, 3), 'the records of the report')
  const [first] = phases
  t.match(first, { reason: 'test', application: /^application \d+$/ })
  t.ok(Math.abs(first!.deadline! - Date.now()) < 10_000)
  t.equal(new Set(seen.map(({ message }) => message.application)).size, 1)

  const cuts = of(seen, 'fastify-graceful:request-cut')
  t.match(cuts, [{ method: 'GET', route: '/stuck/:id' }])
  t.same(
    cuts,
    report.cut.requests.map((request) => ({ ...request, by: 'deadline', application: cuts[0]?.application }))
  )
  t.notMatch(JSON.stringify(cuts), 'secret')
  t.same(of(seen, 'fastify-graceful:report').map((event) => event.report), [report])
  t.equal(report.traffic.lateArrivals, 1)
  t.match(of(seen, 'fastify-graceful:late-connection'), [{ address: '127.0.0.1', after: report.traffic.lastArrival }])
  const order = seen.map(({ name, message }) => name === 'fastify-graceful:phase' ? message.phase : name)
  t.ok(order.indexOf('fastify-graceful:request-cut') < order.indexOf('terminated'), 'told before the last phase')
  t.equal(order.at(-1), 'fastify-graceful:report')
})

// Scenario (Connections): Programs hear of a request that other code ends when it does
t.test('a request that other code ends is told when it does, once, and a stream is not', async (t) => {
  const ways: Record<string, (app: FastifyInstance, socket: Socket) => void> = {
    // What is there on the server itself joins the end.
    closeAllConnections: (app) => Server.prototype.closeAllConnections.call(app.server),
    'the socket is destroyed': (_app, socket) => { socket.destroy() }
  }
  for (const [way, act] of Object.entries(ways)) {
    const seen = listen(t)
    const cuts = (): Array<Events['fastify-graceful:request-cut']> => of(seen, 'fastify-graceful:request-cut')
    const app = build({ gracePeriod: 3000, metrics: true, announce: { quiet: 50 } })
    const sockets: Socket[] = []
    app.get('/stuck/:id', (request) => new Promise(() => { sockets.push(request.raw.socket) }))
    app.get('/events', (request, reply) => {
      reply.hijack()
      reply.raw.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: x\n\n')
      sockets.unshift(request.raw.socket)
    })
    const held = new Set(['draining'])
    app.after(() => { app.graceful.stall('test', (phase) => held.has(phase)) })
    const port = await bind(app)
    const [stream, stuck] = await Promise.all([Client.open(port), Client.open(port)])
    stream.get('/events')
    await until(() => stream.text.includes('data: x'))
    stuck.get('/stuck/5?token=secret')
    await until(() => sockets.length === 2)
    const done = app.graceful.shutdown({ reason: 'test' })
    await until(() => app.graceful.phase === 'draining')
    for (const socket of sockets) act(app, socket)
    await until(() => cuts().length > 0)
    t.equal(app.graceful.phase, 'draining', 'before the end')
    t.match((await app.inject('/-/metrics')).body, /requests_cut_total\{kind="others"\} 1\n/)
    held.clear()
    const report = await done
    t.equal(cuts().length, 1)
    t.match(cuts(), [{ method: 'GET', route: '/stuck/:id', by: 'others' }], way)
    t.same(report.cut.byOthers.map(({ route }) => route), ['/stuck/:id'])
    for (const { socket } of [stream, stuck]) socket.destroy()
  }
})

t.test('a drain that is undone', async (t) => {
  const seen = listen(t)
  const app = build({ admin: { token: 'a-token-of-enough-length' } })
  await bind(app)
  const headers = { authorization: 'Bearer a-token-of-enough-length' }
  for (const url of ['/-/drain', '/-/undrain']) {
    t.equal((await app.inject({ method: 'POST', url, headers })).statusCode, 200)
  }
  t.match(of(seen, 'fastify-graceful:phase'), [
    { phase: 'announcing', reason: 'drain', deadline: undefined },
    { phase: 'running', record: { endedBy: 'undrain' } }
  ])
  t.equal(of(seen, 'fastify-graceful:report').length, 0)
  await app.close()
})

t.test('an event loop that was held', async (t) => {
  const [code, , output] = await fork('../../metrics/fixtures/blocked.js').result
  t.equal(code, 0, output)
  const { event, metrics } = JSON.parse(
    /^\{"event".*$/m.exec(output)?.[0] ?? '{}'
  ) as { event: Events['fastify-graceful:blocked'], metrics: string[] }
  t.equal(event.application, 'application 1')
  t.match(event.blockedIn, /^hog \(.*blocked\.js:\d+:\d+\)$/)
  t.ok(event.duration >= 1000 && event.duration < 20_000, `${event.duration} ms`)
  t.ok(event.at > 1_600_000_000_000)
  t.ok(metrics.includes('fastify_graceful_event_loop_blocked_seconds_count 1'))
  t.ok(metrics.includes(`fastify_graceful_event_loop_blocked_seconds_sum ${event.duration / 1000}`))
  t.ok(metrics.includes('fastify_graceful_event_loop_blocked_seconds_bucket{le="0.5"} 0'))
})
