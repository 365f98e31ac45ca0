// oxlint-disable typescript/no-unsafe-type-assertion -- an address of a listening server, and what the types forbid
import t from 'tap'
import type { Test } from 'tap'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request as httpRequest } from 'node:http'
import type { RequestOptions } from 'node:http'
import { connect } from 'node:http2'
import { Server } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyRequest, FastifyServerOptions } from 'fastify'
import fp from 'fastify-plugin'
import underPressure from '@fastify/under-pressure'
import { registerAdmin } from '../../lib/admin/routes.ts'
import type { AdminOptions, AdminPorts } from '../../lib/admin/routes.ts'
import { buildStatus } from '../../lib/status/model.ts'
import type { Status } from '../../lib/status/model.ts'
import { Viewers } from '../../lib/page/viewers.ts'
import { cutBudget } from '../../lib/lifecycle/budget.ts'
import { Lifecycle } from '../../lib/lifecycle/lifecycle.ts'
import { phaseNumber } from '../../lib/lifecycle/phase.ts'
import { noTraffic } from '../support/report.ts'
import { FakeClock } from '../health/fake-clock.ts'

const token = 'correct-horse'
const bearer = { authorization: `Bearer ${token}` }
const json = 'application/json; charset=utf-8'
const epoch = Date.UTC(2026, 0, 1)

interface Made {
  app: FastifyInstance
  lifecycle: Lifecycle
  clock: FakeClock
  lines: Array<{ level: string, message: string, details?: object }>
  ports: AdminPorts
}

/** The admin routes of an application, in front of the real state machine on a clock that stands still. */
function makeApp (
  t: Test,
  options: Partial<AdminOptions>,
  { fastify = {}, config = {}, ports: given = {}, min = 0 }: {
    fastify?: FastifyServerOptions
    config?: object
    ports?: Partial<AdminPorts>
    min?: number
  } = {}
): Made {
  const clock = new FakeClock()
  const lines: Made['lines'] = []
  const budget = cutBudget({ gracePeriod: 30_000, preStop: 0, announce: { min } })
  const lifecycle = new Lifecycle({ now: clock.now, after: clock.after, epoch: () => epoch + clock.now() }, budget, {
    cut: () => ({ requests: [], streams: 0, upgraded: 0, connections: [], byOthers: [] }),
    end: async () => {},
    traffic: noTraffic,
    advice: () => [],
    others: () => undefined
  })
  const status = (): Status => buildStatus({
    phase: lifecycle.phase,
    since: lifecycle.since,
    ready: lifecycle.phase === 'running',
    started: true,
    deadline: lifecycle.deadline,
    shutdown: lifecycle.progress,
    holds: ['inner matter'],
    inFlight: 0,
    requests: [],
    connections: {},
    participants: [],
    stalls: lifecycle.stalls(),
    checks: [],
    pressure: undefined,
    budget,
    traffic: {
      rate: 0, arrivals: 0, evidence: undefined, lastArrival: undefined, lateArrivals: 0, lateSources: [], probes: [],
      frontEnds: []
    },
    work: [],
    watchdog: undefined,
    report: lifecycle.report,
    versions: { package: '0.1.0', node: process.version, fastify: '5' }
  })
  const ports: AdminPorts = {
    publicStatus: () => ({
      phase: lifecycle.phase,
      number: phaseNumber(lifecycle.phase),
      since: lifecycle.since,
      ready: lifecycle.phase === 'running'
    }),
    status,
    viewers: new Viewers({ publicStatus: () => ({ phase: lifecycle.phase }), status }),
    exempt: () => {},
    drain: () => lifecycle.drain(),
    undrain: () => lifecycle.undrain(),
    prestop: async () => lifecycle.prestop(),
    draining: new AbortController().signal,
    log: {
      info: (details, message) => { lines.push({ level: 'info', message, details }) },
      warn: (details, message) => { lines.push({ level: 'warn', message, details }) },
      error: (details, message) => { lines.push({ level: 'error', message, details }) }
    },
    ...given
  }
  const app = Fastify({ ...fastify })
  registerAdmin(app, { prefix: '/-', openly: true, ...options }, ports, config)
  t.teardown(async () => app.close())
  return { app, lifecycle, clock, lines, ports }
}

