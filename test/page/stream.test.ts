import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import type { FastifyServerOptions } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import type { GracefulOptions, Report } from '../../lib/index.ts'
import { changesOf } from '../../lib/page/outlet.ts'
import { streamBounds, Viewers } from '../../lib/page/viewers.ts'
import type { Access } from '../../lib/page/viewers.ts'
import type { Outlet } from '../../lib/page/outlet.ts'
import { FakeClock, settle } from '../health/fake-clock.ts'
import { bind, build, Client, until } from '../support/app.ts'
import { EventReader, Viewer } from './viewer.ts'

const token = 'a-token-of-16-or-more'
const bearer = { authorization: `Bearer ${token}` }

t.test('what of a state is new', async (t) => {
  const rows: Array<[string, object, object, number, object | undefined]> = [
    ['nothing', { a: 1, b: [{ c: 'x' }] }, { a: 1, b: [{ c: 'x' }] }, 250, undefined],
    ['a field, whole', { a: 1, b: [1, 2] }, { a: 1, b: [1, 3] }, 250, { b: [1, 3] }],
    ['a new one', {}, { a: { b: undefined } }, 250, { a: { b: undefined } }],
    ['one that is gone', { a: 1 }, { a: undefined }, 250, { a: null }],
    ['one that never was', { a: undefined }, {}, 250, undefined],
    ['a longer list', { a: [] }, { a: [undefined] }, 250, { a: [undefined] }],
    ['an age that grows with the time', { requests: [{ age: 100 }] }, { requests: [{ age: 351 }] }, 250, undefined],
    ['an age that began anew', { checks: [{ age: 900 }] }, { checks: [{ age: 10 }] }, 250, { checks: [{ age: 10 }] }],
    ['a number that is no age', { rate: 1 }, { rate: 1.25 }, 250, { rate: 1.25 }],
    ['a deadline worked out anew', { deadline: 1000 }, { deadline: 1001 }, 250, undefined],
    ['another deadline', { deadline: 1000 }, { deadline: 2000 }, 250, { deadline: 2000 }],
    ['an object in place of a list', { a: [] }, { a: {} }, 250, { a: {} }]
  ]
  for (const [name, before, after, elapsed, expected] of rows) {
    t.strictSame(changesOf(before, after, elapsed), expected, name)
  }
})

/** A reply whose peer reads, or does not. */
class FakeOutlet extends EventReader implements Outlet {
  destroyed: boolean | undefined = false
  stream?: { destroyed: boolean }
  ended = false
  reads = true
  writableLength = 0
  writes = 0
  readonly #listeners: Array<() => void> = []

  write (text: string): void {
    this.writes++
    if (this.reads) this.push(text)
    else this.writableLength += text.length
  }

  end (): void { this.ended = true }

