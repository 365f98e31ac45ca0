import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { inTime, Stopwatch } from '../support/stopwatch.ts'
import { between, isAlive, start, until } from './tree.ts'
import type { Tree } from './tree.ts'

const family = fileURLToPath(new URL('fixtures/family.js', import.meta.url))

/** A tree of these generations, all of which listen; answers their processes by name. */
async function grow (
  t: Test,
  names: string[],
  flags: string[] = []
): Promise<{ tree: Tree, pids: Map<string, number> }> {
  const tree = start(t, ['run', ...flags, family, ...names])
  const pids = new Map<string, number>()
  await until(() => {
    for (const [, name = '', pid] of tree.output().matchAll(/^(\w+) listens on \d+ as (\d+)$/gm)) {
      pids.set(name, Number(pid))
    }
    return pids.size === names.filter((name) => name !== 'supervisor').length
  }, 'all generations listen', 40_000)
  t.teardown(() => { for (const pid of pids.values()) if (isAlive(pid)) process.kill(pid, 'SIGKILL') })
  await tree.ready()
  return { tree, pids }
}

const inOrder = (t: Test, tree: Tree, ...lines: string[]): void => {
  const found = tree.output().split('\n').filter((line) => lines.includes(line))
  t.same(found, lines)
}

t.test('SIGTERM goes down three generations, and the youngest are gone first', async (t) => {
  const { tree, pids } = await grow(t, ['old', 'young', 'youngest'])
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
  t.notOk([...pids.values()].some(isAlive))
  for (const name of pids.keys()) {
    t.match(
      tree.output(),
      new RegExp(`${name} closing[^]*${name} draining[^]*${name} terminated`),
      `${name} went through its phases`
    )
  }
  inOrder(t, tree, 'youngest exits', 'young exits', 'old exits')
  inOrder(t, tree, 'youngest exits', 'young terminated')
  t.notMatch(tree.output(), /was told/, 'nothing of this reaches the listeners of the service')
  t.same(
    tree.output().match(/^young got .*$/gm)?.map((line) => JSON.parse(line.slice('young got '.length)).type),
    ['shutdown']
  )
})

t.test('the first exit code wins, up the tree', async (t) => {
  const { tree } = await grow(t, ['old', 'young', 'failing'])
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [1, null])
  t.same(tree.output().match(/^\w+ exits$/gm), ['failing exits', 'young exits', 'old exits'])
  t.match(tree.lines('exit'), [{ exitCode: 1 }])
})

t.test('so do the children of a supervisor below a service', async (t) => {
  const { tree, pids } = await grow(t, ['old', 'supervisor', 'young'])
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
  t.notOk([...pids.values()].some(isAlive))
  inOrder(t, tree, 'young draining', 'young exits', 'supervisor exits', 'old terminated', 'old exits')
})

t.test('nobody is left behind by a child that is killed, and the supervisor waits', async (t) => {
  const { tree, pids } = await grow(t, ['old', 'young', 'youngest'])
  process.kill(pids.get('old')!, 'SIGKILL')
  await until(() => tree.lines('exit').length === 1, 'its end')
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
  t.notOk([...pids.values()].some(isAlive), 'when the supervisor ends, all have')
  t.match(tree.lines('orphans'), [{ pids: [pids.get('young'), pids.get('youngest')] }])
  for (const name of ['young', 'youngest']) {
    t.match(
      tree.output(),
      new RegExp(`${name} closing[^]*${name} draining[^]*${name} terminated`),
      `${name} went through its phases`
    )
  }
  inOrder(t, tree, 'youngest exits', 'young exits')
})

t.test('whoever hangs below a child that is gone is killed in time', async (t) => {
  const { tree, pids } = await grow(t, ['old', 'young'], ['--grace', '6s'])
  const [, port] = /^young listens on (\d+)/m.exec(tree.output())!
  fetch(`http://127.0.0.1:${port}/`).catch(() => {})
  await until(() => /^young hangs$/m.test(tree.output()), 'it hangs')
  const watch = new Stopwatch(tree.pid)
  process.kill(pids.get('old')!, 'SIGKILL')
  await until(() => tree.lines('orphans').length === 1, 'it is noticed')
  process.kill(tree.pid, 'SIGTERM')
  await tree.result
  const killed = { time: between(tree, 'orphans', 'kill'), late: watch.stop().late }
  inTime(t, killed, [5500 - killed.late, 6500], 'when the time of a child is over, 300 ms before that of all:')
  t.notOk(isAlive(pids.get('young')!))
  t.match(tree.lines('kill').at(-1), { pids: [pids.get('young')], msg: /left behind/ })
})