async function slowly (): Promise<void> {
  await new Promise((resolve) => { setTimeout(resolve, 600) })
}

interface Answer { statusCode: number | undefined, headers: Record<string, unknown>, body: string }

async function ask (options: RequestOptions, body?: string | Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(options, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
        .on('end', () => resolve({ statusCode: response.statusCode, headers: response.headers, body: text }))
        .on('error', reject)
    }).on('error', reject)
    request.end(body)
  })
}

async function listen (app: FastifyInstance): Promise<number> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as AddressInfo).port
}

t.test('GET /-/status', async (t) => {
  const { app, lifecycle } = makeApp(t, { token })
  const open = { phase: 'running', number: 0, since: epoch + 1000, ready: true }
  const secrets = '?token=query-secret'
  const rows: Array<[string, Record<string, string>, boolean]> = [
    ['anyone',
      {}, false],
    ['a wrong token',
      { authorization: 'Bearer wrong' }, false],
    ['the token',
      bearer, true],
    ['what takes anything',
      { accept: '*/*', cookie: 'header-secret' }, false],
    ['what prefers JSON, with the token',
      { ...bearer, accept: 'application/json,text/html;q=0.5', cookie: 'header-secret' }, true]
  ]
  for (const [name, headers, whole] of rows) {
    const response = await app.inject({ url: `/-/status${secrets}`, headers })
    t.equal(response.statusCode, 200, name)
    t.match(
      response.headers,
      { 'cache-control': 'no-store', 'content-type': json, 'x-content-type-options': 'nosniff' },
      name
    )
    if (whole) {
      t.match(response.json(), {
        ...open,
        access: 'whole',
        holds: ['inner matter'],
        budget: { gracePeriod: 30_000 },
        versions: { package: '0.1.0' }
      }, name)
    } else t.strictSame(response.json(), { ...open, access: 'token' }, name)
    t.notMatch(response.body, /query-secret|header-secret|correct-horse/, name)
    const head = await app.inject({ url: '/-/status', headers, method: 'HEAD' })
    t.strictSame([head.statusCode, head.body, head.headers['content-length']], [200, '', `${response.body.length}`])
  }
  for (const [headers, whole] of [[{}, false], [bearer, true]] as const) {
    const page = await app.inject({
      url: `/-/status${secrets}`,
      headers: { ...headers, accept: 'text/html,*/*;q=0.8', cookie: 'header-secret' }
    })
    t.match([page.statusCode, page.headers['content-type']], [200, 'text/html; charset=utf-8'], 'a browser')
    t.equal(page.body.includes('inner matter'), whole)
    t.notMatch(page.body, /query-secret|header-secret|correct-horse/)
  }
  lifecycle.drain()
  t.match((await app.inject('/-/status')).json(), { phase: 'announcing', number: 1, ready: false })
  t.equal((await app.inject({ url: '/-/status', method: 'POST', headers: bearer })).statusCode, 404)
})

t.test('without a guard nothing that changes the state exists, and one line says so', async (t) => {
  for (const options of [{}, { token: [] }, { token: '' }, { token: ['', ''] }, { unixSocket: false }]) {
    const { app, lines } = makeApp(t, options)
    for (const [method, path] of [
      ['POST', 'drain'],
      ['POST', 'undrain'],
      ['POST', 'prestop'],
      ['GET', 'prestop']
    ] as const) {
      const headers = { ...bearer, 'user-agent': 'kube-lifecycle/1.33' }
      t.equal(
        (await app.inject({ url: `/-/${path}`, method, headers })).statusCode,
        404,
        `${method} ${path} ${JSON.stringify(options)}`
      )
    }
    t.match(
      await app.inject({ url: '/-/status', headers: { authorization: 'Bearer ' } }).then((response) => response.json()),
      { phase: 'running', budget: undefined }
    )
    t.match(lines, [{
      level: 'info',
      message: /\/-\/drain, \/-\/undrain and \/-\/prestop are not registered.*admin\.token, admin\.authorize, admin\.unixSocket/
    }])
    t.equal(lines.length, 1)
  }
  t.strictSame(makeApp(t, { token }).lines, [], 'nothing is logged where there is a guard')
  for (const others of [{}, { unixSocket: true }]) {
    const { lines } = makeApp(t, { token: undefined, ...others } as never)
    t.match(lines[0], {
      level: 'warn',
      message: /^option 'admin\.token' is undefined, as from a missing environment variable: no token is accepted/,
      details: { option: 'admin.token' }
    })
    t.equal(lines.length, 'unixSocket' in others ? 1 : 2)
  }
})

