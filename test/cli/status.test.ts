import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, request as plainRequest } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import graceful from '../../lib/index.ts'
import { service, start, until } from '../supervisor/tree.ts'
import { fork, listening } from '../process/fork.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

const cli = fileURLToPath(new URL('../../dist/cli/index.js', import.meta.url))
const token = 'a-token-of-16-or-more'
const escape = '\u001b'

/** The command while it runs. */
interface Run {
  text (): string
  /** Types into its terminal. */
  type (text: string): void
  kill (signal: NodeJS.Signals): void
  readonly result: Promise<{ code: number | null, out: string, errors: string }>
}

/** Starts `fastify-graceful status`; in a terminal of this size where one is given. */
function command (
  t: Pick<Test, 'teardown'>,
  args: string[],
  { env = {}, terminal }: { env?: NodeJS.ProcessEnv, terminal?: { columns: number, rows: number } } = {}
): Run {
  const clean = [
    'env',
    ...['NODE_OPTIONS', 'NODE_V8_COVERAGE', 'GRACEFUL_TOKEN', 'NO_COLOR', 'FORCE_COLOR']
      .flatMap((name) => ['-u', name]),
    'TERM=xterm',
    ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
    process.execPath,
    cli,
    'status',
    ...args
  ]
  const quoted = clean.map((part) => `'${part}'`).join(' ')
  const [program = '', ...rest] = terminal === undefined
    ? clean
    : ['script', '-qec', `stty cols ${terminal.columns} rows ${terminal.rows}; exec ${quoted}`, '/dev/null']
  const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'pipe'] })
  t.teardown(() => { child.kill('SIGKILL') })
  let [out, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => { out += text })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
  return {
    text: () => out,
    type: (text) => { child.stdin.write(text) },
    kill: (signal) => { child.kill(signal) },
    result: new Promise((resolve) => { child.once('close', (code) => resolve({ code, out, errors })) })
  }
}

const status = (t: Pick<Test, 'teardown'>, args: string[], env: NodeJS.ProcessEnv = {}): Run['result'] =>
  command(t, args, { env }).result

/** Everything a terminal would act upon; a line feed and a tab are text. */
// oxlint-disable-next-line no-control-regex -- that is what is looked for
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/

