import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { fork } from '../../process/fork.ts'
import { attacks, tcp, unix } from '../attacks.ts'
import type { Attack } from '../attacks.ts'
import { besiegeAll } from '../siege.ts'

const token = 'a-token-of-27-characters-ok'
/** So that whoever holds what he should not is out of memory. */
const heap = ['--max-old-space-size=256']
const bounds = { silence: 100, megabytes: 96, descriptors: 800 }
const cli = fileURLToPath(new URL('../../../dist/cli/index.js', import.meta.url))

t.setTimeout(140_000)

// Scenario (Attacks, and failures of the plugin's own code): 27 attacks on the watchdog's port, on a supervisor's port
// and on its socket, with a heap of 256 MB: memory, descriptors and the longest silence of a probe are bounded, and
// nothing ends
t.test("no stranger on the watchdog's port slows a probe, or ends anything", async (t) => {
  const options = { admin: { token }, metrics: {}, watchdog: { port: 0, host: '127.0.0.1' } }
  const given = { node: heap, env: { NODE_ENV: '' }, given: { options }, timeout: 130_000 }
  const app = fork('../../security/fixtures/service.js', given)
  const port = Number((await app.waitForLine(/^ports \d+ (\d+)$/m))[1])
  await besiegeAll(t, attacks, tcp(port), { pid: app.child.pid!, target: { port }, bounds })
  t.notMatch(app.output(), /has died|out of memory/)
  app.kill('SIGTERM')
  t.strictSame((await app.result).slice(0, 2), [0, null], 'it ends as always')
})

// Scenario, too: 27 attacks on the watchdog's port…
t.test('no stranger on the port of a supervisor, or on its socket', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'doors-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const socket = join(folder, 'status')
  // What differs at a socket is who has connected, of which there is no address, and how it is reset.
  const few = attacks.filter(({ isForPorts }, index) => isForPorts !== true && index % 4 === 0)
  const rows: Array<[name: string, flags: string[], tried: readonly Attack[]]> = [
    ['port', ['--status-port', '0', '--status-token', token], attacks],
    ['socket', ['--status-socket', socket], few]
  ]
  for (const [name, flags, tried] of rows) {
    const supervisor = fork('parent.js', { node: [...heap, cli, 'run', ...flags], timeout: 130_000 })
    const said = await supervisor.waitForLine(/"event":"graceful\.supervisor\.status","address":"([^"]+)"/)
    await supervisor.waitForLine(/"ready":true/)
    const port = name === 'port' ? Number(new URL(said[1]!).port) : 0
    const [door, target] = name === 'port' ? [tcp(port), { port }] as const : [unix(socket), { unix: socket }] as const
    await t.test(name, async (t) => besiegeAll(t, tried, door, { pid: supervisor.child.pid!, target, bounds }))
    supervisor.kill('SIGTERM')
    t.strictSame((await supervisor.result).slice(0, 2), [0, null], `${name}: it ends as always`)
  }
})
