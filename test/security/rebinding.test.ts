import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import graceful from '../../lib/index.ts'
import { service, start } from '../supervisor/tree.ts'

const token = 'a-token-of-27-characters-ok'
const options = { exit: false, signals: { SIGTERM: false, SIGINT: false, SIGHUP: false } } as const

/** What a request says of whom it is for; several of a name in an array. */
type Said = Record<string, string | string[]>
/** Said, and whether it lets in where nothing but the unix socket does. */
type Row = [name: string, said: Said, isGranted: boolean, path?: string]

const browser = { 'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' }
const curl = { 'User-Agent': 'curl/8.9.1' }

const loopbackNames = [
  'localhost', 'localhost:8080', 'LocalHost', 'localhost.', 'shop.localhost:9000', '127.0.0.1', '127.8.9.10:80',
  '[::1]', '[::1]:8080', '[::ffff:127.0.0.1]', '[0:0:0:0:0:0:0:1]:1'
]
const otherNames = [
  'evil.example', 'evil.example:8080', 'localhost.evil.example', '127.0.0.1.evil.example', '127.0.0.1.nip.io:9000',
  'notlocalhost', 'localhost-evil', '10.0.0.1', '0.0.0.0', '[::]', '[fe80::1]', '[::1', '::1', 'localhost@evil.example',
  'evil.example/.localhost', 'evil.example#.localhost', 'localhost:80:evil.example', '127.0.0.256', '1270.0.0.1',
  'undefined', ''
]

const here = 'localhost:9000'
const rows: Row[] = [
  ...loopbackNames.map((host): Row => [`Host ${host}`, { Host: host }, true]),
  ...loopbackNames.map((host): Row => [`Host ${host}, a browser`, { ...browser, Host: host }, true]),
  ...otherNames.map((host): Row => [`Host ${host}`, { Host: host }, false]),
  ...otherNames.map((host): Row => [`Host ${host}, a program`, { ...curl, Host: host }, false]),
  ['two Hosts', { Host: ['localhost', 'evil.example'] }, false],
  ['two Hosts, the other way round', { Host: ['evil.example', 'localhost'] }, false],
  ['an absolute URL', { Host: 'localhost' }, false, 'http://evil.example/-/status'],
  ['an absolute URL with a loopback name', { Host: 'localhost' }, true, 'http://localhost:80/-/status'],
  ['an absolute URL with credentials', { Host: 'localhost' }, false, 'http://localhost@evil.example/-/status'],
  ['the page itself', { Host: here, Origin: 'http://localhost:9000', 'Sec-Fetch-Site': 'same-origin' }, true],
  ['an origin in capitals', { Host: here, Origin: 'http://LOCALHOST:9000' }, true],
  ['a default port that is said', { Host: 'localhost:80', Origin: 'http://localhost' }, true],
  ['a default port that is not', { Host: 'localhost', Origin: 'http://localhost:80' }, true],
  ['a tunnel with TLS', { Host: 'localhost', Origin: 'https://localhost' }, true],
  ['the next port', { Host: here, Origin: 'http://localhost:9001' }, false],
  ['a default port that is another', { Host: here, Origin: 'http://localhost' }, false],
  ['another site', { Host: here, Origin: 'https://evil.example' }, false],
  ['a sandboxed frame', { Host: here, Origin: 'null' }, false],
  ['an empty origin', { Host: here, Origin: '' }, false],
  ['an origin that ends like ours', { Host: here, Origin: `http://evil.example/://${here}` }, false],
  ['an origin that contains ours', { Host: here, Origin: `http://${here}.evil.example` }, false],
  ['an origin with a user', { Host: here, Origin: `http://evil@${here}` }, false],
  ['several origins', { Host: here, Origin: `http://${here}, http://evil.example` }, false],
  ['an extension', { Host: here, Origin: `chrome-extension://${here}` }, false],
  ['the text "undefined"', { Host: here, Origin: 'http://undefined' }, false],
  ['somebody who types the address', { Host: here, 'Sec-Fetch-Site': 'none' }, true],
  ['a neighbouring site', { Host: here, 'Sec-Fetch-Site': 'same-site' }, false],
  ['another site, by its fetch metadata', { Host: here, 'Sec-Fetch-Site': 'cross-site' }, false],
  ['fetch metadata that nobody knows', { Host: here, 'Sec-Fetch-Site': 'Cross-Site' }, false],
  [
    'fetch metadata that contradict the origin',
    { Host: here, Origin: 'http://evil.example', 'Sec-Fetch-Site': 'same-origin' },
    false
  ]
]

type Answer = [code: number, body: string]

/** One request on a connection of its own, with exactly these headers; answers status code and body. */
async function ask (socketPath: string, method: string, path: string, said: Said, version = '1.1'): Promise<Answer> {
  const pairs = Object.entries(said).flatMap(([name, values]) => [values].flat().map((value) => [name, value]))
  const headers = pairs.map(([name, value]) => `${name}: ${value}`)
  const socket = connect(socketPath)
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
  socket.write([`${method} ${path} HTTP/${version}`, ...headers, 'Connection: close', '', ''].join('\r\n'))
  await once(socket, 'close')
  return [Number(text.split(' ')[1]), text.slice(text.indexOf('\r\n\r\n') + 4)]
}

const isWhole = (body: string): boolean => body.includes('"access":"whole"')

async function directory (t: Test): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'graceful-rebinding-'))
  t.teardown(() => rm(made, { recursive: true, force: true }))
  return made
}