t.test('tokens', async (t) => {
  const rows: Array<[string, string | string[], string | undefined, number]> = [
    ['no header', token, undefined, 401],
    ['the token', token, `Bearer ${token}`, 200],
    ['any case of the scheme, spaces around', token, `  bEARER   ${token}  `, 200],
    ['a wrong one', token, 'Bearer wrong', 403],
    ['its beginning', token, `Bearer ${token.slice(0, -1)}`, 403],
    ['more than it', token, `Bearer ${token}x`, 403],
    ['another case', token, `Bearer ${token.toUpperCase()}`, 403],
    ['another scheme', token, `Basic ${Buffer.from(`x:${token}`).toString('base64')}`, 403],
    ['no scheme', token, token, 403],
    ['an empty header', token, '', 403],
    ['no token behind the scheme', token, 'Bearer ', 403],
    ['two tokens', token, `Bearer ${token} ${token}`, 403],
    ['the old of two', ['old', 'new'], 'Bearer old', 200],
    ['the new of two', ['old', 'new'], 'Bearer new', 200],
    ['neither of two', ['old', 'new'], 'Bearer old,new', 403],
    ['an empty one among others', ['', 'new'], 'Bearer ', 403]
  ]
  for (const [name, tokens, authorization, statusCode] of rows) {
    const { app, lifecycle } = makeApp(t, { token: tokens })
    const response = await app.inject({
      url: '/-/drain',
      method: 'POST',
      headers: authorization === undefined ? {} : { authorization }
    })
    t.equal(response.statusCode, statusCode, name)
    t.equal(lifecycle.phase, statusCode === 200 ? 'announcing' : 'running', `${name}: phase`)
    t.equal(response.headers['www-authenticate'], statusCode === 401 ? 'Bearer' : undefined, `${name}: challenge`)
    t.equal(response.headers['cache-control'], 'no-store')
    if (statusCode === 401) {
      t.strictSame(response.json(), { statusCode, error: 'Unauthorized', message: 'credentials are needed' })
    }
    if (statusCode === 403) t.strictSame(response.json(), { statusCode, error: 'Forbidden', message: 'not authorised' })
  }
  const { app } = makeApp(t, { token: 'grüße-☃' })
  const port = await listen(app)
  const headers = { authorization: Buffer.from('Bearer grüße-☃').toString('latin1') }
  t.equal(
    (await ask({ port, path: '/-/drain', method: 'POST', headers })).statusCode,
    200,
    'a token beyond ASCII, as curl sends it'
  )
})

t.test('authorize is not asked to let a page of another site act', async (t) => {
  let asked = 0
  const { app, lifecycle } = makeApp(t, { token, authorize: () => { asked++; return true } })
  const act = async (headers: Record<string, string>, name = 'drain'): Promise<number> =>
    (await app.inject({ url: `/-/${name}`, method: 'POST', headers: { host: 'shop.example', ...headers } })).statusCode
  t.equal(await act({ 'sec-fetch-site': 'cross-site' }), 401)
  t.equal(await act({ origin: 'https://evil.example' }), 401)
  t.equal(await act({ origin: 'null' }), 401, 'a sandboxed frame')
  t.equal(asked, 0)
  t.equal(lifecycle.phase, 'running')
  t.match(
    (await app.inject({ url: '/-/status', headers: { 'sec-fetch-site': 'cross-site' } })).json(),
    { holds: ['inner matter'] },
    'somebody who follows a link reads'
  )
  t.equal(await act({ 'sec-fetch-site': 'cross-site', ...bearer }), 200, 'a token is never sent by itself')
  t.equal(await act({ origin: 'https://shop.example', 'sec-fetch-site': 'same-origin' }, 'undrain'), 200)
})

