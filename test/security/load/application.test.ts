import { execFileSync } from 'node:child_process'
import { connect as connectHttp2, constants } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import type { Test } from 'tap'
import { fork } from '../../process/fork.ts'
import type { Fork } from '../../process/fork.ts'
import { ask, attacks, beginnings, begins, deaf, tcp } from '../attacks.ts'
import type { Attack, Door } from '../attacks.ts'
import { besiege, holdingsOf, mostHeld, startProbing } from '../siege.ts'

const token = 'a-token-of-27-characters-ok'
const heap = ['--max-old-space-size=256']
const service = '../../security/fixtures/service.js'
/** What Node and Fastify make of a request is theirs, and no more may be held than by them. */
const bounds = { megabytes: 150, descriptors: 1100 }

t.setTimeout(140_000)

async function portOf (app: Fork): Promise<number> {
  return Number((await app.waitForLine(/^ports (\d+) \d+$/m))[1])
}

/** A certificate that nobody has signed. */
function certificate (t: Test): { key: string, cert: string } {
  const folder = t.testdir({})
  const files = { key: `${folder}/key.pem`, cert: `${folder}/cert.pem` }
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const names = ['-subj', '/CN=localhost', '-keyout', files.key, '-out', files.cert]
  execFileSync('openssl', ['req', ...kind, ...names], { stdio: 'ignore' })
  return files
}

/** Some attacks in their turn: nothing ends, little is held, and the routes answer again at once. */
async function hold (
  t: Test, app: Fork, tried: readonly Attack[], door: Door, answers: () => Promise<boolean>
): Promise<void> {
  const pid = app.child.pid!
  for (const attack of tried) {
    const before = holdingsOf(pid)
    const siege = attack.begin(door)
    const { megabytes, descriptors } = await mostHeld(pid, before, 500)
    siege.stop()
    t.ok(await answers(), `${attack.name}: it answers`)
    const said = `${attack.name}: ${megabytes} MiB, ${descriptors} descriptors`
    t.ok(megabytes <= bounds.megabytes && descriptors <= bounds.descriptors, said)
  }
  t.notMatch(app.output(), /out of memory|FATAL/)
  app.kill('SIGTERM')
  t.strictSame((await app.result).slice(0, 2), [0, null], 'it ends as always')
}

const options = { admin: { token }, metrics: {}, watchdog: false, gracePeriod: 10_000 }
const given = { guarded: false, options }

function start (more: object = {}): Fork {
  return fork(service, { node: heap, env: { NODE_ENV: '' }, given: { ...given, ...more }, timeout: 100_000 })
}

// Scenario (Attacks, and failures of the plugin's own code): Some of the attacks on our own ports, tried on the
// application's port, with TLS, and on HTTP/2; beside a route of its own
t.test("on the application's port", async (t) => {
  const app = start()
  const port = await portOf(app)
  const answers = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200
  await hold(t, app, attacks.filter((_, index) => index % 2 === 0), tcp(port), answers)
})

const answersOverTls = (port: number): Promise<boolean> => new Promise((resolve) => {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
    socket.write(ask('/readyz', 'Connection: close\r\n'))
  })
  socket.once('data', (data: Buffer) => resolve(data.toString().startsWith('HTTP/1.1 200')))
  socket.once('error', () => resolve(false))
})

const answersOnHttp2 = (port: number): Promise<boolean> => new Promise((resolve) => {
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  session.on('error', () => resolve(false))
  session.request({ ':path': '/readyz' }).on('response', ({ ':status': code }) => {
    resolve(code === 200)
    session.close()
  })
})