  destroy (): void {
    this.destroyed = true
    for (const listener of this.#listeners) listener()
  }

  on (event: string, listener: () => void): void { if (event === 'close') this.#listeners.push(listener) }
}

/** Viewers of a state that the test turns, on a clock that it turns, too. */
function makeViewers (): {
  viewers: Viewers
  clock: FakeClock
  state: Record<string, unknown>
  asked: () => number
  watch: (access?: Access) => Promise<FakeOutlet>
} {
  const clock = new FakeClock()
  const state: Record<string, unknown> = { phase: 'running', secret: 'inner matter' }
  let asked = 0
  const viewers = new Viewers({
    publicStatus: () => ({ phase: state['phase'] }),
    status: () => { asked++; return { ...state } },
    now: clock.now,
    after: clock.after
  })
  const watch = async (access: Access = 'whole'): Promise<FakeOutlet> => {
    const outlet = new FakeOutlet()
    await viewers.add(outlet, access)
    return outlet
  }
  return { viewers, clock, state, asked: () => asked, watch }
}

t.test('the state first, then what of it changes, several changes in one', async (t) => {
  const { clock, state, asked, watch } = makeViewers()
  t.strictSame([clock.timers, asked()], [0, 0], 'nothing runs without a viewer')
  const outlet = await watch()
  t.match(outlet.events, [{
    name: 'status',
    data: { phase: 'running', secret: 'inner matter', access: 'whole', at: Number, instance: /^[0-9a-f-]{36}$/ }
  }])
  t.equal(outlet.retry, streamBounds.retry)
  await clock.pass(2000)
  t.strictSame(outlet.names, ['status'], 'nothing is told while nothing changes')
  for (let count = 0; count < 100; count++) {
    state['count'] = count
    await clock.pass(10)
  }
  t.ok(outlet.events.length >= 4 && outlet.events.length <= 6, `${outlet.events.length - 1} changes in a second`)
  await clock.pass(250)
  t.match(outlet.events.at(-1), { name: 'change', data: { count: 99, secret: undefined } })
  delete state['count']
  await clock.pass(250)
  t.equal(outlet.events.at(-1)?.data['count'], null, 'a field that is gone')
  const second = await watch()
  t.strictSame(second.state['instance'], outlet.state['instance'])
  outlet.destroy()
  const before = asked()
  second.destroy()
  await clock.pass(10_000)
  t.strictSame([clock.timers, asked()], [0, before], 'nothing runs after the last one')
  const late = await watch()
  t.match(late.events, [{ name: 'status', data: { secret: 'inner matter' } }], 'and it begins anew')
})

t.test('who is not authorised is shown the phase alone', async (t) => {
  const { viewers, clock, state, asked, watch } = makeViewers()
  const [open, locked] = [await watch('public'), await watch('token')]
  state['secret'] = 'another'
  await clock.pass(1000)
  t.equal(asked(), 0, 'the whole is not even put together')
  state['phase'] = 'announcing'
  await clock.pass(300)
  viewers.finish({ phase: 'terminated', secret: 'at the end' }, { phase: 'terminated' })
  for (const outlet of [open, locked]) {
    t.strictSame(outlet.names, ['status', 'change', 'report'])
    t.same(Object.keys(outlet.state).toSorted(), ['access', 'at', 'instance', 'phase'])
  }
  t.strictSame([open.state['access'], locked.state['access']], ['public', 'token'])
  t.strictSame(
    await viewers.show('token').then((shown) => Object.keys(shown).toSorted()),
    ['access', 'at', 'instance', 'phase']
  )
})

t.test('a heartbeat where nothing is told', async (t) => {
  const { clock, state, watch } = makeViewers()
  const outlet = await watch()
  await clock.pass(14_900)
  t.equal(outlet.comments, 0)
  await clock.pass(400)
  t.equal(outlet.comments, 1)
  state['phase'] = 'announcing'
  await clock.pass(10_000)
  t.equal(outlet.comments, 1, 'whatever was told counts')
  await clock.pass(18_000)
  t.equal(outlet.comments, 2)
})

t.test('whoever does not read is dropped when too much is waiting for him', async (t) => {
  const { viewers, clock, state, watch } = makeViewers()
  const [reader, sleeper] = [await watch(), await watch()]
  sleeper.reads = false
  for (let count = 0; count < 40 && !sleeper.destroyed; count++) {
    state['bulk'] = `${count}${'x'.repeat(20_000)}`
    await clock.pass(250)
  }
  t.ok(sleeper.destroyed)
  t.ok(sleeper.writableLength < streamBounds.buffered + 25_000, `${sleeper.writableLength} bytes were kept for him`)
  t.equal(viewers.size, 1)
  t.notOk(reader.destroyed)
  const { writes } = sleeper
  viewers.finish({}, {})
  t.equal(sleeper.writes, writes, 'nothing is written to who is gone')
})

t.test('at most twenty, and the authorised come first', async (t) => {
  const { viewers, watch } = makeViewers()
  const first = await watch('public')
  for (let index = 1; index < 20; index++) await watch('token')
  t.notOk(viewers.hasRoom('public'))
  t.notOk(viewers.hasRoom('token'))
  t.ok(viewers.hasRoom('whole'))
  await watch('whole')
  t.ok(first.ended, 'the one who has watched the longest makes room')
  t.equal(viewers.size, 20)
  for (let index = 1; index < 20; index++) await watch('whole')
  t.notOk(viewers.hasRoom('whole'), 'nobody is left who could make room')
  t.equal(viewers.size, 20)
})

t.test('who has left before he is added is no viewer', async (t) => {
  const { viewers, clock, asked } = makeViewers()
  for (const gone of [{ destroyed: true }, { destroyed: undefined, stream: { destroyed: true } }]) {
    const outlet = Object.assign(new FakeOutlet(), gone)
    await viewers.add(outlet, 'whole')
    t.strictSame([viewers.size, clock.timers, asked(), outlet.writes], [0, 0, 0, 0])
  }
})

t.test('a state that cannot be read, and looks that cost much', async (t) => {
  const clock = new FakeClock()
  let asked = 0
  let status = (): object => ({ phase: asked > 0 ? 'running' : 'never' })
  const viewers = new Viewers({
    publicStatus: () => ({}),
    status: () => { asked++; return status() },
    now: clock.now,
    after: clock.after
  })
  const outlet = new FakeOutlet()
  await viewers.add(outlet, 'whole')
  status = () => { throw new Error('odd') }
  await clock.pass(1000)
  status = () => ({ phase: 'announcing' })
  await clock.pass(1000)
  t.strictSame(outlet.names, ['status', 'change'], 'it goes on')
  status = () => { throw new Error('odd') }
  const unlucky = new FakeOutlet()
  outlet.destroy()
  await viewers.add(unlucky, 'whole')
  t.ok(unlucky.destroyed, 'without a state there is no stream')
  t.equal(viewers.size, 0)
  let spent = 0
  const slow = new Viewers({
    publicStatus: () => ({}),
    status: () => { asked++; spent += 50; return {} },
    now: () => clock.now() + spent,
    after: clock.after
  })
  const watcher = new FakeOutlet()
  await slow.add(watcher, 'whole')
  asked = 0
  await clock.pass(5000)
  await settle()
  t.ok(asked >= 4 && asked <= 6, `${asked} looks of 50 ms in five seconds: a twentieth of the time`)
  watcher.destroy()
  // To tell twenty of them costs more than to read what is told.
  const many = new Viewers({
    publicStatus: () => ({}),
    status: () => ({ count: ++asked }),
    now: () => clock.now() + spent,
    after: clock.after
  })
  for (let count = 0; count < 20; count++) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other, so that all see the same state
    await many.add(Object.assign(new FakeOutlet(), { write: () => { spent += 2.5 } }), 'whole')
  }
  asked = 0
  await clock.pass(5000)
  await settle()
  t.ok(asked >= 4 && asked <= 6, `${asked} looks that twenty are told of in 50 ms`)
})

/** How many sockets are open. */
async function connectionsOf ({ server }: ReturnType<typeof build>): Promise<number> {
  return new Promise((resolve) => { server.getConnections((_error, count) => resolve(count)) })
}

/** A service with a viewer who is authorised. */
async function watched (
  t: Test,
  options: GracefulOptions = {},
  server: FastifyServerOptions & { http2?: true } = {},
  http2 = false
): Promise<{ app: ReturnType<typeof build>, port: number, viewer: Viewer, held: { release: () => void } }> {
  const app = build({ admin: { token }, watchdog: false, ...options }, server)
  const held = { release: (): void => {} }
  app.get('/held/:id', async () => { await new Promise<void>((resolve) => { held.release = resolve }); return 'held' })
  const port = await bind(app)
  const viewer = http2 ? Viewer.openHttp2(port, bearer) : Viewer.open(port, bearer)
  t.teardown(async () => { viewer.leave(); held.release(); await app.close() })
  await until(() => viewer.events.length > 0)
  return { app, port, viewer, held }
}

t.test('the head of a stream, and its first event', async (t) => {
  const { app, port, viewer } = await watched(t)
  t.equal(viewer.status, 200)
  t.match(viewer.headers, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    connection: 'close'
  })
  const { at, instance, access, process: own, ...shown } = viewer.events[0]?.data ?? {}
  t.match(
    { at, instance, access, process: own },
    { at: Number, instance: String, access: 'whole', process: { hostname: hostname(), pid: process.pid } }
  )
  const answered = await app.inject({ url: '/-/status', headers: bearer })
    .then((response) => response.json<Record<string, unknown>>())
  t.same([...Object.keys(shown), 'access'].toSorted(), Object.keys(answered).toSorted(), 'the fields of /-/status')
  const stranger = Viewer.open(port, { authorization: 'Bearer wrong' })
  await until(() => stranger.events.length > 0)
  t.same(Object.keys(stranger.state).toSorted(), ['access', 'at', 'instance', 'number', 'phase', 'ready', 'since'])
  t.equal(stranger.state['access'], 'token')
  stranger.leave()
  t.equal((await app.inject({ url: '/-/status/events', method: 'HEAD' })).statusCode, 404)
})

