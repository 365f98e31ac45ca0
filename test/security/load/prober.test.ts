import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { fork } from '../../process/fork.ts'
import { startProbing } from '../siege.ts'
import type { Probing } from '../siege.ts'

t.setTimeout(30_000)

/** What the longest answer of a server has come to that is late in such a way. */
async function servedBy (how: string, time: number): Promise<Probing> {
  const app = fork('../../security/fixtures/slow.js', { given: { how, time } })
  const port = Number((await app.waitForLine(/^ports (\d+)$/m))[1])
  const prober = await startProbing({ port }, app.child.pid!)
  let told: Probing
  do {
    await sleep(1000)
    told = await prober.tell()
  } while (told.answered < 40)
  await prober.stop()
  app.kill('SIGKILL')
  await app.result
  return told
}

// Scenario, too: A thousand connections at once…
t.test('whoever measures how long a probe waits sees a server that is late, whatever it does meanwhile', async (t) => {
  for (const how of ['computes', 'waits']) {
    const { served, longest } = await servedBy(how, 150)
    t.ok(served >= 120 && served <= longest, `${how}: ${Math.round(served)} of ${Math.round(longest)} ms`)
  }
})