t.test('authorize', async (t) => {
  const rows: Array<[string, (request: FastifyRequest) => unknown, number, number]> = [
    ['true', () => true, 200, 0],
    ['a promise of true', async () => true, 200, 0],
    ['by the request', (request) => request.headers['x-user'] === 'root', 200, 0],
    ['false', () => false, 401, 0],
    ['a promise of false', async () => false, 401, 0],
    ['throws', () => { throw new Error('inner matter') }, 401, 1],
    ['rejects', async () => { throw new Error('inner matter') }, 401, 1],
    ['something truthy', () => ({ user: 'inner matter' }), 401, 1],
    ['nothing', () => undefined, 401, 1]
  ]
  for (const [name, authorize, statusCode, logged] of rows) {
    const { app, lifecycle, lines } = makeApp(t, { authorize: authorize as NonNullable<AdminOptions['authorize']> })
    const response = await app.inject({ url: '/-/drain', method: 'POST', headers: { 'x-user': 'root' } })
    t.equal(response.statusCode, statusCode, name)
    t.equal(lifecycle.phase, statusCode === 200 ? 'announcing' : 'running')
    t.notMatch(response.body, 'inner matter')
    t.same(
      lines.map(({ level }) => level),
      [...(logged === 1 ? ['error'] : []), ...(statusCode === 200 ? [] : ['warn'])],
      `${name}: log lines`
    )
    t.notMatch(lines.map((line) => line.message).join(), 'inner matter', 'what it answered is not logged')
    t.equal((await app.inject({ url: '/-/status' })).statusCode, 200, 'the public part stays')
  }
  let asked = 0
  const both = makeApp(t, { token, authorize: () => { asked++; return false } })
  t.equal((await both.app.inject({ url: '/-/drain', method: 'POST', headers: bearer })).statusCode, 200)
  t.equal(asked, 0, 'a token is enough')
  t.equal((await both.app.inject({
    url: '/-/undrain',
    method: 'POST',
    headers: { authorization: 'Bearer wrong' }
  })).statusCode, 403)
  t.equal(asked, 1)
})

t.test('drain and undrain', async (t) => {
  const { app, lifecycle, clock } = makeApp(t, { token })
  const post = async (name: string): Promise<[number, object]> => {
    const response = await app.inject({ url: `/-/${name}`, method: 'POST', headers: bearer })
    t.match(response.headers, { 'cache-control': 'no-store', 'content-type': json })
    return [response.statusCode, response.json()]
  }
  t.match(await post('undrain'), [409, {
    statusCode: 409,
    error: 'Conflict',
    code: 'FST_GRACEFUL_ILLEGAL_MOVE',
    message: /cannot go from phase 'running' to 'running'/
  }])
  t.strictSame(await post('drain'), [200, { phase: 'announcing', number: 1, since: epoch + 1000, ready: false }])
  await clock.pass(3_600_000)
  t.equal(lifecycle.phase, 'announcing', 'it has no cap')
  t.match(await post('drain'), [
    409,
    { code: 'FST_GRACEFUL_ILLEGAL_MOVE', message: /from phase 'announcing' to 'announcing'/ }
  ])
  t.match(await post('undrain'), [200, { phase: 'running', ready: true }])
  t.match(await post('drain'), [200, { phase: 'announcing' }])
  void lifecycle.shutdown({ kind: 'shutdown', reason: 'SIGTERM' })
  t.match(await post('undrain'), [409, { message: /a shutdown is under way \(SIGTERM\)/ }])
  t.equal((await app.inject({ url: '/-/drain', headers: bearer })).statusCode, 404, 'GET changes nothing')
})

t.test('an error that is no conflict goes Fastify\'s way', async (t) => {
  const { app } = makeApp(t, { token }, { ports: { drain: () => { throw new Error('odd') } } })
  t.equal((await app.inject({ url: '/-/drain', method: 'POST', headers: bearer })).statusCode, 500)
})

