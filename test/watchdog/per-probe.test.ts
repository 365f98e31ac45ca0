import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { fork } from '../process/fork.ts'
import { watched } from './support.ts'

t.setTimeout(60_000)

type Runs = Record<'ready' | 'live' | 'slow' | 'young', number>

t.test('a check with ttl 0 runs once per probe on the watchdog\'s port, and never without one', async (t) => {
  const app = fork('../../watchdog/fixtures/runs.js')
  t.teardown(() => app.kill('SIGKILL'))
  const { url, watchdog } = await watched(app)
  const runs = async (): Promise<Runs> => await (await fetch(`${url}/runs`)).json() as Runs
  const probe = async (path: string): Promise<number> => {
    const response = await fetch(watchdog + path)
    await response.text()
    // Longer than the slow check, so that none of its runs is under way.
    await sleep(600)
    return response.status
  }
  while (await probe('/readyz') !== 200 || await probe('/livez') !== 200 || await probe('/startupz') !== 200) {
    await sleep(50)
  }
  const before = await runs()
  await sleep(2000)
  let after = await runs()
  // As many as there are in two seconds on a machine that is on time.
  for (const end = Date.now() + 20_000; after.young - before.young < 3 && Date.now() < end; await sleep(50)) {
    after = await runs()
  }
  t.ok(after.young - before.young >= 3, 'heartbeats ask the others')
  t.same([after.ready, after.live, after.slow], [before.ready, before.live, before.slow], 'two seconds without a probe')
  for (const [path, expected] of [
    ['/readyz', { ready: 1 }], ['/readyz?verbose', { ready: 1 }], ['/readyz/ready', { ready: 1 }],
    ['/readyz?exclude=ready', {}], ['/readyz/shutdown', {}],
    ['/livez', { live: 1 }], ['/livez/ping', {}], ['/startupz', { slow: 1 }], ['/-/status', {}]
  ] as const) {
    const { young: _, ...known } = await runs()
    await probe(path)
    const { young: __, ...now } = await runs()
    const more =
      Object.fromEntries(Object.entries(now).map(([name, count]) => [name, count - known[name as keyof typeof known]]))
    t.same(more, { ready: 0, live: 0, slow: 0, ...expected }, path)
  }
  const known = await runs()
  await Promise.all(Array.from({ length: 20 }, () => probe('/startupz')))
  t.ok((await runs()).slow - known.slow <= 2, 'never twice at the same time')
  await fetch(`${url}/fail`)
  await probe('/readyz')
  t.equal(await probe('/readyz'), 503, 'the second probe knows at the latest')
  t.match(await (await fetch(`${watchdog}/readyz?verbose`)).text(), /\[-\]ready failed/)
})