// Scenario (Attacks, and failures of the plugin's own code): Handshakes of TLS and beginnings of HTTP/2 on the
// application's port that come to no end: said half, byte by byte, half closed, reset
t.test('whoever comes through no handshake holds nobody', async (t) => {
  const rows: Array<[name: string, more: object, text: string, answers: (port: number) => Promise<boolean>]> = [
    ['TLS', { tls: certificate(t) }, begins.tls, answersOverTls],
    ['HTTP/2', { server: { http2: true } }, begins.http2, answersOnHttp2]
  ]
  for (const [name, more, text, answers] of rows) {
    await t.test(name, async (t) => {
      const app = start(more)
      const port = await portOf(app)
      await hold(t, app, beginnings(text), tcp(port), () => answers(port))
    })
  }
})

// Scenario, too: Some of the attacks on our own ports…
t.test("on the application's port, with TLS", async (t) => {
  const app = start({ tls: certificate(t) })
  const port = await portOf(app)
  const target = { port, host: '127.0.0.1', rejectUnauthorized: false }
  // What is written before the handshake waits for it.
  const door: Door = { dial: () => connectTls(target) }
  await hold(t, app, attacks.filter((_, index) => index % 6 === 0), door, () => answersOverTls(port))
})

/** What is asked for on each of many sessions at once. */
interface Streams {
  name: string
  path: string
  count: number
  headers?: Record<string, string>
  isReset?: true
}

function open (session: ClientHttp2Session, { path, count, headers = {}, isReset }: Streams): void {
  for (let index = 0; index < count; index++) {
    const request = session.request({ ':path': path, ...headers })
    request.on('error', () => {})
    if (isReset) setImmediate(() => { request.close(constants.NGHTTP2_CANCEL) })
  }
}

// Scenario, too: Some of the attacks on our own ports…
t.test('on HTTP/2: many streams at once, nothing read, and streams that are reset', async (t) => {
  const app = start({ server: { http2: true } })
  const port = await portOf(app)
  const pid = app.child.pid!
  const rows: Streams[] = [
    { name: 'pages', path: '/-/status', count: 100, headers: { accept: 'text/html' } },
    { name: 'metrics', path: '/-/metrics', count: 100 },
    { name: 'event streams', path: '/-/status/events', count: 100 },
    { name: 'probes that are reset', path: '/readyz', count: 300, isReset: true }
  ]
  for (const row of rows) {
    const before = holdingsOf(pid)
    const sessions = Array.from({ length: 20 }, () => {
      const session = connectHttp2(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 0 } })
      session.on('error', () => {})
      return session
    })
    for (const session of sessions) open(session, row)
    const { megabytes } = await mostHeld(pid, before, 500)
    for (const session of sessions) session.destroy()
    t.ok(megabytes <= bounds.megabytes, `${row.name}: ${megabytes} MiB`)
    t.ok(await answersOnHttp2(port), `${row.name}: it answers`)
  }
  app.kill('SIGTERM')
  t.strictSame((await app.result).slice(0, 2), [0, null], 'it ends as always')
})

// Scenario, too: Some of the attacks on our own ports…
t.test("while strangers ask for our routes on the application's port, others wait no more than thrice as long as with its own", async (t) => {
  // What many requests in one piece cost is Fastify's; ours come from one copy, and cost little more.
  const app = start()
  const port = await portOf(app)
  const prober = await startProbing({ port }, app.child.pid!)
  const longest = async (path: string): Promise<number> => {
    const begin = deaf(4, ask(path, 'Accept: text/html\r\n').repeat(300))
    const times: number[] = []
    for (let count = 0; count < 3; count++) {
      const cost = await besiege({ name: path, begin }, tcp(port), app.child.pid!, prober, 500)
      times.push(cost.served)
    }
    return times.toSorted((a, b) => a - b)[1]!
  }
  const bare = await longest('/')
  for (const path of ['/-/status', '/-/metrics', '/readyz']) {
    const ours = await longest(path)
    const said = `${path}: ${Math.round(ours)} ms, and ${Math.round(bare)} ms for a route of the application's own`
    t.ok(ours <= 3 * Math.max(bare, 50), said)
  }
  await prober.stop()
  app.kill('SIGTERM')
  await app.result
})