t.test('prestop', async (t) => {
  const kubelet = { 'user-agent': 'kube-lifecycle/1.33' }
  // Scenario, too: The end is put off for a time…
  t.test('answers when phase 1 is over, for POST and for the kubelet\'s GET', async (t) => {
    for (const [method, headers] of [['POST', bearer], ['GET', { ...bearer, ...kubelet }]] as const) {
      const { app, lifecycle, clock } = makeApp(t, { token }, { min: 5000 })
      await app.ready()
      let answered = 0
      const first = app.inject({ url: '/-/prestop', method, headers })
        .then((response) => { answered++; return response })
      await clock.pass(0)
      t.equal(lifecycle.phase, 'announcing', method)
      const second = app.inject({ url: '/-/prestop', method, headers })
        .then((response) => { answered++; return response })
      await clock.pass(4900)
      t.equal(answered, 0)
      await clock.pass(200)
      for (const response of await Promise.all([first, second])) {
        t.equal(response.statusCode, 200)
        t.strictSame(response.json(), { phase: 'announcing', number: 1, since: epoch + 1000, ready: false })
      }
      t.notOk(lifecycle.ending, 'the signal is still to come')
    }
  })

  t.test('who is let in', async (t) => {
    const rows: Array<[string, 'GET' | 'POST' | 'HEAD', Record<string, string>, number]> = [
      ['anyone', 'POST', {}, 401],
      ['a wrong token', 'POST', { authorization: 'Bearer wrong' }, 403],
      ['a kubelet without the header', 'GET', kubelet, 401],
      ['a kubelet with a wrong one', 'GET', { ...kubelet, authorization: 'Bearer wrong' }, 403],
      ['anyone\'s GET', 'GET', {}, 405],
      ['a GET of the authorised', 'GET', { ...bearer, 'user-agent': 'curl/8' }, 405],
      ['an agent that says more', 'GET', { ...bearer, 'user-agent': 'x kube-lifecycle/1.33' }, 405],
      ['a probe', 'GET', { ...bearer, 'user-agent': 'kube-probe/1.33' }, 405],
      ['HEAD', 'HEAD', { ...bearer, ...kubelet }, 404]
    ]
    for (const [name, method, headers, statusCode] of rows) {
      const { app, lifecycle } = makeApp(t, { token })
      const response = await app.inject({ url: '/-/prestop', method, headers })
      t.equal(response.statusCode, statusCode, name)
      t.equal(response.headers['allow'], statusCode === 405 ? 'POST' : undefined, name)
      t.equal(lifecycle.phase, 'running', name)
      if (statusCode !== 404) t.equal(response.headers['cache-control'], 'no-store')
    }
  })

  t.test('no timeout of the application cuts it', async (t) => {
    const { app } = makeApp(t, { token }, {
      fastify: { connectionTimeout: 150, handlerTimeout: 150 },
      ports: { prestop: slowly }
    })
    app.get('/slow', async () => slowly())
    const port = await listen(app)
    t.not(
      await ask({ port, path: '/slow' }).then(({ statusCode }) => statusCode, () => 'cut'),
      200,
      'as it cuts others'
    )
    t.equal((await ask({ port, path: '/-/prestop', method: 'POST', headers: bearer })).statusCode, 200)
  })
})

t.test('whatever body a POST has, it is read away and means nothing', async (t) => {
  const { app, lifecycle } = makeApp(t, { token }, { fastify: { bodyLimit: 10 } })
  const port = await listen(app)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const rows: Array<[string, Record<string, string>, string | Buffer | undefined]> = [
    ['none', {}, undefined],
    ['none, with a length', { 'content-length': '0' }, undefined],
    ['JSON, empty', { 'content-type': 'application/json', 'content-length': '0' }, undefined],
    ['JSON, broken', { 'content-type': 'application/json' }, '{'],
    ['JSON that poisons', { 'content-type': 'application/json' }, '{"__proto__":{}}'],
    ['curl -d', { 'content-type': 'application/x-www-form-urlencoded' }, 'body-secret=1'],
    ['a type nobody knows', { 'content-type': 'application/x-mine' }, 'body-secret'],
    ['no type', {}, 'body-secret'],
    ['a type that is none', { 'content-type': ';;;' }, 'body-secret'],
    ['in chunks', { 'transfer-encoding': 'chunked', 'content-type': 'text/x' }, 'body-secret'],
    ['announced', { expect: '100-continue', 'content-length': '11' }, 'body-secret'],
    ['3 MB', { 'content-type': 'application/octet-stream' }, Buffer.alloc(3e6)]
  ]
  for (const [name, headers, body] of rows) {
    for (const action of ['drain', 'undrain']) {
      const answer = await ask(
        { port, agent, path: `/-/${action}`, method: 'POST', headers: { ...bearer, ...headers } },
        body
      )
      t.equal(answer.statusCode, 200, `${name}: ${action}`)
      t.notMatch(answer.body, 'body-secret')
    }
    const refused = await ask({ port, agent, path: '/-/drain', method: 'POST', headers }, body)
    t.equal(refused.statusCode, 401, `${name}: refused`)
  }
  t.equal((await ask({ port, path: '/-/prestop' })).statusCode, 405, 'a GET without any User-Agent')
  t.equal(lifecycle.phase, 'running')
})

