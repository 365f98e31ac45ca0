import t from 'tap'
import { allUsers, quickUsers, reloadUnderLoad } from '../supervisor/reloads.ts'
import type { Users } from '../supervisor/reloads.ts'
import { isAlive } from '../supervisor/tree.ts'

// As many as fit into the time of a test; ten reloads of each, and with the slow users: npm run soak:reload.
const plans: Array<{ workers: number, reloads: number, users: Users, maxSurge?: number }> = [
  { workers: 1, reloads: 10, users: quickUsers },
  { workers: 2, reloads: 5, users: quickUsers },
  { workers: 4, reloads: 2, users: quickUsers },
  { workers: 4, reloads: 1, users: allUsers, maxSurge: 4 }
]

for (const plan of plans) {
  const { workers, reloads, maxSurge = 1 } = plan
  t.test(`${reloads} reloads of ${workers} under load lose nothing, ${maxSurge} at a time`, async (t) => {
    const { tree, requests, losses, durations } = await reloadUnderLoad(t, plan)
    t.same(losses.slice(0, 5), [], `${losses.length} of ${requests} requests lost`)
    t.ok(requests > 100 * reloads, 'under load')
    t.equal(durations.length, reloads)
    const spawned = tree.lines('spawn').map(({ childPid }) => childPid!)
    t.equal(spawned.length, workers * (reloads + 1))
    t.notOk(spawned.slice(0, -workers).some(isAlive), 'the old ones are gone')
    t.same(tree.lines('readiness').map(({ ready }) => ready), [true], 'never less than all were ready')
    process.kill(tree.pid, 'SIGTERM')
    t.same(await tree.result, [0, null])
  })
}
