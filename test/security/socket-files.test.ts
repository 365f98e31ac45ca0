import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, statSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import graceful from '../../lib/index.ts'
import type { GracefulOptions } from '../../lib/index.ts'
import { start, until } from '../supervisor/tree.ts'
import { directory } from './directory.ts'

const service = fileURLToPath(new URL('fixtures/listener.js', import.meta.url))
const cli = fileURLToPath(new URL('../../dist/cli/index.js', import.meta.url))

/** An application whose admin routes are open to who comes through a unix socket. */
async function makeApp (): Promise<FastifyInstance> {
  const app = Fastify()
  const signals = { SIGTERM: false, SIGINT: false, SIGHUP: false } as const
  await app.register(graceful, { exit: false, signals, admin: { unixSocket: true } })
  return app
}

const longest = process.platform === 'linux' ? 107 : 103
/** A path of this many bytes, of a character of so many bytes. */
const pathOf = (made: string, bytes: number, fill = 'x'): string => {
  const rest = bytes - Buffer.byteLength(made) - 1
  const width = Buffer.byteLength(fill)
  return join(made, fill.repeat(Math.floor(rest / width)) + 'y'.repeat(rest % width))
}

// Scenario, too: The termination message where links…
t.test('a path that a unix socket cannot have is refused, with the limit, and nothing is made', async (t) => {
  const made = directory(t)
  const limit = `of at most ${longest} bytes`
  for (const [bytes, fill] of [[longest + 1, 'x'], [longest + 1, 'é'], [200, 'x'], [5000, '漢']] as const) {
    const path = pathOf(made, bytes, fill)
    const tree = start(t, ['run', '--status-socket', path, service])
    t.strictSame(await tree.result, [64, null], `${bytes} bytes`)
    t.match(tree.output(), `option '--status-socket' must be the path of a unix socket, ${limit}, got "/`)
    const asked = start(t, ['status', `unix:${path}`])
    t.strictSame(await asked.result, [64, null])
    t.match(asked.output(), `${limit}, got one of ${bytes} bytes`)
    for (const listen of [{ path }, { path, readableAll: true, writableAll: true }]) {
      const app = await makeApp()
      await t.rejects(app.listen(listen), { code: 'FST_GRACEFUL_INVALID_OPTION', message: new RegExp(limit) })
      await app.close()
    }
  }
  t.strictSame(execFileSync('ls', ['-A', made], { encoding: 'utf8' }), '', 'no socket under a shorter name')
  const path = pathOf(made, longest)
  const tree = start(t, ['run', '--status-socket', path, service])
  await tree.ready()
  t.ok(statSync(path).isSocket(), `${longest} bytes`)
  process.kill(tree.pid, 'SIGTERM')
  await tree.result
})

// Scenario, too: The termination message where links…
t.test('a socket without a file, which has no mode, is refused', async (t) => {
  for (const listen of [
    { path: '\0graceful-test' },
    { path: '\0graceful-test', readableAll: true, writableAll: true }
  ]) {
    const app = await makeApp()
    await t.rejects(app.listen(listen), { code: 'FST_GRACEFUL_INVALID_OPTION', message: /the path of a file/ })
    await app.close()
  }
})

// Scenario, too: The termination message where links…
t.test("a listen that fails leaves the mode of another process's socket alone", async (t) => {
  const made = directory(t)
  const [taken, own] = [join(made, 'taken.sock'), join(made, 'own.sock')]
  const other = createServer().listen(taken)
  await once(other, 'listening')
  t.teardown(() => other.close())
  chmodSync(taken, 0o666)
  const app = await makeApp()
  t.teardown(() => app.close())
  await app.ready()
  app.server.listen(taken)
  await once(app.server, 'error')
  app.server.listen(own)
  await once(app.server, 'listening')
  t.equal(modeAt(taken), '666')
  t.equal(modeAt(own), '600')
})

const modeAt = (path: string): string => (statSync(path).mode & 0o777).toString(8)

/** Where a service listens: in its process, in a thread of it, or below a supervisor. */
type Where = 'process' | 'thread' | 'child'

let sockets = 0

/** The mode of the socket that a service listens on, with a umask that leaves everything. */
async function modeIn (where: Where, made: string, admin: GracefulOptions['admin'], listen: object): Promise<string> {
  const path = join(made, `${sockets++}.sock`)
  const given = JSON.stringify({ options: { admin }, listen: { path, ...listen }, thread: where === 'thread' })
  const command = [process.execPath, ...where === 'child' ? [cli, 'run'] : [], service, given]
  const within = ['-c', 'umask 0; exec env -u NODE_OPTIONS "$@"', 'sh']
  const child = spawn('sh', [...within, ...command], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (text: Buffer) => { output += text.toString() })
  const closed = once(child, 'close')
  await until(() => output.includes('listens'), 'it listens')
  const mode = modeAt(path)
  child.kill('SIGTERM')
  await closed
  return mode
}

