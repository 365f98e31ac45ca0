import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { isAlive, start, until } from './tree.ts'
import type { Tree } from './tree.ts'

const steps = fileURLToPath(new URL('fixtures/steps.js', import.meta.url))

/** When each child entered each phase, by child. */
function timesOf (tree: Tree): Array<Record<string, number>> {
  const times: Array<Record<string, number>> = [{}, {}]
  for (const [, child, phase = '', at] of tree.output().matchAll(/^(\d) (\w+) (\d+)$/gm)) times[Number(child) - 1]![phase] = Number(at)
  return times
}

async function grow (t: Test, ...args: string[]): Promise<Tree> {
  const tree = start(t, ['run', '--workers', '2', '--min-ready', '2', ...args])
  await tree.ready()
  return tree
}

t.test('children that end together go through their phases in step', async (t) => {
  const tree = await grow(t, steps, JSON.stringify({ announcing: 700, closing: 200, draining: 700 }))
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
  const [slow, quick] = timesOf(tree) as [Record<string, number>, Record<string, number>]
  for (const [phase, next] of [['announcing', 'closing'], ['closing', 'draining'], ['draining', 'terminated']] as const) {
    t.ok(quick[next]! >= slow[phase]! + { announcing: 700, closing: 200, draining: 700 }[phase] - 5, `the quick one stays in phase '${phase}' as long as the slow one`)
    t.ok(Math.abs(quick[next]! - slow[next]!) < 200, `and both leave it at the same time (${quick[next]! - slow[next]!} ms)`)
  }
})

t.test('nobody waits longer than its own caps for one that does not move', async (t) => {
  const tree = await grow(t, '--grace', '6s', steps, '{}', JSON.stringify({ max: 700 }))
  const [stopped, other] = tree.lines('spawn').map(({ childPid }) => childPid!)
  process.kill(stopped!, 'SIGSTOP')
  const begin = Date.now()
  process.kill(tree.pid, 'SIGTERM')
  await until(() => !isAlive(other!), 'the other one has ended')
  t.ok(Date.now() - begin >= 600, 'it has waited')
  t.ok(isAlive(stopped!), 'and not until the first was killed')
  t.same(await tree.result, [1, null])
  t.ok(Date.now() - begin < 7500, 'all within the grace period')
  t.match(tree.lines('kill'), [{ childPid: stopped! }])
})

t.test('nobody waits for a supervisor that is gone, nor for one that has ended', async (t) => {
  const tree = await grow(t, steps, JSON.stringify({ announcing: 60_000 }), JSON.stringify({ max: 5000 }))
  const [slow, quick] = tree.lines('spawn').map(({ childPid }) => childPid!)
  process.kill(tree.pid, 'SIGTERM')
  await until(() => timesOf(tree).every(({ announcing }) => announcing !== undefined), 'both announce')
  const begin = Date.now()
  process.kill(tree.pid, 'SIGKILL')
  await until(() => !isAlive(quick!), 'the quick one ends')
  t.ok(Date.now() - begin < 2000, 'at once')
  t.ok(isAlive(slow!))
  process.kill(slow!, 'SIGKILL')

  const second = await grow(t, steps, JSON.stringify({ announcing: 60_000 }), JSON.stringify({ max: 10_000 }))
  const first = second.lines('spawn')[0]!.childPid!
  process.kill(second.pid, 'SIGTERM')
  await until(() => timesOf(second).every(({ announcing }) => announcing !== undefined), 'both announce')
  const killedAt = Date.now()
  process.kill(first, 'SIGKILL')
  t.same(await second.result, [137, null], 'the code of the one that was killed by somebody')
  t.ok(Date.now() - killedAt < 3000, 'the other goes on at once')
})
