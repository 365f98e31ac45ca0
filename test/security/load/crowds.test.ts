import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { fork } from '../../process/fork.ts'
import type { Fork } from '../../process/fork.ts'
import { crowds, disguised, tcp } from '../attacks.ts'
import { besiegeAll } from '../siege.ts'

/** So that whoever holds what he should not is out of memory. */
const heap = ['--max-old-space-size=256']
const bounds = { silence: 100, megabytes: 96, descriptors: 800 }
/** Who asks for a probe, and has it coming, is kept until then: a thousand are. */
const boundsOfProbes = { ...bounds, descriptors: 1850 }
const cli = fileURLToPath(new URL('../../../dist/cli/index.js', import.meta.url))

t.setTimeout(140_000)

// Scenario (Attacks, and failures of the plugin's own code): A thousand connections at once, which say nothing, or ask
// for a probe or for a hundred, and 256 that ask for a thousand pages each: how long a probe waits, as whoever measures
// it can tell
t.test("no crowd on the watchdog's port slows a probe, or ends anything", async (t) => {
  const options = { watchdog: { port: 0, host: '127.0.0.1' } }
  const given = { node: heap, env: { NODE_ENV: '' }, given: { options }, timeout: 130_000 }
  const app = fork('../../security/fixtures/service.js', given)
  const port = Number((await app.waitForLine(/^ports \d+ (\d+)$/m))[1])
  await crowd(t, port, app)
  t.notMatch(app.output(), /has died|out of memory/)
  app.kill('SIGTERM')
  t.strictSame((await app.result).slice(0, 2), [0, null], 'it ends as always')
})

// Scenario, too: A thousand connections at once…
t.test("no crowd on a supervisor's port", async (t) => {
  const supervisor = fork('parent.js', { node: [...heap, cli, 'run', '--status-port', '0'], timeout: 130_000 })
  const said = await supervisor.waitForLine(/"event":"graceful\.supervisor\.status","address":"([^"]+)"/)
  await supervisor.waitForLine(/"ready":true/)
  await crowd(t, Number(new URL(said[1]!).port), supervisor)
  supervisor.kill('SIGTERM')
  t.strictSame((await supervisor.result).slice(0, 2), [0, null], 'it ends as always')
})

async function crowd (t: Test, port: number, { child: { pid } }: Fork): Promise<void> {
  await besiegeAll(t, crowds, tcp(port), { pid: pid!, target: { port }, bounds })
  // A kubelet does not come from where the strangers do; whoever is behind an address translation does.
  for (const from of ['127.0.0.2', '127.0.0.1']) {
    await besiegeAll(t, disguised, tcp(port), { pid: pid!, target: { port, from }, bounds: boundsOfProbes })
  }
}