// Scenario, too: The termination message where links…
t.test('a unix socket that lets in is for its own user, unless it is told otherwise', async (t) => {
  const made = directory(t)
  type Row = [name: string, admin: GracefulOptions['admin'], listen: object, mode: string]
  const rows: Row[] = [
    ['by default', { unixSocket: true }, {}, '600'],
    ['with a mode of its own', { unixSocket: { mode: 0o660 } }, {}, '660'],
    ['in octal text', { unixSocket: { mode: '0666' } }, {}, '666'],
    ['for nobody', { unixSocket: { mode: 0 } }, {}, '0'],
    ['listen says that all may use it', { unixSocket: true }, { readableAll: true, writableAll: true }, '666'],
    ['listen says that all may read it', { unixSocket: true }, { readableAll: true }, '644|444'],
    ['no guard: the umask decides', {}, {}, '777'],
    ['a token alone: likewise', { token: 'a-token-of-27-characters-ok' }, {}, '777']
  ]
  await Promise.all(rows.map(async ([name, admin, listen, mode]) => {
    t.match(await modeIn('process', made, admin, listen), new RegExp(`^(?:${mode})$`), name)
  }))
  const chosen = ['by default', 'with a mode of its own', 'no guard: the umask decides']
  const others = rows.filter(([row]) => chosen.includes(row))
  await Promise.all(others.flatMap((row) => (['thread', 'child'] as const).map(async (where) => {
    const [name, admin, listen, mode] = row
    t.equal(await modeIn(where, made, admin, listen), mode, `${name}, in a ${where}`)
  })))
})

// Scenario, too: The termination message where links…
t.test("so is a supervisor's", async (t) => {
  const path = join(directory(t), 'status.sock')
  const rows = [[undefined, '600'], ['660', '660'], ['0666', '666']] as const
  for (const [given, mode] of rows) {
    const flags = given === undefined ? [] : ['--status-socket-mode', given]
    const tree = start(t, ['run', '--status-socket', path, ...flags, service], { within: 'open mask' })
    await tree.ready()
    t.equal(modeAt(path), mode, given ?? 'by default')
    process.kill(tree.pid, 'SIGTERM')
    await tree.result
  }
})

// Scenario, too: The termination message where links…
t.test('there is no moment in which it is open to others', async (t) => {
  const path = join(directory(t), 'admin.sock')
  const seen = new Int32Array(new SharedArrayBuffer(16))
  const watcher = new Worker(`
    const { lstatSync } = require('node:fs')
    const { parentPort, workerData: { path, seen } } = require('node:worker_threads')
    parentPort.postMessage('begun')
    while (Atomics.load(seen, 2) === 0) {
      const found = lstatSync(path, { throwIfNoEntry: false })
      if (found === undefined) continue
      Atomics.add(seen, 0, 1)
      if ((found.mode & 0o077) !== 0) Atomics.add(seen, 1, 1)
    }`, { eval: true, workerData: { path, seen } })
  await once(watcher, 'message')
  const mask = process.umask(0)
  try {
    for (let round = 0; round < 50; round++) {
      const app = await makeApp()
      await app.listen({ path })
      const looks = Atomics.load(seen, 0)
      await until(() => Atomics.load(seen, 0) > looks + 1, 'it was looked at')
      await app.close()
    }
    t.equal(process.umask(0), 0, 'and the umask is what it was')
  } finally {
    process.umask(mask)
    Atomics.store(seen, 2, 1)
  }
  t.equal(Atomics.load(seen, 1), 0, `of ${Atomics.load(seen, 0)} looks`)
})

// Scenario, too: The termination message where links…
t.test('another user of the machine cannot connect', async (t) => {
  const path = join(directory(t), 'admin.sock')
  const app = await makeApp()
  t.teardown(() => app.close())
  const mask = process.umask(0)
  await app.listen({ path })
  process.umask(mask)
  const own = connect(path)
  await once(own, 'connect')
  own.destroy()
  if (process.geteuid?.() !== 0) return
  // Another user need not be able to start this Node: root does, and becomes that user.
  const code = `process.setgid(65534)
    process.setuid(65534)
    require('node:net').connect(process.argv[1], () => console.log('in'))
      .on('error', ({ code }) => console.log(code))`
  const { NODE_OPTIONS: _, ...env } = process.env
  t.equal(execFileSync(process.execPath, ['-e', code, path], { env, encoding: 'utf8' }), 'EACCES\n')
})
