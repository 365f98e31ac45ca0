import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { startLoad } from '../../lib/drill/load.ts'
import type { Load } from '../../lib/drill/load.ts'
import type { Loss } from '../../lib/drill/losses.ts'
import { longestIdle, replicaUsers } from '../e2e/users.ts'
import { service, start, until } from './tree.ts'
import type { Tree } from './tree.ts'

const replica = fileURLToPath(new URL('../e2e/replica.js', import.meta.url))

/** Without those whose answer takes longer than a successor. */
const profiles = replicaUsers.filter(({ name }) => name !== 'very slow')
const startUsers = (port: number): Load => startLoad({ port, rate: 300, profiles, idle: longestIdle })

/** Its connection ended before the answer began, whatever the client says of that. */
const hasHungUp = ({ detail }: Loss): boolean => /ECONNRESET$|^socket hang up$|^EPIPE$/.test(detail)

interface Loaded { tree: Tree, port: number, load: Load }

/** A tree under 300 requests a second from clients that retry nothing. */
async function loaded (t: Test, workers: number): Promise<Loaded> {
  const tree = start(
    t,
    ['run', '--workers', String(workers), '--min-ready', String(workers), replica],
    { env: { REPLICA: 'supervised' } }
  )
  const [, port] = await until(
    () => /"port":(\d+),"msg":"replica listens"/.exec(tree.output()) ?? undefined,
    'it listens'
  )
  await tree.ready()
  return { tree, port: Number(port), load: startUsers(Number(port)) }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms) })

/** Kills one; a load that was under way meanwhile has lost what that one had in flight. */
async function killOne (t: Test, { tree, port, load }: Loaded): Promise<void> {
  await sleep(500)
  const { childPid = 0 } = tree.lines('spawn')[0]!
  const killedAt = Date.now()
  process.kill(childPid, 'SIGKILL')
  await until(() => tree.lines('exit').length === 1, 'its end')
  // The kernel takes its time to close what a killed process had open.
  const goneAt = Date.now()
  const { status } = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })
  t.equal(status, 200, 'whoever connects now is served, if need be by the successor, for whom the connection waits')
  await until(() => tree.lines('readiness').length === 3, 'all are ready again')
  const { requests, losses, longestPause } = await load.stop()
  t.comment(`${losses.length} of ${requests} requests lost, longest pause ${longestPause} ms`)
  t.same(
    losses.filter((loss) => loss.kind !== 'truncated' && !hasHungUp(loss)),
    [],
    'nobody was refused, and nobody got a wrong answer'
  )
  // A client that does not get to run learns of the end of its connection so much later.
  const late = 20 + longestPause
  t.same(losses.filter(({ sentAt }) => sentAt > goneAt + late), [], 'what is lost was sent before')
  t.same(
    losses.filter(({ sentAt, isReused }) => sentAt > killedAt + late && !isReused),
    [],
    'or on a connection that was there before'
  )
  t.ok(requests > 300)
}

for (const workers of [1, 2, 4]) {
  t.test(`one of ${workers} is killed under load: what it had in flight is lost, and nothing else`, async (t) => {
    const all = await loaded(t, workers)
    const { tree, port } = all
    await killOne(t, all)
    if (workers < 4) {
      const load = startUsers(port)
      await sleep(500)
      t.equal((await fetch(`http://127.0.0.1:${port}/crash`)).status, 200)
      await until(
        () => tree.lines('exit').length === 2 && tree.lines('readiness').length === 5,
        'a successor of the one that has crashed',
        30_000
      )
      const { requests, losses } = await load.stop()
      t.comment(`${losses.length} of ${requests} requests lost`)
      // The child closes its idle connections after 500 ms, which crosses what is sent on them in the same moment.
      t.same(
        losses.filter((loss) => !loss.isReused || loss.kind === 'truncated' || !hasHungUp(loss)),
        [],
        'after an uncaught exception what is in flight is answered'
      )
      t.ok(losses.length <= 3, 'and almost nothing is lost')
    }
    process.kill(tree.pid, 'SIGTERM')
    t.same(await tree.result, [0, null])
  })
}

t.test('a child that cannot be started is one that has ended: its place is filled when it can be, and the end does not wait for it', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'graceful-moved-'))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  const cwd = await mkdtemp(join(root, 'release-'))
  const tree = start(t, ['run', '--workers', '2', '--min-ready', '2', service], { cwd, env: { PWD: cwd } })
  await tree.ready()
  await rename(cwd, `${cwd}-moved`)
  process.kill(tree.lines('spawn')[0]!.childPid!, 'SIGKILL')
  const [, failed] = await until(() => tree.lines('exit').length >= 2 && tree.lines('exit'), 'a start that fails')
  t.match(failed, { child: 1, exitCode: 1, lastWords: /it could not be started: spawn .* ENOENT/ })
  await rename(`${cwd}-moved`, cwd)
  await until(
    () => tree.lines('readiness').at(-1)?.['ready'] === true && tree.lines('readiness').length === 3,
    'both are ready again'
  )
  await rename(cwd, `${cwd}-moved`)
  const starts = tree.lines('exit').length
  process.kill(tree.lines('spawn')[1]!.childPid!, 'SIGKILL')
  await until(() => tree.lines('exit').length >= starts + 2, 'a start that fails again')
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
})

t.test('a supervisor that has no descriptors left outlives it, and ends in order', async (t) => {
  const tree = start(t, ['run', '--workers', '9', '--max-crashes', '1000', service], { within: 'few descriptors' })
  await tree.ready()
  t.ok(
    tree.lines('exit').some(({ lastWords }) => /it could not be started: .*EMFILE/.test(String(lastWords))),
    'some could not be started'
  )
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
})

t.test('what Node throws is one more start that fails', async (t) => {
  // No program takes an argument of this length: E2BIG.
  const program = 'const { supervise } = '
    + `await import(${JSON.stringify(new URL('../../dist/supervisor/index.js', import.meta.url).href)}); `
    + `supervise({ script: ${JSON.stringify(service)}, args: ['x'.repeat(1 << 18)], maxCrashes: 0 })`
  const child = spawn(
    'env',
    ['-u', 'NODE_OPTIONS', process.execPath, '--input-type=module', '-e', program],
    { stdio: ['ignore', 'pipe', 'inherit'] }
  )
  const [output, [exitCode]] = await Promise.all([text(child.stdout), once(child, 'close')])
  t.match(output, /"exitCode":1,"signal":null,"lastWords":"it could not be started: spawn E2BIG"/)
  t.match(output, /"event":"graceful.supervisor.giveUp"/)
  t.equal(exitCode, 1)
})