t.test('unix sockets', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'graceful-'))
  t.teardown(async () => rm(directory, { recursive: true }))
  const socketPath = join(directory, 'admin.sock')

  t.test('let in where that is set', async (t) => {
    const { app } = makeApp(t, { unixSocket: true })
    await app.listen({ path: socketPath })
    t.equal((await ask({ socketPath, path: '/-/drain', method: 'POST' })).statusCode, 200)
    t.match(JSON.parse((await ask({ socketPath, path: '/-/status' })).body), {
      phase: 'announcing',
      holds: ['inner matter']
    })
  })

  t.test('a browser is let in for nobody else', async (t) => {
    const { app, lifecycle } = makeApp(t, { unixSocket: true })
    await app.listen({ path: socketPath })
    const browser = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64)' }
    const rows: Array<[string, Record<string, string>, boolean]> = [
      ['another site',
        { ...browser, host: 'localhost:9000', origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }, false],
      ['a neighbouring site',
        { ...browser, host: 'localhost:9000', 'sec-fetch-site': 'same-site' }, false],
      ['another site, from a browser that says no more',
        { host: 'localhost:9000', origin: 'https://evil.example' }, false],
      ['a foreign name that leads here',
        { ...browser, host: 'evil.example:9000', origin: 'http://evil.example:9000' }, false],
      ['a name that only looks like ours',
        { ...browser, host: 'localhost.evil.example' }, false],
      ['the page itself',
        { ...browser, host: 'localhost:9000', origin: 'http://localhost:9000', 'sec-fetch-site': 'same-origin' }, true],
      ['by address',
        { ...browser, host: '[::1]:9000', 'sec-fetch-site': 'none' }, true],
      ['a program under another name',
        { host: 'shop' }, false]
    ]
    for (const [name, headers, granted] of rows) {
      const { body } = await ask({ agent: false, socketPath, path: '/-/status', headers })
      t.equal('holds' in JSON.parse(body), granted, `${name}: the status`)
      t.equal(
        (await ask({ agent: false, socketPath, path: '/-/undrain', method: 'POST', headers })).statusCode,
        granted ? 409 : 401,
        `${name}: an action`
      )
    }
    t.equal(lifecycle.phase, 'running')
  })

  t.test('also on a connection that outlives the listener', async (t) => {
    const { app } = makeApp(t, { unixSocket: true })
    await app.listen({ path: socketPath })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    t.teardown(() => agent.destroy())
    t.equal((await ask({ agent, socketPath, path: '/-/status' })).statusCode, 200)
    Server.prototype.close.call(app.server)
    t.match(JSON.parse((await ask({ agent, socketPath, path: '/-/status' })).body), { holds: ['inner matter'] })
  })

  t.test('not let in where it is not set', async (t) => {
    const { app } = makeApp(t, { token })
    await app.listen({ path: socketPath })
    t.equal((await ask({ socketPath, path: '/-/drain', method: 'POST' })).statusCode, 401)
    t.equal((await ask({ socketPath, path: '/-/drain', method: 'POST', headers: bearer })).statusCode, 200)
  })

  t.test('TCP and inject are not unix sockets', async (t) => {
    const { app } = makeApp(t, { unixSocket: true })
    t.equal((await app.inject({ url: '/-/drain', method: 'POST' })).statusCode, 401)
    t.equal((await app.inject({ url: '/-/drain', method: 'POST', remoteAddress: '' })).statusCode, 401)
    const port = await listen(app)
    t.equal((await ask({ port, path: '/-/drain', method: 'POST' })).statusCode, 401)
    const late = makeApp(t, { unixSocket: true })
    let answered: ((statusCode: number) => void) | undefined
    const answer = new Promise<number>((resolve) => { answered = resolve })
    late.app.addHook('onRequest', async (request) => { request.raw.socket.destroy() })
    late.app.addHook('onSend', async (_request, reply) => { answered?.(reply.statusCode) })
    const latePort = await listen(late.app)
    await t.rejects(ask({ port: latePort, path: '/-/drain', method: 'POST' }))
    t.equal(await answer, 401, 'a TCP socket that is dead has no remote address either')
    t.equal(late.lifecycle.phase, 'running')
  })
})