t.test('viewers are neither in flight nor traffic, and their connections nobody\'s', async (t) => {
  for (const http2 of [false, true]) {
    const { app, viewer } = await watched(t, {}, http2 ? { http2: true } : {}, http2)
    t.match(
      app.graceful.status(),
      { inFlight: 0, requests: [], connections: { open: 0, busy: 0, sessions: 0 }, traffic: { arrivals: 0 } },
      http2 ? 'HTTP/2' : 'HTTP/1'
    )
    viewer.leave()
    await until(() => viewer.ended)
  }
})

t.test('a log that throws at the report keeps nothing from those who watch', async (t) => {
  const { app, viewer } = await watched(t, {}, {
    logger: {
      level: 'info',
      stream: { write: (line: string) => { if (line.includes('graceful.report')) throw new Error('EPIPE') } }
    }
  })
  const listeners = process.listenerCount('SIGTERM')
  t.match(await app.graceful.shutdown(), { verdict: 'clean' })
  await until(() => viewer.ended)
  t.match(viewer.state['report'], { verdict: 'clean' }, 'the last thing they hear')
  t.equal(process.listenerCount('SIGTERM'), listeners - 1, 'and nothing of ours is left')
})

const manners: Array<[string, GracefulOptions, object, boolean]> = [
  ['HTTP/1', {}, {}, false],
  ['HTTP/2', {}, { http2: true }, true],
  ['connections closed by force', {}, { forceCloseConnections: true }, false],
  ['idle ones closed', {}, { forceCloseConnections: 'idle' }, false]
]
for (const [name, options, server, http2] of manners) {
  t.test(`a whole shutdown, watched: ${name}`, async (t) => {
    const { app, port, viewer, held } = await watched(t, { announce: { min: 50 }, ...options }, server, http2)
    const hooks: string[] = []
    // Phase 1 lasts until it has been seen, however busy the machine is.
    app.graceful.stall('unseen', (phase) => phase === 'announcing' && viewer.state['phase'] !== 'announcing')
    app.graceful.addHook('terminated', () => { hooks.push(viewer.ended ? 'ended' : 'watching') })
    if (!http2) {
      const client = await Client.open(port)
      client.get('/held/7')
      await until(() => (viewer.state['requests'] as unknown[]).length === 1)
      t.match(viewer.state, { inFlight: 1, requests: [{ method: 'GET', route: '/held/:id' }] })
    }
    const ending = app.graceful.shutdown({ reason: 'the test' })
    await until(() => viewer.state['phase'] === 'announcing')
    t.match(viewer.state, { ready: false, shutdown: { reason: 'the test', floor: 50, phases: [] } })
    if (!http2) {
      await until(() => viewer.state['phase'] === 'draining')
      t.match(viewer.state, { inFlight: 1, shutdown: { phases: [{ phase: 'announcing' }, { phase: 'closing' }] } })
      // Well into the phase, nobody else is waited for.
      t.match(viewer.state['participants'], [{ name: 'unseen' }, { name: 'traffic', reason: '1 request in flight' }])
      held.release()
    }
    const report = await ending
    t.match(report, { verdict: 'clean', cut: { requests: [], streams: 0 } })
    await until(() => viewer.ended)
    t.ok(viewer.complete, 'the stream ended in order')
    t.equal(viewer.names.at(-1), 'report')
    t.equal(viewer.names.filter((event) => event === 'report').length, 1)
    t.same(viewer.state['report'], JSON.parse(JSON.stringify(report)))
    t.match(viewer.state, { phase: 'terminated', number: 4 })
    t.same(hooks, ['watching'])
    t.match(report.phases.at(-1), { phase: 'terminated', endedBy: 'condition', stalledBy: [] })
  })
}

