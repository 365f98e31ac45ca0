import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, get } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { clearSocketSync } from '../../lib/server/socket-files.ts'
import { start, until } from './tree.ts'

const folder = mkdtempSync(join(tmpdir(), 'graceful-socket-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const service = fileURLToPath(new URL('fixtures/socket.js', import.meta.url))

/** A socket file that a killed process has left. */
async function leave (path: string): Promise<void> {
  const child = spawn('env', [
    '-u', 'NODE_OPTIONS', process.execPath, '-e',
    'require("net").createServer().listen(process.argv[1], () => console.log("listens"))', path
  ], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'close')
}

async function ask (path: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    get({ socketPath: path, path: '/', agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    }).once('error', () => resolve(undefined))
  })
}

t.test('what stands in the way of a socket', async (t) => {
  const path = (name: string): string => join(folder, name)
  await leave(path('left'))
  t.equal(clearSocketSync(path('left')), true, 'a socket that nobody answers on is removed')
  t.equal(statSync(path('left'), { throwIfNoEntry: false }), undefined)
  const live = createServer((socket) => socket.end()).listen(path('live'))
  await once(live, 'listening')
  t.equal(clearSocketSync(path('live')), false, 'one that somebody answers on stays')
  t.ok(statSync(path('live')).isSocket())
  live.close()
  writeFileSync(path('file'), 'precious')
  t.equal(clearSocketSync(path('file')), false, 'so does a file')
  t.equal(readFileSync(path('file'), 'utf8'), 'precious')
  t.equal(clearSocketSync(folder), false, 'and a directory')
  t.equal(clearSocketSync(path('nothing')), false)
})

t.test('a socket file left by a kill', async (t) => {
  const path = join(folder, 'service')
  await leave(path)
  const tree = start(t, ['run', '--workers', '2', service, path])
  await tree.ready()
  t.equal(await ask(path), 200, 'is replaced')
  t.notMatch(tree.output(), 'EADDRINUSE')
  const [first] = tree.lines('spawn')
  process.kill(first!.childPid!, 'SIGKILL')
  await until(() => tree.lines('spawn').length === 3 && tree.lines('readiness').length >= 1, 'a successor')
  t.equal(await ask(path), 200, 'a crash later takes nothing away')
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
})

t.test('a socket of somebody who serves is not taken away', async (t) => {
  const path = join(folder, 'taken')
  const other = createHttpServer((_request, response) => { response.writeHead(204).end() }).listen(path)
  await once(other, 'listening')
  t.teardown(() => { other.close() })
  const tree = start(t, ['run', '--max-crashes', '0', service, path])
  const [code] = await tree.result
  t.not(code, 0)
  t.match(tree.output(), 'EADDRINUSE')
  t.equal(await ask(path), 204)
})
