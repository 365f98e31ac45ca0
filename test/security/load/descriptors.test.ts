import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ask, service, start, until } from '../../supervisor/tree.ts'
import { fork } from '../../process/fork.ts'

t.setTimeout(100_000)

/** Connections that say nothing: so many at any time, of which some thousand a second come again after their end. */
function fill (port: number, count: number): () => void {
  const open = new Set<Socket>()
  const timer = setInterval(() => {
    for (let more = 0; more < 20 && open.size < count; more++) {
      const socket = connect({ port, host: '127.0.0.1' })
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => { open.delete(socket) })
    }
  }, 20)
  return () => {
    clearInterval(timer)
    for (const socket of open) socket.destroy()
  }
}

// Scenario (Attacks, and failures of the plugin's own code): A process with 200 descriptors whose port of our own is
// filled
t.test("with 200 descriptors a killed child comes back while strangers fill the supervisor's port", async (t) => {
  const tree = start(t, ['run', '--workers', '2', '--status-port', '0', service], { within: '200 descriptors' })
  const status = await tree.status()
  const port = await tree.port()
  await tree.ready()
  const stop = fill(Number(new URL(status).port), 400)
  t.teardown(stop)
  await sleep(500)
  for (let round = 0; round < 3; round++) {
    const { pid } = await ask(port)
    const spawned = tree.lines('spawn').length
    process.kill(pid, 'SIGKILL')
    await until(() => tree.lines('spawn').length > spawned, 'a new child')
    await until(async () => {
      return (await fetch(`${status}/readyz`, { headers: { connection: 'close' } })).ok
        && (await (await fetch(`${status}/-/status`, { headers: { connection: 'close' } }))
          .json() as { ready: boolean }).ready
    }, 'ready again')
  }
  t.notMatch(tree.output(), /EMFILE|cannot be started/)
  stop()
  tree.child.kill('SIGTERM')
  t.strictSame(await tree.result, [0, null])
})

// Scenario, too: A process with 200 descriptors whose port of our own is filled
t.test("with 200 descriptors the service serves while strangers fill the watchdog's port", async (t) => {
  const app = fork('../../security/fixtures/service.js', {
    under: ['sh', '-c', 'ulimit -n 200; exec "$@"', 'sh'],
    given: { options: { watchdog: { port: 0, host: '127.0.0.1' } } }
  })
  const [, application, watchdog] = await app.waitForLine(/^ports (\d+) (\d+)$/m)
  const stop = fill(Number(watchdog), 400)
  await sleep(500)
  const codes = await Promise.all(
    Array.from({ length: 60 }, async () => (await fetch(`http://127.0.0.1:${application}/`)).status)
  )
  t.strictSame(codes, Array.from({ length: 60 }, () => 200))
  t.equal((await fetch(`http://127.0.0.1:${watchdog}/readyz`)).status, 200)
  stop()
  app.kill('SIGTERM')
  t.strictSame((await app.result).slice(0, 2), [0, null], app.output())
})
