import { fileURLToPath } from 'node:url'
import t from 'tap'
import { startLoad } from '../../../lib/drill/load.ts'
import { addressOf, ask, Manager, service, serviceCommand } from './manager.ts'
import type { Start } from './manager.ts'

t.setTimeout(240_000)

const cli = fileURLToPath(new URL('../../../dist/cli/index.js', import.meta.url))
const term = 15
const restarts = 3

/** On connections of their own: a request that crosses the close of an idle one is a race that no server can win. */
const profiles = [
  { name: 'short', path: '/', keepAlive: false }, { name: 'slow', path: '/slow?ms=200', keepAlive: false }
]

const kinds: ReadonlyArray<[string, string[]]> = [
  ['a service', serviceCommand({ fd: 3 })],
  ['a supervisor of two', [process.execPath, cli, 'run', '--workers', '2', service, JSON.stringify({ fd: 3 })]]
]

for (const [name, command] of kinds) {
  // Scenario (systemd): Socket activation, for a service and for a supervisor: whoever connects while the service
  // restarts waits in the socket that systemd holds, and under load over three restarts no request is lost
  t.test(`a socket of systemd, restarted under load: ${name}`, async (t) => {
    const manager = new Manager(t)
    const [port = 0] = await manager.listen()
    const how: Start = { command, env: { TERMINATION_GRACE_PERIOD_SECONDS: '60' }, notify: 'at once' }
    let pid = await manager.start(how)
    await addressOf(manager)
    await manager.line(/^READY=1$/m)
    const load = startLoad({ port, rate: 20, profiles, timeout: 60_000 })
    for (let count = 1; count <= restarts; count++) {
      manager.kill(term)
      const { code } = await manager.ended(pid)
      t.equal(code, 0, manager.output)
      // Nobody accepts now.
      const waiting = ask(`http://127.0.0.1:${port}/`)
      pid = await manager.start(how)
      t.match(await waiting, /^process \d+$/, 'who came meanwhile is served')
      await manager.until('ready again', () =>
        manager.lines.filter((line) => line === 'READY=1').length > count ? true : undefined)
    }
    const { requests, losses } = await load.stop()
    t.ok(requests > 0)
    t.same(losses, [], `0 of ${requests} requests were lost`)
  })
}

// Scenario (systemd): Below a supervisor a socket of systemd's is shared through a reload and through the crash of all
// children
t.test('a socket of systemd below a supervisor, reloaded, and crashed', async (t) => {
  const manager = new Manager(t)
  const [port = 0] = await manager.listen()
  const command = [process.execPath, cli, 'run', '--workers', '1', service, JSON.stringify({ fd: 3 })]
  const pid = await manager.start({ command, notify: 'at once' })
  await manager.line(/^READY=1$/m)
  const load = startLoad({ port, rate: 20, profiles: profiles.slice(0, 1), timeout: 60_000 })
  manager.kill(1)
  await manager.line(/reload done: 1 replaced/)
  const { requests, losses } = await load.stop()
  t.same(losses, [], `0 of ${requests} requests were lost`)
  const [, child] = /^process (\d+)$/.exec(await ask(`http://127.0.0.1:${port}/`)) ?? []
  process.kill(Number(child), 'SIGKILL')
  // What it has accepted dies with it.
  await manager.line(new RegExp(`graceful.supervisor.exit.*"childPid":${child}`))
  const [, next] = /^process (\d+)$/.exec(await ask(`http://127.0.0.1:${port}/`)) ?? []
  t.ok(next !== undefined && next !== child && Number(next) !== pid, 'the next one answers')
  manager.kill(term)
  t.ok((await manager.ended(pid)).code !== null)
})
