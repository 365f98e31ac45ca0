import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { inTime, Stopwatch } from '../support/stopwatch.ts'
import { ask, service, start, until } from './tree.ts'
import type { Tree } from './tree.ts'

// Terminals, systemd's control groups and some inits send a signal to every process of a tree, in any order.
const steps = fileURLToPath(new URL('fixtures/steps.js', import.meta.url))
const sleep = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms) })
const pids = (tree: Tree): number[] => tree.lines('spawn').map(({ childPid }) => childPid!)
const group = (tree: Tree, signal: NodeJS.Signals): boolean => process.kill(-tree.pid, signal)

async function grow (t: Pick<Test, 'teardown'>, workers: number, ...args: string[]): Promise<Tree> {
  const tree = start(
    t,
    ['run', '--workers', String(workers), '--min-ready', String(workers), ...args],
    { within: 'group' }
  )
  await tree.ready()
  return tree
}

/** When each child entered each phase. */
function timesOf (tree: Tree): Map<string, Record<string, number>> {
  const times = new Map<string, Record<string, number>>()
  for (const [, child = '', phase = '', at] of tree.output().matchAll(/^(\d) (\w+) (\d+)$/gm)) {
    times.set(child, { ...times.get(child), [phase]: Number(at) })
  }
  return times
}

/** Nobody has crashed, was started again, was in a hurry, or was taken for one that ends by itself. */
function isOrderly (t: Test, tree: Tree, children: number): void {
  for (const event of ['leaving', 'backoff', 'kill', 'giveUp', 'late']) t.same(tree.lines(event), [], event)
  t.same(
    tree.lines('exit').map(({ exitCode, level }) => [exitCode, level]),
    Array.from({ length: children }, () => [0, 30])
  )
  t.notMatch(tree.output(), /capped at 1 s|"hurried"/)
}

/** Milliseconds that pass between two looks at the clock. Who does not wait is 200 ms early. */
const slack = 25

function isInStep (t: Test, tree: Tree, late: number): void {
  const times = [...timesOf(tree).values()]
  const [slow] = times
  for (const [phase, next, least] of [
    ['announcing', 'closing', 700],
    ['closing', 'draining', 200],
    ['draining', 'terminated', 700]
  ] as const) {
    for (const one of times) {
      const early = slow![phase]! + least - one[next]!
      inTime(t, { time: early, late }, [-Infinity, slack], `nobody leaves phase '${phase}' before the slow one may, by`)
      inTime(t, { time: Math.abs(one[next]! - slow![next]!), late }, [0, 500], 'all leave it at the same time:')
    }
  }
}

const slow = JSON.stringify({ announcing: 700, closing: 200, draining: 700 })

t.test('SIGTERM to the whole group: in step, nobody in a hurry, nobody started again', async (t) => {
  const tree = await grow(t, 3, steps, slow)
  const watch = new Stopwatch(tree.pid)
  group(tree, 'SIGTERM')
  t.same(await tree.result, [0, null])
  isInStep(t, tree, watch.stop().late)
  isOrderly(t, tree, 3)
})

t.test('the children hear it first, and the supervisor a moment later', async (t) => {
  const [one, all] = [await grow(t, 2, steps, slow), await grow(t, 2, steps, slow)]
  const watches = [one, all].map((tree) => new Stopwatch(tree.pid))
  process.kill(pids(one)[1]!, 'SIGTERM')
  for (const pid of pids(all)) process.kill(pid, 'SIGTERM')
  // Without a turn of the event loop in between, which takes its time on a busy machine.
  for (const at = performance.now(); performance.now() - at < 20;);
  for (const tree of [one, all]) process.kill(tree.pid, 'SIGTERM')
  for (const [index, tree] of [one, all].entries()) {
    t.same(await tree.result, [0, null])
    isInStep(t, tree, watches[index]!.stop().late)
    isOrderly(t, tree, 2)
  }
})

t.test('the supervisor hears it first, and the children so late that it would count as a second one', async (t) => {
  const tree = await grow(t, 2, steps, JSON.stringify({ announcing: 2500 }))
  const watch = new Stopwatch(tree.pid)
  process.kill(tree.pid, 'SIGTERM')
  await sleep(1200)
  for (const pid of pids(tree)) process.kill(pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
  const [slow, quick] = [...timesOf(tree).values()]
  t.ok(slow!['closing']! - slow!['announcing']! >= 2490, 'not capped')
  inTime(t, { time: Math.abs(slow!['closing']! - quick!['closing']!), late: watch.stop().late }, [0, 500])
  isOrderly(t, tree, 2)
})

t.test('one that a signal to the group ends before it can hear any', async (t) => {
  const tree = start(t, ['run', '--workers', '2', service], { within: 'group' })
  await until(() => tree.lines('spawn').length === 2, 'both are forked')
  group(tree, 'SIGTERM')
  t.same(await tree.result, [0, null])
  for (const event of ['leaving', 'backoff', 'giveUp']) t.same(tree.lines(event), [], event)
  t.same(tree.lines('exit').map(({ level }) => level), [30, 30])
})

t.test('sent to one child alone, it is that one that ends, and another one that follows', async (t) => {
  const tree = await grow(t, 2, steps, '{}')
  const [, second] = pids(tree)
  process.kill(second!, 'SIGTERM')
  await until(() => tree.lines('exit').length === 1, 'its end')
  t.match(tree.lines('leaving'), [{ childPid: second! }])
  t.match(tree.lines('exit'), [{ childPid: second!, exitCode: 0, level: 30 }])
  await until(() => tree.lines('spawn').length === 3, 'a successor')
  t.equal(timesOf(tree).get('1'), undefined, 'the other one serves')
  group(tree, 'SIGTERM')
  t.same(await tree.result, [0, null])
})

t.test('two Ctrl-C are two: the second makes haste, and only a third one kills', async (t) => {
  const tree = await grow(t, 2, service)
  const port = await tree.port()
  const held = [ask(port, '/held'), ask(port, '/slow?ms=4000')].map((answer) => answer.catch(() => 'cut'))
  await until(() => /^held in/m.test(tree.output()) && /^slow begins/m.test(tree.output()), 'requests are in flight')
  group(tree, 'SIGINT')
  await until(() => tree.lines('shutdown').length === 1, 'the first one')
  await sleep(1500)
  t.same(tree.lines('exit'), [], 'the first one waits for what is in flight')
  t.notMatch(tree.output(), /capped at 1 s/)
  group(tree, 'SIGINT')
  t.same(await tree.result, [1, null], 'a request was cut')
  t.equal(tree.output().match(/of every child is capped at 1 s/g)?.length, 1)
  t.notMatch(tree.output(), /third time/)
  await Promise.all(held)

  const third = await grow(t, 2, service, JSON.stringify({ hang: true }))
  group(third, 'SIGINT')
  // Within a second after it was heard of the same one is a duplicate.
  await until(() => third.lines('shutdown').length === 1, 'the first one')
  await sleep(1100)
  group(third, 'SIGINT')
  await until(() => /capped at 1 s/.test(third.output()), 'the second one')
  await sleep(1100)
  t.same(third.lines('exit'), [])
  group(third, 'SIGINT')
  t.same(await third.result, [130, null], 'at once')
  t.match(third.output(), /SIGINT for the third time: all children are killed/)
})