t.test('a viewer does not delay the end, and is told also when requests had to be cut', async (t) => {
  const full = build({ admin: { token }, watchdog: false })
  const place = await bind(full)
  const all = Array.from({ length: 19 }, () => Viewer.open(place, bearer))
  // It neither reads nor leaves: the stream's last word is cut only when its time is over.
  const stubborn = await Client.open(place)
  stubborn.socket.write(`GET /-/status/events HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  await until(() => stubborn.text.includes('event: status') && all.every(({ events }) => events.length > 0))
  stubborn.socket.pause()
  const refused = Viewer.open(place, bearer)
  await until(() => refused.ended)
  t.equal(refused.status, 503)
  t.match(refused.headers, { 'retry-after': '5', 'content-type': 'application/json; charset=utf-8' })
  t.match(JSON.parse(refused.body), { message: /^20 viewers are watching, which is the most/ })
  const order: string[] = []
  stubborn.socket.on('close', () => { order.push('dropped') })
  await full.close().then(() => { order.push('closed') })
  stubborn.socket.on('error', () => {}).resume()
  await until(() => order.length === 2 && all.every(({ ended }) => ended))
  t.strictSame(order, ['closed', 'dropped'])
  t.ok(all.every(({ complete, names }) => complete && names.at(-1) === 'report'))
  const { app, port, viewer } = await watched(t, { gracePeriod: 1000 })
  const client = await Client.open(port)
  client.get('/held/7')
  await until(() => viewer.state['inFlight'] === 1)
  const report: Report = await app.graceful.shutdown()
  t.match(report, { verdict: 'cut', cut: { requests: [{ route: '/held/:id' }] } })
  await until(() => viewer.ended)
  t.match(viewer.state, { report: { verdict: 'cut' } })
})

t.test('what shares a session with a viewer is cut all the same', async (t) => {
  const { app, port, viewer } = await watched(t, { gracePeriod: 1000 }, { http2: true }, true)
  const session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  const events = session.request({ ':path': '/-/status/events', ...bearer })
  const reader = new EventReader()
  events.setEncoding('utf8').on('data', (text: string) => reader.push(text)).on('error', () => {})
  const held = session.request({ ':path': '/held/1' })
  let cut = false
  held.on('error', () => {}).on('close', () => { cut = true })
  await until(() => reader.events.length > 0 && viewer.state['inFlight'] === 1)
  const report = await app.graceful.shutdown()
  t.match(report, { cut: { requests: [{ route: '/held/:id' }] } })
  await until(() => cut && reader.names.includes('report'))
  await until(() => viewer.ended)
})

for (const http2 of [false, true]) {
  t.test(`clients that leave while \`authorize\` is asked keep no place: ${http2 ? 'HTTP/2' : 'HTTP/1'}`, async (t) => {
    const gate = { open: (): void => {} }
    const asked = new Promise<void>((resolve) => { gate.open = resolve })
    let count = 0
    const server: FastifyServerOptions & { http2?: true } = http2 ? { http2: true } : {}
    const app = build(
      { admin: { authorize: async () => { count++; return asked.then(() => true) } }, watchdog: false },
      server
    )
    const port = await bind(app)
    t.teardown(async () => { gate.open(); await app.close() })
    const watch = (): Viewer => http2 ? Viewer.openHttp2(port) : Viewer.open(port)
    const impatient = Array.from({ length: streamBounds.viewers }, watch)
    await until(() => count === streamBounds.viewers)
    for (const viewer of impatient) viewer.leave()
    let open = await connectionsOf(app)
    // oxlint-disable-next-line no-await-in-loop -- looks again until all are gone
    for (const end = Date.now() + 10_000; open > 0 && Date.now() < end; open = await connectionsOf(app)) await sleep(5)
    t.equal(open, 0)
    gate.open()
    const viewers = Array.from({ length: streamBounds.viewers }, watch)
    t.teardown(() => { for (const viewer of viewers) viewer.leave() })
    await until(() => viewers.every(({ events, ended }) => events.length > 0 || ended))
    t.ok(viewers.every(({ status, names }) => status === 200 && names[0] === 'status'), 'all places are free')
    t.match(app.graceful.status(), { inFlight: 0, requests: [], connections: { open: 0, sessions: 0 } })
  })
}

t.test('a viewer that reads is kept, however big an event is', async (t) => {
  const { app, viewer } = await watched(t)
  let name = 'none'
  // Each text is cut, so it takes many.
  for (let index = 0; index < 1000; index++) {
    app.graceful.addCheck(`check-${index}`, async () => { throw new Error(`${name} ${'x'.repeat(900)}`) }, { ttl: 0 })
  }
  const hasAll = ({ state }: Viewer): boolean => {
    const checks = (state['checks'] ?? []) as Array<{ error?: string }>
    return checks.length === 1000 && checks.every(({ error }) => error?.startsWith(`${name} `) === true)
  }
  for (name of ['first', 'second', 'last']) {
    await app.inject('/readyz')
    await until(() => hasAll(viewer) || viewer.ended)
  }
  t.notOk(viewer.ended)
  t.ok(viewer.body.length > 3 * 900_000, `${viewer.body.length} characters`)
  const late = Viewer.open((app.server.address() as AddressInfo).port, bearer)
  t.teardown(() => late.leave())
  await until(() => hasAll(late) || late.ended)
  t.notOk(late.ended, 'nor is the first one too big')
})

t.test('a viewer that stops reading is dropped', async (t) => {
  const app = build({ admin: { token }, watchdog: false })
  const port = await bind(app)
  // Each text is cut, so it takes many.
  for (let index = 0; index < 1000; index++) {
    app.graceful.addCheck(`check-${index}`, async () => { throw new Error(`${Date.now()}${'x'.repeat(980)}`) }, { ttl: 0 })
  }
  const client = await Client.open(port)
  t.teardown(async () => { client.socket.destroy(); await app.close() })
  client.socket.pause()
  client.socket.write(`GET /-/status/events HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  // Why each check fails is part of the state. The more a look costs on a busy machine, the longer is the pause after it.
  const end = Date.now() + 120_000
  while (app.server.listening && Date.now() < end) {
    await app.inject('/readyz')
    await sleep(260)
    if (await connectionsOf(app) === 0) break
  }
  t.ok(Date.now() < end, 'its connection was ended')
})
