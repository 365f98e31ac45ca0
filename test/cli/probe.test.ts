import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { createSecureServer, createServer as createHttp2Server } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import graceful from '../../lib/index.ts'
import { readPlace } from '../../lib/cli/probe/command.ts'
import { cleanEnv } from '../support/clean-env.ts'
import { service, start } from '../supervisor/tree.ts'

const cli = fileURLToPath(new URL('../../dist/cli/index.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'graceful-probe-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
execFileSync('openssl', [
  'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1', '-subj',
  '/CN=somebody.else', '-keyout', join(folder, 'key'), '-out', join(folder, 'cert')
], { stdio: 'ignore' })
const tls = { key: readFileSync(join(folder, 'key')), cert: readFileSync(join(folder, 'cert')) }
/** Of the service, and of the machine. */
const unset = ['KUBERNETES_SERVICE_HOST', 'PORT', 'GRACEFUL_WATCHDOG_PORT', 'GRACEFUL_RUN_STATUS_PORT']

interface Outcome { code: number | null, out: string, errors: string }

async function probe (args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  const command = [
    ...cleanEnv, ...unset.flatMap((name) => ['-u', name]),
    ...Object.entries(env).map(([name, value]) => `${name}=${value}`), process.execPath, cli, 'probe', ...args
  ]
  const child = spawn('env', command, { stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => { out += text })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
  return new Promise((resolve) => { child.once('close', (code) => resolve({ code, out, errors })) })
}

/** Listens until the test is over. */
async function listen (
  t: Pick<Test, 'teardown'>,
  server: Server,
  where: object = { host: '127.0.0.1', port: 0 }
): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => { sockets.add(socket) })
  await new Promise<void>((resolve) => { server.listen(where, resolve) })
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

/** Answers as a service would, by path. */
const answers: RequestListener = (request, response) => {
  const { pathname } = new URL(request.url ?? '', 'http://x')
  const send = (status: number, body: string, headers = {}): void => { response.writeHead(status, headers).end(body) }
  switch (pathname) {
    case '/readyz': case '/base/readyz': return send(200, 'readyz check passed\n')
    case '/readyz/db': return send(503, '[-]db failed\n')
    case '/readyz/a%20b': return send(200, 'ok')
    case '/moved/readyz': return send(302, '', { location: '/readyz' })
    case '/failing/readyz': return send(302, '', { location: '/readyz/db' })
    case '/away/readyz': return send(307, '', { location: 'http://elsewhere.invalid/readyz' })
    case '/loop/readyz': return send(301, '', { location: '/loop/readyz' })
    case '/nowhere/readyz': return send(304, '')
    case '/long/readyz': return send(200, 'x'.repeat(200_000))
    case '/slow/readyz': return
    case '/half/readyz':
      response.writeHead(200, { 'content-length': 10 }).write('half')
      setImmediate(() => response.destroy())
      return
    case '/drip/readyz': return void response.writeHead(200).write('half')
    default: return send(404, 'not here\n')
  }
}

// Scenario (Health): The probe command, over everything that a service may speak
t.test('healthy or not, over whatever the service speaks', async (t) => {
  const listener = answers as never
  const servers: Array<[name: string, server: Server, scheme: string, where?: object]> = [
    ['HTTP/1', createServer(answers), 'http'],
    ['TLS with a certificate of somebody else', createTlsServer(tls, answers), 'https'],
    ['HTTP/2 without TLS', createHttp2Server(listener), 'http'],
    ['TLS with HTTP/2 alone', createSecureServer(tls, listener), 'https'],
    ['TLS with both', createSecureServer({ ...tls, allowHTTP1: true }, listener), 'https']
  ]
  const hasIpv6 = Object.values(networkInterfaces()).flat().some((address) => address?.address === '::1')
  if (hasIpv6) servers.push(['IPv6', createServer(answers), 'http', { host: '::1', port: 0 }])
  const rows: Array<[path: string, args: string[], code: number]> = [
    ['', ['readyz'], 0], ['', ['/readyz'], 0], ['/readyz', ['readyz'], 0], ['/base', ['readyz'], 0],
    ['', ['readyz', '--path', '/base'], 0], ['', ['readyz/db'], 1], ['', ['readyz/a b'], 0], ['', ['livez'], 1],
    ['/moved', ['readyz'], 0], ['/failing', ['readyz'], 1], ['/away', ['readyz'], 0], ['/loop', ['readyz'], 1],
    ['/nowhere', ['readyz'], 0], ['/long', ['readyz'], 0], ['/half', ['readyz'], 1],
    ['/slow', ['readyz', '--timeout', '300ms'], 1], ['/drip', ['readyz', '--timeout', '300ms'], 1]
  ]
  for (const [name, server, scheme, where] of servers) {
    const port = await listen(t, server, where)
    const address = `${scheme}://${where === undefined ? '127.0.0.1' : '[::1]'}:${port}`
    // Two at a time: what is slow here is the start of a process.
    for (let index = 0; index < rows.length; index += 2) {
      await Promise.all(rows.slice(index, index + 2).map(async ([path, [route = '', ...options], code]) => {
        // A machine that is late must not decide over those that are answered.
        const patience = options.includes('--timeout') ? [] : ['--timeout', '1m']
        const outcome = await probe([route, ...options, ...patience, address + path])
        t.same(outcome, { code, out: '', errors: '' }, `${name}: ${route} ${options.join(' ')} at ${path}`)
      }))
    }
  }
})

t.test('a unix socket, and whom nobody answers', async (t) => {
  const path = join(folder, 'socket')
  await listen(t, createServer(answers), { path })
  const patience = ['--timeout', '1m']
  for (const [address, code] of [[path, 0], [`unix:${path}`, 0], [`unix:${path}:/base`, 0], [`unix:${path}:/x`, 1],
    [`${path}x`, 1]] as const) {
    t.same(await probe(['readyz', ...patience, address]), { code, out: '', errors: '' }, address)
  }
  const closed = createTcpServer((socket) => socket.destroy())
  const odd = createTcpServer((socket) => socket.on('error', () => {}).end('SSH-2.0-OpenSSH_9.2\r\n'))
  for (const [name, server, problem] of [
    ['closes', closed, /closed without an answer|socket hang up/], ['speaks something else', odd, /no HTTP is spoken/]
  ] as const) {
    const port = await listen(t, server)
    const { code, out } = await probe(['readyz', ...patience, '-v', String(port).replace(/^/, '127.0.0.1:')])
    t.equal(code, 1, name)
    t.match(out, problem, name)
  }
  const { code, out } = await probe(['readyz', '-v', '127.0.0.1:1'])
  t.equal(code, 1)
  t.match(out, /^readyz at 127\.0\.0\.1:1: connection refused, \d+ ms\n$/)
})

t.test('HTTP/2 at once is one connection, and without it two', async (t) => {
  let connections = 0
  const server = createHttp2Server(answers as never)
  server.on('connection', () => { connections++ })
  const port = await listen(t, server)
  t.equal((await probe(['readyz', '--timeout', '1m', '--http2', `127.0.0.1:${port}`])).code, 0)
  t.equal(connections, 1)
  t.equal((await probe(['readyz', '--timeout', '1m', `127.0.0.1:${port}`])).code, 0)
  t.equal(connections, 3)
})

// Scenario, too: The probe command, over everything that a service may speak
t.test('a service with the plugin, found by its variables', async (t) => {
  const agents: Array<string | undefined> = []
  const app = Fastify()
  await app.register(graceful, {
    exit: false, signals: { SIGTERM: false, SIGINT: false, SIGHUP: false }, probes: { prefix: '/shop' }
  })
  let isUp = true
  app.graceful.addCheck('database', () => isUp, { ttl: 0 })
  app.addHook('onRequest', async ({ headers }) => { agents.push(headers['user-agent']) })
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(async () => app.close())
  const { port } = app.server.address() as AddressInfo
  const env = { PORT: String(port), GRACEFUL_PROBES_PREFIX: '/shop' }
  const patience = ['--timeout', '1m']
  for (const route of ['livez', 'readyz', 'startupz', 'readyz/database']) {
    t.same(await probe([route, ...patience], env), { code: 0, out: '', errors: '' }, route)
  }
  t.equal((await probe(['readyz', ...patience, String(port)], { GRACEFUL_PROBES_PREFIX: '/shop' })).code, 0, 'a port')
  t.equal((await probe(['readyz', ...patience, `127.0.0.1:${port}`], env)).code, 1, 'an address is taken as it is')
  isUp = false
  const failing = await probe(['readyz', ...patience, '--verbose'], env)
  t.equal(failing.code, 1)
  t.match(failing.out, /^readyz at localhost:\d+: 503, \d+ ms\n[^]*\[-\]database failed/)
  t.equal((await probe(['readyz?exclude=database', ...patience], env)).code, 0, 'a query')
  t.equal((await probe(['livez', ...patience], env)).code, 0)
  t.same(new Set(agents), new Set(['fastify-graceful-probe']))
  t.equal((await probe(['livez', ...patience], { ...env, KUBERNETES_SERVICE_HOST: '10.0.0.1' })).code, 0)
  t.equal(agents.at(-1), 'kube-probe/exec', 'in a pod it is the kubelet that asks')
})

t.test('a supervisor', async (t) => {
  const socket = join(folder, 'status')
  const tree = start(t, ['run', '--status-socket', socket, service])
  await tree.ready()
  const env = { GRACEFUL_RUN_STATUS_SOCKET: socket, PORT: '1', GRACEFUL_PROBES_PREFIX: '/shop' }
  t.equal((await probe(['readyz', '--timeout', '1m'], env)).code, 0)
  process.kill(tree.pid, 'SIGTERM')
  await tree.result
  t.equal((await probe(['readyz', '--timeout', '1m'], env)).code, 1)
})

t.test('what is written wrongly', async (t) => {
  const rows: Array<[args: string[], message: RegExp, env?: Record<string, string>]> = [
    [[], /expected livez, readyz or startupz.* got nothing/],
    [['ready'], /expected livez, readyz or startupz.* got 'ready'/],
    [['readyz'], /expected an address .* PORT, got none/],
    [['readyz'], /a port in PORT, got 'http'/, { PORT: 'http' }],
    [['readyz'], /an absolute path in GRACEFUL_RUN_STATUS_SOCKET, got 'x'/, { GRACEFUL_RUN_STATUS_SOCKET: 'x' }],
    [['readyz', '1', '2'], /expected one address, got 2/],
    [['readyz', 'ftp://x'], /expected a URL, host:port or unix/],
    [['readyz', 'http://me:pass@x'], /expected a URL without credentials/],
    [['readyz', '--timeout', '5', '1'], /option '--timeout' must be a time .* got '5'/],
    [['readyz', '--timeout', '0s', '1'], /from 1ms to 1h, got '0s'/],
    [['readyz', '--path', 'x', '1'], /path that begins with \/ .* got 'x'/],
    [['readyz', '--path', '/x', 'http://x/y'], /got both/],
    [['readyz', '--quiet', '1'], /--quiet/]
  ]
  for (const [args, message, env] of rows) {
    const { code, out, errors } = await probe(args, env)
    t.equal(code, 64, args.join(' '))
    t.equal(out, '')
    t.match(errors, message)
    t.match(errors, /\nSee fastify-graceful probe --help\n$/)
    t.notMatch(errors, 'pass@')
  }
  const { code, out } = await probe(['--help'])
  t.equal(code, 0)
  t.match(out, 'Usage: fastify-graceful probe')
})

t.test('variables, in their order', async (t) => {
  const rows: Array<[env: Record<string, string>, target: object]> = [
    [{ PORT: '3000' }, { host: 'localhost', port: 3000, path: '/livez' }],
    [{ PORT: '/run/shop' }, { socketPath: '/run/shop', path: '/livez' }],
    [{ PORT: '3000', GRACEFUL_WATCHDOG_PORT: '9000' }, { host: 'localhost', port: 9000 }],
    [{ PORT: '3000', GRACEFUL_WATCHDOG_PORT: '0' }, { port: 3000 }],
    [{ GRACEFUL_WATCHDOG_PORT: '9000', GRACEFUL_WATCHDOG_HOST: '::' }, { host: 'localhost' }],
    [{ GRACEFUL_WATCHDOG_PORT: '9000', GRACEFUL_WATCHDOG_HOST: 'fd00::1' }, { host: 'fd00::1', port: 9000 }],
    [{ GRACEFUL_WATCHDOG_PORT: '9000', GRACEFUL_WATCHDOG_HOST: '10.0.0.1' }, { host: '10.0.0.1' }],
    [{ GRACEFUL_WATCHDOG_PORT: '9', GRACEFUL_PROBES_PREFIX: '/a' }, { path: '/a/livez' }],
    [{ GRACEFUL_WATCHDOG_PORT: '9', GRACEFUL_RUN_STATUS_PORT: '8', GRACEFUL_PROBES_PREFIX: '/a' },
      { port: 8, path: '/livez' }]
  ]
  for (const [env, target] of rows) {
    t.match(readPlace(['livez'], undefined, env).target, target, JSON.stringify(env))
  }
})

t.test('nothing is loaded that a probe does not need', async (t) => {
  const port = await listen(t, createServer(answers))
  const loaded = join(folder, 'loaded')
  t.equal((await probe(['readyz', '--timeout', '1m', `127.0.0.1:${port}`], { NODE_V8_COVERAGE: loaded })).code, 0)
  const urls = readdirSync(loaded).flatMap((name) =>
    (JSON.parse(readFileSync(join(loaded, name), 'utf8')) as { result: Array<{ url: string }> }).result)
    .map(({ url }) => url).filter((url) => url.startsWith('file:'))
  const bytes = urls.reduce((sum, url) => sum + readFileSync(fileURLToPath(url)).length, 0)
  t.ok(urls.length > 0 && bytes < 40_000, `${bytes} bytes in ${urls.length} files`, { urls })
})