async function bound (t: Test, server: Server, where: number | string = 0): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(typeof where === 'string' ? { path: where } : { port: where, host: '127.0.0.1' }, resolve)
  })
  t.teardown(() => {
    (server as Server & { closeAllConnections?: () => void }).closeAllConnections?.()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

t.test('one look: ready, not ready, unreachable, and the worst of several', async (t) => {
  const app = Fastify()
  await app.register(graceful, {
    exit: false,
    signals: { SIGTERM: false, SIGINT: false, SIGHUP: false },
    admin: { token, unixSocket: true },
    gracePeriod: 30_000,
    preStop: 10_000,
    announce: { min: 13_000 }
  })
  app.graceful.addCheck('database', () => true)
  app.graceful.addCheck('mail', () => { throw new Error(`gone ${escape}[31m`) }, { kinds: ['liveness'] })
  app.graceful.stall('outbox', () => false)
  let release: (() => void) | undefined
  app.get('/orders/:id', () => new Promise((resolve) => { release = () => resolve('done') }))
  const folder = mkdtempSync(join(tmpdir(), 'graceful-status-'))
  t.teardown(async () => {
    release?.()
    await app.close()
    rmSync(folder, { recursive: true })
  })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const host = address.replace('http://', '')
  const [, port = ''] = host.split(':')
  const order = fetch(`${address}/orders/1?secret=yes`)
  await until(() => release, 'a request in flight')
  await (await fetch(`${address}/livez`)).text()

  // Alone: each that asks is a busy connection.
  const whole = await status(t, [host, '--token', token])
  const [public_, nobody, several] = await Promise.all([
    status(t, [port]),
    status(t, ['127.0.0.1:1']),
    status(
      t,
      [
        `${address}/`, `${address}/-/status`, 'http://127.0.0.1:1', `${address}/-/`, `${address}/-/status/?x`,
        `${address}/-`, '--json'
      ],
      { GRACEFUL_TOKEN: token }
    )
  ])
  t.equal(public_.code, 0)
  t.match(public_.out, new RegExp(`^${port}  ready, phase 0 running for `))
  t.match(public_.out, '\n  the rest is for those with a token (what admin.token is there')
  t.notMatch(public_.out, 'orders')

  t.equal(whole.code, 0, whole.errors)
  for (const expected of [
    '  1 announcing  3 s to 9.7 s', '  2 closing     up to 500 ms', '  3 draining    up to 14.7 s',
    '  4 terminated  up to 18 s',
    '  grace        30 s: 10 s preStop hook, 14.7 s announcing, closing, draining, 3.3 s onClose hooks, 2 s reserve',
    /\[##########\] {2}GET {2}\/orders\/:id +request/,
    /connections {2}open \d+, busy 2, /, /outbox +does not stall/, /database +(passing|unknown) /,
    /mail +failing +took .* for liveness +gone \\u001b\[31m/, /traffic +[\d.]+ new connections\/s/
  ]) t.match(whole.out, expected)
  t.notMatch(whole.out, 'secret')
  t.notMatch(whole.out, controls)

  t.equal(nobody.code, 2)
  t.equal(nobody.out, '127.0.0.1:1  UNREACHABLE, connection refused\n')
  t.equal(several.code, 2, 'the worst')
  const lines = several.out.trim().split('\n').map((line) => JSON.parse(line) as {
    target: string
    exitCode: number
    problem?: string
    status?: { phase: string, requests: unknown[] }
  })
  t.same(
    lines.map(({ exitCode, problem }) => [exitCode, problem]),
    [[0, undefined], [0, undefined], [2, 'connection refused'], [0, undefined], [0, undefined], [0, undefined]]
  )
  t.match(lines[0]?.status, { phase: 'running', checks: [{ name: 'database' }, { error: 'gone \\u001b[31m' }] })

  // Held, and over a unix socket, where no token is needed.
  const socketPath = join(folder, 'status.sock')
  const proxy = createServer((request, response) => {
    void app.inject({ method: 'GET', url: request.url ?? '', headers: { authorization: `Bearer ${token}` } })
      .then((reply) => response.writeHead(reply.statusCode).end(reply.body))
  })
  await bound(t, proxy, socketPath)
  const hold = app.graceful.hold('cache is warming up')
  const [held, over] = await Promise.all([
    status(t, [`unix:${socketPath}`]),
    status(t, [`unix:${socketPath}:/-/status`, `${address}/-/status?x`])
  ])
  hold.release()
  t.equal(held.code, 1)
  t.match(held.out, /NOT READY, phase 0 running for .*, held by: cache is warming up/)
  t.equal(over.code, 1)
  release?.()
  await (await order).text()

  // After the end: what the application then says of itself, from another server.
  app.graceful.addHook('draining', () => { throw new Error('no disk') }, { name: 'flush' })
  await app.graceful.shutdown({ reason: 'try' })
  const told = createServer((_request, response) => {
    response.setHeader('date', new Date(Date.now() + 3_600_000).toUTCString())
      .end(JSON.stringify({ ...app.graceful.status(), since: Date.now() + 3_590_000 }))
  })
  const after = await status(t, [`127.0.0.1:${await bound(t, told)}`])
  t.equal(after.code, 1)
  t.match(
    after.out,
    /NOT READY, phase 4 terminated for (9|10|11)(\.\d)? s/,
    'by the clock of the service, which is an hour ahead'
  )
  t.match(
    after.out,
    /report +failed, exit code 1: shutdown by try in \d+ ms; failed: flush \(no disk\)\n +flush failed in phase draining: no disk\n/
  )
})

const pem = (name: string): Buffer => readFileSync(new URL(`../traffic/fixtures/${name}.pem`, import.meta.url))

t.test('what is no status: one line each, and never a hang', async (t) => {
  const pages: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
    '/nothing/-/status': (_request, response) => response.writeHead(404).end(),
    '/locked/-/status': (_request, response) => response.writeHead(401).end(),
    '/refused/-/status': (_request, response) => response.writeHead(403).end(),
    '/moved/-/status': (_request, response) =>
      response.writeHead(302, { location: 'https://elsewhere.example/\u0085' }).end(),
    '/busy/-/status': (_request, response) => response.writeHead(503, 'Busy \u009b31m').end('{}'),
    '/page/-/status': (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    '/other/-/status': (_request, response) => response.end('{"phase":"dreaming","ready":true}'),
    '/list/-/status': (_request, response) => response.end('[1]'),
    '/huge/-/status': (_request, response) => {
      for (let index = 0; index < 17; index++) response.write(' '.repeat(2 ** 20))
      response.end('1')
    },
    '/silent/-/status': () => {},
    '/slow/-/status': (_request, response) => { response.write('{') },
    '/cut/-/status': (request) => { request.socket.destroy() }
  }
  const asked: string[] = []
  let [open, most] = [0, 0]
  const port = await bound(t, createServer((request, response) => {
    asked.push(request.url ?? '')
    most = Math.max(most, ++open)
    response.once('close', () => { open-- })
    pages[request.url ?? '']?.(request, response)
  }))
  const garbage = await bound(t, createTcpServer((socket) => {
    socket.on('error', () => {}).end('SSH-2.0-OpenSSH_9.2\r\n')
  }))
  const secure = await bound(t, createSecureServer(
    { key: pem('key'), cert: pem('certificate') },
    (_request, response) => { response.end('{"phase":"running","number":0,"since":0,"ready":true}') }
  ))
  const table: Array<[address: string, said: string | RegExp]> = [
    [`http://127.0.0.1:${port}/nothing`,
      'answers 404: no status route there; is admin.prefix another one?'],
    [`127.0.0.1:${port}/locked/`,
      'answers 401: credentials are needed (--token, GRACEFUL_TOKEN)'],
    [`127.0.0.1:${port}/refused`,
      'answers 403: the token is not accepted, or something in front does not let in'],
    [`127.0.0.1:${port}/moved/-/status`,
      'answers 302 with a redirect to https://elsewhere.example/\\u0085, which is not followed'],
    [`127.0.0.1:${port}/busy`,
      'answers 503 Busy \\u009b31m'],
    [`127.0.0.1:${port}/page`,
      'answers with text/html that is no JSON'],
    [`127.0.0.1:${port}/other`,
      'answers with JSON that is no status of fastify-graceful'],
    [`127.0.0.1:${port}/list`,
      'answers with JSON that is no status of fastify-graceful'],
    [`127.0.0.1:${port}/huge`,
      'answers with more than 16 MiB'],
    [`127.0.0.1:${port}/cut`,
      'the connection was closed without an answer'],
    [`127.0.0.1:${garbage}`,
      'no HTTP is spoken there: is it https?'],
    [`https://127.0.0.1:${port}`,
      'no TLS is spoken there: is it http?'],
    [`https://127.0.0.1:${secure}`,
      /^the certificate is not accepted: .+ \(NODE_EXTRA_CA_CERTS names a file with your authority's\)$/],
    ['no-such-host.invalid',
      /^(no host of this name|the name of the host could not be looked up)$/],
    ['unix:/no/such.sock',
      'no socket of this path']
  ]
  // A name that is looked up, and 17 MiB, take as long as they take.
  const { code, out, errors } = await status(
    t,
    [...table.map(([address]) => address), '--timeout', '50s'],
    { GRACEFUL_TOKEN: token }
  )
  t.equal(code, 2)
  t.equal(errors, '')
  const lines = out.split('\n').filter((line) => line !== '')
  for (const [index, [address, said]] of table.entries()) {
    const [name, problem] = lines[index]?.split('  UNREACHABLE, ') ?? []
    t.equal(name, address)
    if (typeof said === 'string') t.equal(problem, said)
    else t.match(problem, said)
  }
  t.notMatch(out, controls)
  most = 0
  const late = await status(t, [`127.0.0.1:${port}/silent`, `127.0.0.1:${port}/slow/`, '--timeout', '2s'])
  t.equal(late.code, 2)
  t.equal(
    late.out,
    `127.0.0.1:${port}/silent  UNREACHABLE, no answer within 2 s\n\n`
      + `127.0.0.1:${port}/slow/  UNREACHABLE, no answer within 2 s\n`
  )
  t.equal(most, 2, 'side by side')
  t.equal(asked.length, 12, 'each asked once, and the redirect not followed')
})

t.test('a wrong option or address is 64, with the way to the help', async (t) => {
  const table: Array<[string[], string, NodeJS.ProcessEnv?]> = [
    [[],
      'status: expected the address of a service, got none'],
    [['http://'],
      "status: expected a URL, host:port or unix:/path/of/socket, got 'http://'"],
    [['ftp://host'],
      "status: expected a URL, host:port or unix:/path/of/socket, got 'ftp://host'"],
    [['unix:relative'],
      "status: expected a URL, host:port or unix:/path/of/socket, got 'unix:relative'"],
    [['http://me:secret@host'],
      'status: expected a URL without credentials, and the token as --token or in GRACEFUL_TOKEN'],
    [['host', '--interval', '5'],
      "option '--interval' must be a time with its unit, such as 30s, 500ms or 2m, got \"5\" (text)"],
    [['host', '--interval', '1ms'],
      "option '--interval' must be a time from 100ms to 1h, got '1ms'"],
    [['host', '--timeout', '2h'],
      "option '--timeout' must be a time from 1ms to 1h, got '2h'"],
    [['host', '--wacth'],
      "Unknown option '--wacth'"],
    [['host'],
      'status: expected a token of visible ASCII characters', { GRACEFUL_TOKEN: 'with a blank' }]
  ]
  await Promise.all(table.map(async ([args, message, env = {}]) => {
    const { code, out, errors } = await status(t, args, env)
    t.same([code, out], [64, ''], args.join(' '))
    t.ok(errors.startsWith('fastify-graceful: '), errors)
    t.match(errors, message)
    t.match(errors, 'See fastify-graceful status --help')
    t.notMatch(errors, 'secret')
  }))
  const { code, out } = await status(t, ['host', '--help'])
  t.equal(code, 0)
  t.match(out, /^Usage: fastify-graceful status/)
})

/** The frames that a terminal was shown. */
const frames = (text: string): string[] => text.split(`${escape}[J`)
/** Lines without colours, and without what moves the cursor. */
const linesOf = (frame: string): string[] =>
  // oxlint-disable-next-line no-control-regex -- that is what is looked for
  frame.replaceAll(/\u001b\[[?\d;]*[a-zA-Z]/g, '').split('\r\n').map((line) => line.replaceAll('\r', ''))

/** Hands on what `/-/status` of another port says, and no stream. */
async function withoutStream (t: Test, port: number): Promise<number> {
  return bound(t, createServer((request, response) => {
    if (request.url !== '/-/status') {
      response.writeHead(404).end()
      return
    }
    fetch(`http://127.0.0.1:${port}/-/status`, { headers: { authorization: request.headers.authorization ?? '' } })
      .then(async (answer) => { response.end(await answer.text()) })
      .catch(() => { request.socket.destroy() })
  }))
}

t.test('a whole shutdown is watched, in a terminal and in a pipe, with a stream and without one', async (t) => {
  const child = fork('app.js', {
    given: {
      options: {
        gracePeriod: 12_000,
        announce: { min: 1200, max: 3000 },
        admin: { token },
        watchdog: { port: 0, host: '127.0.0.1' }
      }
    }
  })
  t.teardown(() => child.kill('SIGKILL'))
  const address = await listening(child)
  const look = async (): Promise<{ watchdog?: { port?: number } }> =>
    (await fetch(`${address}/-/status`, { headers: { authorization: `Bearer ${token}` } })).json() as never
  const port = await until(async () => (await look()).watchdog?.port, 'the port of the watchdog')
  const env = { GRACEFUL_TOKEN: token }
  const args = [`127.0.0.1:${await withoutStream(t, port)}`, '--watch', '--interval', '100ms']
  const pipe = command(t, args, { env })
  const screen = command(t, args, { env, terminal: { columns: 60, rows: 12 } })
  const grey = command(t, args, { env: { ...env, NO_COLOR: '1' }, terminal: { columns: 200, rows: 50 } })
  const json = command(t, [...args, '--json'], { env })
  // The application's own port accepts nobody in phase 3; what streams its changes is open to the end.
  const own = [address.replace('http://', ''), '--watch']
  const live = command(t, own, { env })
  const bright = command(t, own, { env, terminal: { columns: 100, rows: 40 } })
  const stranger = command(t, own)
  const guarded = command(t, [`127.0.0.1:${port}`, '--watch'], { env })
  await until(
    () => [pipe, screen, grey, json, live, bright, stranger, guarded].every((run) => run.text().includes('running')),
    'all of them see it run'
  )
  const slow = fetch(`${address}/slow?ms=5000`).then((response) => response.text())
  await child.waitForLine(/slow begins/)
  const watch = new Stopwatch(child.child.pid)
  child.kill('SIGTERM')
  t.equal(await slow, 'slow')
  const [code] = await child.result
  watch.stop()
  t.equal(code, 0)

  const piped = await pipe.result
  t.equal(piped.code, 1, 'not ready, as the last was that was heard')
  t.notMatch(piped.out, controls, 'plain text')
  t.match(
    piped.out,
    /^127\.0\.0\.1:\d+ {2}ready, phase 0 running for [^]*\n\S+Z 127\.0\.0\.1:\d+ {2}NOT READY, phase 1 announcing for [^]*\n\S+Z 127\.0\.0\.1:\d+ {2}NOT READY, phase 3 draining for [^\n]*waits for traffic \(1 request in flight\)[^]*\n\n127\.0\.0\.1:\d+ {2}GONE, after it had begun to end: the connection was closed without an answer; what follows is /
  )
  const last = piped.out.slice(piped.out.lastIndexOf('GONE'))
  t.match(last, /\n[> ] 3 draining .*\d m?s/)

  const shown = await screen.result
  t.equal(shown.code, 1)
  const drawn = frames(shown.out)
  t.ok(drawn.length > 10, `${drawn.length} frames`)
  for (const frame of drawn.slice(0, -1)) {
    const lines = linesOf(frame).filter((line) => line !== '')
    t.ok(lines.length <= 11, 'no more lines than the terminal has')
    t.ok(lines.every((line) => line.length <= 60), 'nor wider')
  }
  // oxlint-disable-next-line no-control-regex -- that is what is looked for
  const up = [...shown.out.matchAll(/\u001b\[(\d+)A/g)].map(([, rows]) => Number(rows))
  t.ok(up.length > 10 && up.every((rows) => rows <= 11), 'drawn in place')
  t.match(drawn.find((frame) => frame.includes('phase 0')), `${escape}[32m`, 'in colours')
  t.ok(
    drawn.some((frame) => linesOf(frame).some((line) => /^> 3 draining .*\[#*\.*\] waits f/.test(line))),
    'what it waits for, as far as there is room'
  )
  t.equal(shown.out.split(`${escape}[?25l`).length, 2, 'the cursor is hidden once')
  t.ok(shown.out.trimEnd().endsWith(`${escape}[?25h`), 'and shown at the end')
  t.match(drawn.at(-1), 'GONE, after it had begun to end')

  const uncoloured = await grey.result
  // oxlint-disable-next-line no-control-regex -- that is what is looked for
  t.notMatch(uncoloured.out, /\u001b\[\d*m/, 'NO_COLOR')
  t.ok(frames(uncoloured.out).length > 10)

  const parsed = (await json.result).out.trim().split('\n')
    .map((line) => JSON.parse(line) as { exitCode: number, status?: { phase: string } })
  t.same(
    [...new Set(parsed.map(({ status }) => status?.phase))]
      .filter((phase) => phase !== 'closing' && phase !== 'terminated'),
    ['running', 'announcing', 'draining']
  )
  t.equal(parsed.at(-1)?.exitCode, 1)

  const lived = await live.result
  t.equal(lived.code, 1)
  t.notMatch(lived.out, controls)
  for (const phase of ['1 announcing', '3 draining', '4 terminated']) {
    t.match(
      lived.out,
      new RegExp(`\\n\\S+Z 127\\.0\\.0\\.1:\\d+ {2}NOT READY, phase ${phase} for .*because of SIGTERM`),
      phase
    )
  }
  const end = lived.out.slice(lived.out.lastIndexOf('\n\n'))
  t.match(end, /NOT READY, phase 4 terminated for /)
  const [, lasted] = /\n {2}1 announcing {2}1\.2 s to 3 s +(\d\.\d) s/.exec(end) ?? []
  inTime(t, { time: Number(lasted) * 1000, late: watch.late }, [1000, 1900], 'how long the phases lasted:')
  t.match(end, /\n {2}report +clean, exit code 0: shutdown by SIGTERM in \d+ ms, nothing cut\n/)
  t.notMatch(end, 'GONE')
  t.match(
    (await guarded.result).out,
    /\n {2}report +clean, exit code 0: shutdown by SIGTERM/,
    'on the port of the watchdog, too'
  )
  const brightened = await bright.result
  t.match(linesOf(frames(brightened.out).at(-1) ?? '').join('\n'), /report +clean, exit code 0: shutdown by SIGTERM/)
  t.match(
    frames(brightened.out).map((frame) => linesOf(frame).join('\n')).join(),
    /> 1 announcing .*\[#+\.+\]/,
    'time goes on'
  )
  const little = await stranger.result
  t.equal(little.code, 1)
  t.match(little.out, /\n\n127.*NOT READY, phase 4 terminated for [^]*the rest is for those with a token/)
  t.notMatch(little.out, 'report')
})

t.test('on the port of the watchdog a service is shown whole, before a hang, during it and after it', async (t) => {
  const child = fork('../../watchdog/fixtures/hang.js', {
    given: {
      way: 'short',
      ms: 6000,
      options: { gracePeriod: 30_000, admin: { token }, watchdog: { port: 0, host: '127.0.0.1' } }
    }
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [, port = ''] = await child.waitForLine(/^watchdog watching (\d+)$/m)
  const address = await listening(child)
  const held = new AbortController()
  const slow = fetch(`${address}/slow/1`, { signal: held.signal }).catch(() => {})
  await child.waitForLine(/slow begins/)
  const args = [`127.0.0.1:${port}`, '-w']
  const env = { GRACEFUL_TOKEN: token }
  const screen = command(t, args, { env, terminal: { columns: 120, rows: 60 } })
  const pipe = command(t, args, { env })
  const shown = (): string[] => frames(screen.text()).map((frame) => linesOf(frame).join('\n'))
  const parts = ['GET  /slow/:id', '\n  connections  open', '\n  checks\n    database', '\n  watchdog     watching']
  const isWhole = (frame: string): boolean => parts.every((part) => frame.includes(part))
  await until(
    () => shown().slice(0, -1).filter(isWhole).length > 3 && pipe.text().includes('GET  /slow/:id'),
    'seconds of a healthy service'
  )
  t.same(shown().filter((frame) => frame.includes('has not turned')), [])

  const calm = shown().length
  const hang = fetch(`${address}/hang`).then((response) => response.text())
  const during =
    /NOT READY, phase 0 running for .*, the event loop is blocked\n[^]*\n  event loop   has not turned for (\d\S*) m?s, held by .*spinShortly/
  await until(() => shown().slice(calm, -1).filter((frame) => during.test(frame)).length > 1, 'the hang')
  t.equal(await hang, 'over')
  const hung = shown().slice(calm, -1).filter((frame) => during.test(frame))
  t.ok(hung.every(isWhole), hung[0] ?? '')
  t.ok(new Set(hung.map((frame) => during.exec(frame)?.[1])).size > 1, 'the silence grows')
  const back = shown().length
  await until(
    () => shown().slice(back, -1)
      .some((frame) => /  ready, phase 0/.test(frame) && isWhole(frame) && !frame.includes('has not turned')),
    'the end of the hang'
  )
  t.match(
    await until(() => /NOT READY[^]*Z .*  (ready, phase 0 running.*)/.exec(pipe.text())?.[1], 'both in the pipe'),
    'ready'
  )
  t.match(pipe.text(), /Z .*NOT READY, phase 0 running for .*, the event loop is blocked\n/)
  screen.type('\u0003')
  pipe.kill('SIGINT')
  t.equal((await screen.result).code, 0)
  t.equal((await pipe.result).code, 0)
  held.abort()
  await slow
})

t.test('a proxy that holds a stream back counts as none', async (t) => {
  const app = Fastify({ forceCloseConnections: true })
  await app.register(
    graceful,
    { exit: false, signals: { SIGTERM: false, SIGINT: false, SIGHUP: false }, kubernetes: false }
  )
  t.teardown(() => app.close())
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const held: string[] = []
  let polls = 0
  // Hands on the head at once, and of the body whole blocks.
  const port = await bound(t, createServer((request, response) => {
    const passed = plainRequest(`${address}${request.url}`, { agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers).flushHeaders()
      if (request.url === '/-/status') polls++
      let block = ''
      answer.setEncoding('utf8').on('data', (text: string) => {
        block += text
        if (request.url !== '/-/status') held.push(text)
        if (block.length < 65_536) return
        response.write(block)
        block = ''
      }).once('end', () => response.end(block)).once('error', () => response.destroy())
    })
    passed.on('error', () => response.destroy()).end()
    response.once('close', () => passed.destroy())
  }))
  const runs = [
    command(t, [`127.0.0.1:${port}`, '-w', '--interval', '100ms', '--timeout', '1s']),
    command(t, [address, '-w'])
  ] as const
  await until(() => polls > 3, 'it is asked')
  t.match(held.join(), 'event: status')
  const hold = app.graceful.hold('by hand')
  await until(() => runs.every((run) => run.text().includes('NOT READY')), 'a change')
  hold.release()
  for (const run of runs) run.kill('SIGINT')
  const [, live] = await Promise.all(runs.map((run) => run.result))
  t.match(live?.out, 'the rest is for those with a token, and no admin.token is set there')
})

t.test('long lists are cut, and equal names counted', async (t) => {
  const mail = Array.from({ length: 1500 }, (_, index) => ({ name: 'mail', reason: `running for ${index} ms` }))
  const named = Array.from({ length: 30 }, (_, index) => ({ name: `job-${index}`, reason: 'busy' }))
  const checks = Array.from(
    { length: 150 },
    (_, index) => ({ name: `check-${index}`, state: 'failing', kinds: ['readiness'] })
  )
  const body = {
    phase: 'draining',
    number: 3,
    since: Date.now(),
    ready: false,
    budget: {},
    participants: [{ name: 'mail' }, ...mail, ...named],
    checks,
    work: mail.map(({ name }) => name)
  }
  const port = await bound(t, createServer((request, response) => {
    response.end(JSON.stringify(
      request.url?.includes('held') === true
        ? { ...body, phase: 'running', number: 0, holds: named.map(({ name }) => name) }
        : body
    ))
  }))
  const { out } = await status(t, [`127.0.0.1:${port}`, `127.0.0.1:${port}/held`])
  t.match(out, 'waits for mail ×1500 (running for 0 ms), job-0 (busy), job-1 (busy), job-2 (busy), job-3 (busy), '
    + 'job-4 (busy), job-5 (busy), job-6 (busy), job-7 (busy), job-8 (busy) and 21 more\n')
  t.match(
    out,
    /\n {4}mail ×1500 +running for 0 ms\n {4}job-0 +busy\n[^]*\n {4}job-29 +busy\n {4}mail +does not stall\n {2}checks\n/
  )
  t.match(out, /\n {4}check-99 +failing .*\n {4}and 50 more\n {2}background {3}mail ×1500\n/)
  t.match(out, /, held by: job-0, job-1, [^;]*job-9 and 20 more; health checks: check-0 \(failing\), [^;]*check-9 \(failing\) and 140 more\n/)
  t.ok(out.split('\n').every((line) => line.length < 500))
})

t.test('a stream that breaks off, or is none', async (t) => {
  const whole = {
    at: Date.now() - 3_600_000,
    phase: 'running',
    number: 0,
    since: Date.now() - 3_660_000,
    ready: true,
    budget: {},
    inFlight: 1,
    requests: [{ method: 'GET', route: '/a', age: 1000, kind: 'request' }]
  }
  let streams = 0
  const server = createServer((request, response) => {
    if (request.url === '/-/status') {
      response.end(JSON.stringify(whole))
      return
    }
    streams++
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(': hello\r\n\r\nevent: change\ndata: {"phase":"draining"}\n\nevent: status\nda')
    setTimeout(() => response.write(`ta: ${JSON.stringify(whole)}\n\nevent: change\ndata: nonsense\n\n`), 50)
    setTimeout(
      () => response.write(
        'event: change\ndata: {"ready":false,\ndata: "holds":["by \\u001b hand"],"requests":null}\n\n'
      ),
      2800
    )
    setTimeout(() => { server.close(() => {}).closeAllConnections() }, 3100)
  })
  const port = await bound(t, server)
  const { code, out } =
    await command(t, [String(port), '-w', '--interval', '100ms'], { terminal: { columns: 100, rows: 40 } }).result
  t.equal(streams, 1)
  t.equal(code, 2)
  const shown = frames(out).map((frame) => linesOf(frame).join('\n'))
  t.ok(
    shown.some((frame) => /ready, phase 0 running for 1 min\n/.test(frame)
      && /\n {4}1(\.\d)? s +\[#+\] {2}GET {2}\/a /.test(frame)),
    'by the clock of the service'
  )
  t.ok(
    shown.some((frame) => /running for 1 min [12] s\n/.test(frame)
      && /\n {4}[23](\.\d)? s +\[#+\] {2}GET {2}\/a /.test(frame)),
    'ages grow while nothing is told'
  )
  t.notOk(shown.some((frame) => frame.includes('draining for')), 'a change of nothing')
  t.ok(
    shown.some((frame) => frame.includes('held by: by \\u001b hand')
      && frame.includes('in flight    1 request\n    and 1 more')),
    'what changed'
  )
  t.match(shown.at(-1), 'GONE, while it was in service: connection refused')
})

t.test('Ctrl-C ends it at once, with the last state and the cursor, also while an answer is awaited', async (t) => {
  let answers = true
  const port = await bound(t, createServer((_request, response) => {
    if (answers) response.end(`{"phase":"running","number":0,"since":${Date.now() - 5000},"ready":true}`)
  }))
  const runs = [
    command(t, [String(port), '-w', '--interval', '100ms', '--timeout', '1h'], { terminal: { columns: 80, rows: 24 } }),
    command(t, [String(port), '-w', '--interval', '100ms', '--timeout', '1h'])
  ] as const
  await until(() => runs.every((run) => run.text().includes('running for 5')), 'the first frame')
  const hung = new Promise((resolve) => { setTimeout(resolve, 300) })
  answers = false
  await hung
  runs[0].type('\u0003')
  runs[1].kill('SIGINT')
  const [screen, plain] = await Promise.all(runs.map((run) => run.result))
  t.equal(screen?.code, 0)
  t.ok(screen?.out.trimEnd().endsWith(`${escape}[?25h`))
  t.match(linesOf(frames(screen?.out ?? '').at(-1) ?? '').join('\n'), /ready, phase 0 running for/)
  t.equal(plain?.code, 0)
  t.equal(plain?.out.match(/ready, phase 0/g)?.length, 2, 'the first and the last')
})

t.test('a service that vanishes while it is in service is 2, like one that was never there', async (t) => {
  const server = createServer((_request, response) => {
    response.end('{"phase":"running","number":0,"since":0,"ready":true}')
  })
  const port = await bound(t, server)
  const run = command(t, [String(port), '-w', '--interval', '100ms'])
  await until(() => run.text().includes('running'), 'an answer')
  server.close()
  server.closeAllConnections()
  const { code, out } = await run.result
  t.equal(code, 2)
  t.match(out, 'GONE, while it was in service: connection refused')
  const never = await status(t, ['127.0.0.1:1', '--watch'])
  t.same([never.code, never.out], [2, '127.0.0.1:1  UNREACHABLE, connection refused\n'])
})

t.test('nothing from the wire reaches the terminal as a control character', async (t) => {
  const evil = `${escape}]0;owned\u0007${escape}[2J\r\n\u009b31m\u202e\u2028`
  const many = Array.from(
    { length: 300 },
    (_, index) => ({ method: 'GET', route: `/${index}${evil}`, age: index, kind: evil })
  )
  const body = {
    phase: 'draining', number: 3, since: Date.now(), ready: false, deadline: Date.now() + 5000, holds: [evil],
    requests: many, connections: { [evil]: 1 }, inFlight: 1000, participants: [{ name: evil, reason: evil }],
    checks: [{ name: evil, state: evil, error: evil, kinds: [evil] }], budget: { announce: 'no object' }, work: [evil],
    pressure: { underPressure: true }, watchdog: { state: evil, blockedCount: 1, lastBlocked: { blockedIn: evil } },
    traffic: {
      evidence: evil,
      lateArrivals: 2,
      lateSources: [{ address: evil, count: 2 }],
      probes: [{ prober: evil }]
    },
    report: {
      verdict: evil,
      summary: evil,
      advice: [evil],
      phases: [{ phase: 'announcing', duration: 1, endedBy: 'cap', stalledBy: [{ name: evil, reason: evil }] }],
      cut: { requests: [{ method: evil, route: null }] },
      failures: [{ name: evil, message: evil, phase: evil }]
    }
  }
  const odd = {
    phase: 'running',
    ready: true,
    since: 'yesterday',
    requests: 'none',
    participants: [null, 1, []],
    checks: {},
    budget: 7,
    children: [{ child: evil, applications: [body] }, null],
    eventLoop: { silence: 1, blocked: true, blockedIn: evil }
  }
  const port = await bound(t, createServer((request, response) => {
    response.end(JSON.stringify(
      request.url?.includes('odd') === true
        ? odd
        : request.url?.includes('hung') === true ? { ...odd, children: undefined, applications: [body] } : body
    ))
  }))
  const addresses = [`127.0.0.1:${port}/`, `127.0.0.1:${port}/odd`, `127.0.0.1:${port}/hung`]
  const [plain, json] = await Promise.all([status(t, addresses), status(t, [...addresses, '--json'])])
  t.notMatch(plain.out, controls)
  t.notMatch(json.out, controls)
  t.equal(plain.errors + json.errors, '')
  t.match(plain.out, '\\u001b]0;owned\\u0007')
  t.match(plain.out, 'and 900 more')
  t.match(plain.out, 'event loop   has not turned for 1 ms, held by')
  const screen = command(t, [addresses[0]!, '-w'], { terminal: { columns: 50, rows: 10 } })
  await until(() => screen.text().includes('owned'), 'a frame')
  screen.type('\u0003')
  const { out } = await screen.result
  // oxlint-disable-next-line no-control-regex -- what the command itself writes
  t.notMatch(out.replaceAll(/\u001b\[(\?25[lh]|\?7[lh]|\d*A|[JK]|\d+m)|\r/g, ''), controls)
  t.match(out, 'more lines')
})

t.test('a supervisor shows its children, and what each is at', async (t) => {
  const tree = start(t, ['run', '--workers', '2', '--min-ready', '2', '--status-port', '0', service], {
    env: { GRACEFUL_RUN_STATUS_TOKEN: token }
  })
  const address = await tree.status()
  await tree.ready()
  const held = new AbortController()
  const slow = fetch(`http://127.0.0.1:${await tree.port()}/held`, { signal: held.signal }).catch(() => {})
  await until(() => tree.output().includes('held in '), 'a request in flight')
  const [once, stranger] = await Promise.all([
    status(t, [address], { GRACEFUL_TOKEN: token }),
    status(t, [address], { GRACEFUL_TOKEN: 'a-token-that-is-wrong' })
  ])
  t.equal(once.code, 0)
  t.match(once.out, /ready, phase 0 running for [^\n]*, 2 of 2 children ready, 2 needed\n/)
  t.match(
    once.out,
    /children *\n +child +pid +phase +in flight +connections +restarts +up +waits for\n +1 +\d+ +running +ready +\d +\d +0 [^]*\n +2 +\d+ +running +ready +\d +\d +0 /
  )
  t.match(once.out, /\n {2}child 2 {2}ready, phase 0 running/)
  t.match(once.out, 'GET  /held')
  t.equal(stranger.code, 0)
  t.match(stranger.out, 'the token is not accepted: the rest is for those with a token')
  const run = command(t, [address, '-w', '--interval', '100ms'], { env: { GRACEFUL_TOKEN: token } })
  await until(() => run.text().includes('running'), 'the first look')
  process.kill(tree.pid, 'SIGTERM')
  // Nothing ends before it has been seen.
  await until(
    () => /Z .*NOT READY, phase [123] \w+ for .*, because of SIGTERM.*, waits for .*child \d: .*traffic \(/
      .test(run.text()),
    'the end is watched: the signal, and what a child waits for'
  )
  held.abort()
  await slow
  t.same(await tree.result, [0, null])
  const { code, out } = await run.result
  t.equal(code, 1)
  t.match(out, /Z .*NOT READY, phase [123] \w+ for /)
  t.match(out, /\n\n.*NOT READY, phase 4 terminated for /)
})