t.test('the application around the admin routes', async (t) => {
  t.test('pressure does not close them', async (t) => {
    const { app } = makeApp(t, { token }, { config: { pressureHandler: () => undefined } })
    app.register(underPressure, { healthCheck: async () => false, healthCheckInterval: 1000 })
    app.register(async (child) => { child.get('/', async () => 'served') })
    t.equal((await app.inject('/')).statusCode, 503)
    t.equal((await app.inject('/-/status')).statusCode, 200)
    t.equal((await app.inject({ url: '/-/drain', method: 'POST', headers: bearer })).statusCode, 200)
  })

  t.test('serializers, schema compilers and content type parsers change nothing', async (t) => {
    const { app } = makeApp(t, { token }, { fastify: { exposeHeadRoutes: false } })
    app.setReplySerializer(() => 'mine')
    app.removeAllContentTypeParsers()
    app.addHook('preSerialization', async () => ({ wrapped: true }))
    t.match((await app.inject('/-/status')).json(), { phase: 'running' })
    t.equal((await app.inject({ url: '/-/status', method: 'HEAD' })).statusCode, 200)
    t.equal((await app.inject({
      url: '/-/drain',
      method: 'POST',
      headers: { ...bearer, 'content-type': 'text/plain' },
      payload: 'x'
    })).statusCode, 200)
  })

  t.test('prefix and config of the routes', async (t) => {
    const config = Object.freeze({ graceful: { traffic: false }, rateLimit: false })
    const seen: Array<[string, unknown, object, unknown]> = []
    const app = Fastify()
    t.teardown(async () => app.close())
    app.addHook('onRoute', ({ url, method, config, schema }) => {
      seen.push([url, method, { ...config }, { hide: (schema as { hide?: boolean }).hide }])
    })
    app.register(async (child) => {
      child.register(fp(async () => {
        registerAdmin(app, { prefix: '/ops', openly: true, token }, makeApp(t, {}).ports, config)
      }))
    }, { prefix: '/api' })
    t.equal((await app.inject('/ops/status')).statusCode, 200)
    t.equal((await app.inject('/api/ops/status')).statusCode, 404)
    t.strictSame(seen, [
      ['GET,HEAD', 'status'], ['GET', 'status/events'], ['POST', 'drain'], ['POST', 'undrain'], ['POST', 'prestop'],
      ['GET', 'prestop']
    ].map(([method, name]) =>
      [`/ops/${name}`, method!.includes(',') ? method!.split(',') : method, { ...config }, { hide: true }]))
  })

  t.test('HTTP/2', async (t) => {
    const app = Fastify({ http2: true })
    registerAdmin(app as never, { prefix: '/-', openly: true, token }, makeApp(t, {}).ports, {})
    await app.listen({ port: 0, host: '127.0.0.1' })
    const session = connect(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`)
    t.teardown(async () => {
      session.destroy()
      await app.close()
    })
    for (const [headers, body, expected] of [[bearer, 'x', 200], [{}, 'x', 401]] as const) {
      const stream = session.request({ ':path': '/-/drain', ':method': 'POST', ...headers })
      let status: number | undefined
      stream.on('response', (answer) => { status = answer[':status'] }).resume()
      await new Promise((resolve, reject) => { stream.on('end', resolve).on('error', reject).end(body) })
      t.equal(status, expected)
    }
  })
})
