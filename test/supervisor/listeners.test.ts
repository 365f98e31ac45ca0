import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { claimPort } from '../../lib/drill/processes.ts'
import { ask, start, until } from './tree.ts'

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

t.test('a port is closed by whoever means it', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'graceful-ports-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const release = join(directory, 'release')
  const deploy = (content: object): Promise<void> => writeFile(release, JSON.stringify(content))
  const [first, second, other] = await Promise.all([claimPort(), claimPort(), claimPort()])
  await deploy({ port: first, other })
  const tree = start(t, [
    'run', '--max-crashes', '0', fileURLToPath(new URL('fixtures/ports.js', import.meta.url)), release
  ])
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
  const loop = start(t, [
    'run', '--max-crashes', '1', fileURLToPath(new URL('fixtures/ports.js', import.meta.url)), release
  ])
  await until(() => loop.lines('exit').length === 1, 'the first end')
  t.ok(await accepts(first), 'kept while somebody is to come')
  t.same(await loop.result, [9, null])
  t.notOk(await accepts(first), 'the end of a crash loop')
})
