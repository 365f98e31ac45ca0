import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { replicaUsers, startLoad } from '../e2e/client.ts'
import { ask, start, until } from './tree.ts'
import type { Tree } from './tree.ts'

const replica = fileURLToPath(new URL('../e2e/replica.js', import.meta.url))

/** Without those whose answer takes longer than a successor. */
const users = replicaUsers.filter(({ name }) => name !== 'very slow')

interface Loaded { tree: Tree, port: number, load: ReturnType<typeof startLoad> }

/** A tree under 300 requests a second from clients that retry nothing. */
async function loaded (t: Test, workers: number): Promise<Loaded> {
  const tree = start(t, ['run', '--workers', String(workers), '--min-ready', String(workers), replica], { env: { REPLICA: 'supervised' } })
  const [, port] = await until(() => /"port":(\d+),"msg":"replica listens"/.exec(tree.output()) ?? undefined, 'it listens')
  await tree.ready()
  return { tree, port: Number(port), load: startLoad(Number(port), 300, users) }
}

function freePort (): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Whether somebody can connect. */
function accepts (port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const settle = (connected: boolean): void => {
      socket.destroy()
      resolve(connected)
    }
    socket.once('connect', () => settle(true)).on('error', () => settle(false))
  })
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms) })

/** Kills one; a load that was under way meanwhile has lost what that one had in flight. */
async function killOne (t: Test, { tree, port, load }: Loaded): Promise<void> {
  await sleep(500)
  const { childPid = 0 } = tree.lines('spawn')[0]!
  const killedAt = Date.now()
  process.kill(childPid, 'SIGKILL')
  await until(() => tree.lines('exit').length === 1, 'its end')
  const { status } = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })
  t.equal(status, 200, 'whoever connects now is served, if need be by the successor, for whom the connection waits')
  await until(() => tree.lines('readiness').length === 3, 'all are ready again')
  const { requests, losses, longestStall } = await load.stop()
  t.comment(`${losses.length} of ${requests} requests lost, longest stall ${longestStall} ms`)
  t.same(losses.filter(({ kind }) => !['ECONNRESET', 'socket hang up', 'truncated', 'EPIPE'].includes(kind)), [], 'nobody was refused, and nobody got a wrong answer')
  // A client that does not get to run learns of the end of its connection so much later.
  t.same(losses.filter(({ sentAt }) => sentAt > killedAt + 20 + longestStall), [], 'what is lost was sent before')
  t.ok(requests > 300)
}

for (const workers of [1, 2, 4]) {
  t.test(`one of ${workers} is killed under load: what it had in flight is lost, and nothing else`, async (t) => {
    const all = await loaded(t, workers)
    const { tree, port } = all
    await killOne(t, all)
    if (workers < 4) {
      const load = startLoad(port, 300, users)
      await sleep(500)
      t.equal((await fetch(`http://127.0.0.1:${port}/crash`)).status, 200)
      await until(() => tree.lines('exit').length === 2 && tree.lines('readiness').length === 5, 'a successor of the one that has crashed', 30_000)
      const { requests, losses } = await load.stop()
      t.same(losses, [], `a crash by an uncaught exception loses none of ${requests}`)
    }
    process.kill(tree.pid, 'SIGTERM')
    t.same(await tree.result, [0, null])
  })
}

t.test('a port is closed by whoever means it', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'graceful-ports-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const release = join(directory, 'release')
  const deploy = (content: object): Promise<void> => writeFile(release, JSON.stringify(content))
  const [first, second, other] = await Promise.all([freePort(), freePort(), freePort()])
  await deploy({ port: first, other })
  const tree = start(t, ['run', '--max-crashes', '0', fileURLToPath(new URL('fixtures/ports.js', import.meta.url)), release])
  await tree.ready()
  await ask(other)
  await ask(first, '/close')
  await until(async () => !await accepts(other), 'a running child closes a listener')
  t.ok(await accepts(first))

  await deploy({ port: second, other })
  process.kill(tree.pid, 'SIGHUP')
  await until(() => /reload done/.test(tree.output()), 'the reload is done')
  await until(async () => !await accepts(first), 'a release that listens elsewhere')
  t.ok(await accepts(second))

  await deploy({ port: first, other })
  process.kill(tree.lines('spawn').at(-1)!.childPid!, 'SIGKILL')
  await until(() => tree.lines('exit').length === 2, 'its end')
  t.ok(await accepts(second), 'kept for a successor')
  await until(() => tree.lines('spawn').length === 3 && tree.lines('readiness').length === 3, 'the successor')
  await until(async () => !await accepts(second), 'not taken over, and closed')

  const slow = ask(first, '/slow')
  await until(() => tree.output().includes('slow begins'), 'a request is in flight')
  process.kill(tree.pid, 'SIGTERM')
  await until(async () => !await accepts(first), 'phase 2 of the whole')
  t.match(await slow, { slow: true }, 'while a request was in flight')
  t.same(await tree.result, [0, null])

  await deploy({ port: first, other, listenAndEnd: 9 })
  const loop = start(t, ['run', '--max-crashes', '1', fileURLToPath(new URL('fixtures/ports.js', import.meta.url)), release])
  await until(() => loop.lines('exit').length === 1, 'the first end')
  t.ok(await accepts(first), 'kept while somebody is to come')
  t.same(await loop.result, [9, null])
  t.notOk(await accepts(first), 'the end of a crash loop')
})