async function tryRows (t: Test, socketPath: string, granted: number): Promise<void> {
  for (const [name, said, isGranted, path = '/-/status'] of rows) {
    const [code, body] = await ask(socketPath, 'GET', path, said)
    // Node itself refuses what is no Host at all.
    t.equal(code === 200 && isWhole(body), isGranted, `${name}: the status`)
    const [acted] = await ask(socketPath, 'POST', path.replace('status', 'undrain'), said)
    t.equal(acted, isGranted ? granted : code === 400 ? 400 : 401, `${name}: an action`)
  }
  t.notOk(isWhole((await ask(socketPath, 'GET', '/-/status', {}, '1.0'))[1]), 'no Host at all')
  t.equal((await ask(socketPath, 'POST', '/-/drain', {}, '1.0'))[0], 401, 'no Host at all: an action')
}

// Scenario (Attacks, and failures of the plugin's own code): DNS rebinding: names, origins and fetch metadata of every
// sort at an application's and a supervisor's unix socket, over HTTP/1 and HTTP/2
t.test(
  "an application's unix socket lets in under a loopback name only, and for no page of another origin",
  async (t) => {
    const socketPath = join(await directory(t), 'admin.sock')
    const app = Fastify()
    await app.register(graceful, { ...options, admin: { token, unixSocket: true } })
    t.teardown(() => app.close())
    await app.listen({ path: socketPath })
    await tryRows(t, socketPath, 409)
    const shown = { Host: 'evil.example', Origin: 'http://evil.example', Authorization: `Bearer ${token}` }
    t.ok(isWhole((await ask(socketPath, 'GET', '/-/status', shown))[1]), 'a token is never sent by itself')
    t.equal(app.graceful.phase, 'running')
  }
)

// Scenario, too: DNS rebinding: names…
t.test("a supervisor's unix socket does so, too", async (t) => {
  const socketPath = join(await directory(t), 'status.sock')
  const tree = start(t, ['run', '--status-socket', socketPath, service])
  await tree.ready()
  await tryRows(t, socketPath, 409)
  process.kill(tree.pid, 'SIGTERM')
  t.strictSame(await tree.result, [0, null])
})

/** Pseudo-headers and headers of HTTP/2. */
type Said2 = Record<string, string>

async function ask2 (authority: string | { path: string }, headers: Said2): Promise<Answer> {
  const session = typeof authority === 'string'
    ? connectHttp2(authority)
    : connectHttp2('http://unused', { createConnection: () => connect(authority.path) })
  const stream = session.request({ ':path': '/-/status', ...headers }, { endStream: true })
  let body = ''
  let code = 0
  stream.on('response', (answer) => { code = Number(answer[':status']) })
  stream.setEncoding('utf8').on('data', (chunk: string) => { body += chunk })
  await once(stream, 'close')
  session.destroy()
  return [code, body]
}

// Scenario, too: DNS rebinding: names…
t.test('over HTTP/2 the authority counts as Host', async (t) => {
  const path = join(await directory(t), 'admin.sock')
  const app = Fastify({ http2: true }) as unknown as FastifyInstance
  await app.register(graceful, { ...options, admin: { unixSocket: true } })
  t.teardown(() => app.close())
  await app.listen({ path })
  const table: Array<[Said2, boolean]> = [
    [{ ':authority': 'localhost' }, true],
    [{ ':authority': '[::1]:9000', origin: 'http://[::1]:9000' }, true],
    [{ ':authority': 'localhost', host: 'localhost' }, true],
    [{ ':authority': 'evil.example' }, false],
    [{ ':authority': 'evil.example', host: 'localhost' }, false],
    [{ ':authority': 'localhost', host: 'evil.example' }, false],
    [{ ':authority': 'localhost', origin: 'http://undefined' }, false],
    [{ ':authority': 'localhost', origin: 'https://evil.example' }, false],
    [{ ':authority': 'undefined', origin: 'http://undefined' }, false],
    [{ ':authority': 'localhost', 'sec-fetch-site': 'same-site' }, false]
  ]
  for (const [said, isGranted] of table) {
    t.equal(isWhole((await ask2({ path }, said))[1]), isGranted, JSON.stringify(said))
    const [code] = await ask2({ path }, { ...said, ':method': 'POST', ':path': '/-/undrain' })
    t.equal(code, isGranted ? 409 : 401, `${JSON.stringify(said)}: an action`)
  }
})

// Scenario, too: DNS rebinding: names…
t.test('authorize is asked for the pages of one site only, whatever the protocol', async (t) => {
  let asked = 0
  const authorize = (): boolean => {
    asked++
    return true
  }
  const table: Array<[host: string, origin: string, isAsked: boolean]> = [
    ['shop.example', 'https://shop.example', true],
    ['shop.example:443', 'https://shop.example', true],
    ['SHOP.example', 'https://shop.example', true],
    ['shop.example:8443', 'https://shop.example:8443', true],
    ['shop.example', 'https://shop.example:8443', false],
    ['shop.example', 'https://evil.example', false],
    ['shop.example', 'https://evil.example/://shop.example', false],
    ['shop.example', 'https://undefined', false],
    ['shop.example', 'null', false]
  ]
  for (const http2 of [false, true]) {
    const server: object = http2 ? { http2: true } : {}
    const app = Fastify(server) as unknown as FastifyInstance
    await app.register(graceful, { ...options, admin: { authorize } })
    t.teardown(() => app.close())
    const address = await app.listen({ port: 0, host: '127.0.0.1' })
    for (const [host, origin, isAsked] of table) {
      asked = 0
      const code = http2
        ? (await ask2(address, { ':authority': host, origin, ':method': 'POST', ':path': '/-/undrain' }))[0]
        : (await app.inject({ method: 'POST', url: '/-/undrain', headers: { host, origin } })).statusCode
      t.strictSame([code, asked], isAsked ? [409, 1] : [401, 0], `${http2 ? 'HTTP/2' : 'HTTP/1'}: ${origin} at ${host}`)
    }
  }
})
