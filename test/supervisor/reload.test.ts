import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { ask, service, start, until } from './tree.ts'
import { Stopwatch, unlessLate } from '../support/stopwatch.ts'

/** A file that says which release the next child is. */
async function releaseFile (t: Test): Promise<{ given: string, deploy: (release: string) => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'graceful-release-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const release = join(directory, 'release')
  const deploy = (name: string): Promise<void> => writeFile(release, name)
  await deploy('one')
  return { given: JSON.stringify({ release }), deploy }
}

t.test(
  'a release that does not start, or is never ready, stops the reload and takes nobody out of service',
  async (t) => {
    const { given, deploy } = await releaseFile(t)
    const tree = start(t, ['run', '--start-timeout', '8s', service, given])
    const port = await tree.port()
    await tree.ready()
    const { pid } = await ask(port)
    const stopped = (): string[] =>
      tree.lines('reload').filter(({ problem }) => problem !== undefined).map(({ msg }) => msg)

    await deploy('broken')
    process.kill(tree.pid, 'SIGHUP')
    await until(() => stopped().length === 1, 'the reload stops')
    t.match(
      stopped()[0],
      /reload stopped after 0 of 1, the old children stay: process \d+ ended while starting; its last words: [^]*this release does not start/
    )
    t.match(await ask(port), { pid, release: 'one' })

    await deploy('unready')
    process.kill(tree.pid, 'SIGHUP')
    await until(() => stopped().length === 2, 'the reload stops again')
    t.match(stopped()[1], /was not ready within 8000 ms: it does not listen yet, or a readiness check fails/)
    await until(() => tree.lines('exit').length === 2, 'the new one is gone')
    for (let index = 0; index < 10; index++) t.match(await ask(port), { pid, release: 'one' })

    await deploy('two')
    process.kill(tree.pid, 'SIGHUP')
    await until(() => tree.lines('reload').length === 5, 'the third reload has begun')
    process.kill(tree.pid, 'SIGHUP')
    process.kill(tree.pid, 'SIGHUP')
    await until(() => tree.output().match(/reload done/g)?.length === 2, 'a signal meanwhile is queued once')
    t.match(await ask(port), { release: 'two' })
    process.kill(tree.pid, 'SIGTERM')
    t.same(await tree.result, [0, null])
    t.equal(tree.output().match(/reload done/g)?.length, 2, 'and only once')
  }
)

t.test('a reload that a shutdown cuts off says so, and a grace period that cannot hold is said once', async (t) => {
  const flags = ['run', '--workers', '2', '--min-ready', '2', '--grace', '8s', service]
  const [tree, fitting] = [
    start(t, [...flags, JSON.stringify({ hang: true, options: { gracePeriod: 60_000 } })]),
    start(t, [...flags, JSON.stringify({ options: { gracePeriod: 6000 } })])
  ]
  await Promise.all([tree.ready(), fitting.ready()])
  process.kill(tree.pid, 'SIGHUP')
  await until(() => tree.lines('spawn').length === 3, 'the first successor starts')
  process.kill(tree.pid, 'SIGHUP')
  await until(() => /^hangs in/m.test(tree.output()), 'it has the place, and the old one hangs')
  await until(() => tree.lines('reload').at(-1)?.['queued'], 'the second reload is queued')
  const [line, ...more] = tree.lines('gracePeriod')
  t.match(line, {
    level: 40,
    own: 60_000,
    gracePeriod: 8000,
    childGracePeriod: 6267,
    killedAfter: 7600,
    msg: "the service's own gracePeriod is 60000 ms, but the supervisor's of 8000 ms (--grace) leaves a child 6267 ms. "
      + "The supervisor's applies: a child that has not ended after 7600 ms is killed. "
      + "Remove the service's, or raise --grace"
  })
  t.same(more, [], 'of three children that say so')
  process.kill(tree.pid, 'SIGTERM')
  await until(() => tree.lines('shutdown').length === 1, 'the end')
  t.match(tree.lines('reload').at(-1), {
    level: 40,
    problem: 'the supervisor shuts down: SIGTERM',
    msg: /^reload cut off after 1 of 2, and the one queued behind it left out: the supervisor shuts down: SIGTERM$/
  })
  process.kill(fitting.pid, 'SIGTERM')
  t.same(await fitting.result, [0, null])
  t.same([...fitting.lines('gracePeriod'), ...fitting.lines('reload')], [], 'where neither is so, nothing is said')
})

t.test('WebSockets of an old child are told 1001, spread over time, and find the new one', async (t) => {
  const { given, deploy } = await releaseFile(t)
  const tree = start(t, ['run', service, given])
  const port = await tree.port()
  await tree.ready()
  const ends: Array<{ code: number, at: number }> = []
  const first = await Promise.all(Array.from({ length: 100 }, async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`)
    socket.on('close', (code) => ends.push({ code, at: Date.now() }))
    return new Promise<string>((resolve, reject) => {
      socket.once('message', (data: Buffer) => resolve(data.toString()))
      socket.once('error', reject)
    })
  }))
  t.equal(new Set(first).size, 1)
  await deploy('two')
  const watch = new Stopwatch(tree.pid)
  process.kill(tree.pid, 'SIGHUP')
  await until(() => ends.length === 100, 'all are told', 30_000)
  t.ok(ends.every(({ code }) => code === 1001))
  // Who hears of all late hears of them at once.
  const spread = ends.at(-1)!.at - ends[0]!.at
  unlessLate(t, spread >= 300, `not in one wave (${spread} ms)`, watch.stop().late, 500)
  const again = new WebSocket(`ws://127.0.0.1:${port}/ws`)
  const pid = await new Promise<string>((resolve, reject) => {
    again.once('message', (data: Buffer) => resolve(data.toString()))
    again.once('error', reject)
  })
  again.terminate()
  t.not(pid, first[0], 'who reconnects finds the new one')
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
})
