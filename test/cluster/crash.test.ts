import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { replicaUsers, startLoad } from '../e2e/client.ts'
import { start, until } from './tree.ts'
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
  const { requests, losses, longestStall } = await load.stop()
  t.comment(`${losses.length} of ${requests} requests lost, longest stall ${longestStall} ms`)
  t.same(losses.filter(({ kind }) => !['ECONNRESET', 'socket hang up', 'truncated', 'EPIPE'].includes(kind)), [], 'nobody was refused, and nobody got a wrong answer')
  // A client that does not get to run learns of the end of its connection so much later.
  const late = 20 + longestStall
  t.same(losses.filter(({ sentAt }) => sentAt > goneAt + late), [], 'what is lost was sent before')
  t.same(losses.filter(({ sentAt, reused }) => sentAt > killedAt + late && !reused), [], 'or on a connection that was there before')
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
      t.comment(`${losses.length} of ${requests} requests lost`)
      // The child closes its idle connections after 500 ms, which crosses what is sent on them in the same moment.
      t.same(losses.filter(({ kind, reused }) => !reused || !['ECONNRESET', 'socket hang up', 'EPIPE'].includes(kind)), [], 'after an uncaught exception what is in flight is answered')
      t.ok(losses.length <= 3, 'and almost nothing is lost')
    }
    process.kill(tree.pid, 'SIGTERM')
    t.same(await tree.result, [0, null])
  })
}
