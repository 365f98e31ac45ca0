import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { readTerminationMessage } from '../../lib/platform/kubernetes/message.ts'
import type { TerminationRecord } from '../../lib/platform/kubernetes/message.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'
import { between, isAlive, start, until } from './tree.ts'
import type { Tree } from './tree.ts'

const steps = fileURLToPath(new URL('fixtures/steps.js', import.meta.url))

/** When each child entered each phase, by child. */
function timesOf (tree: Tree): Array<Record<string, number>> {
  const times: Array<Record<string, number>> = [{}, {}]
  for (const [, child, phase = '', at] of tree.output().matchAll(/^(\d) (\w+) (\d+)$/gm)) {
    times[Number(child) - 1]![phase] = Number(at)
  }
  return times
}

/** Milliseconds that pass between two looks at the clock. */
const slack = 25

async function grow (t: Test, ...args: string[]): Promise<Tree & { message: () => Partial<TerminationRecord> }> {
  const directory = await mkdtemp(join(tmpdir(), 'graceful-message-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const path = join(directory, 'termination-log')
  await writeFile(path, '')
  const tree = start(
    t,
    ['run', '--workers', '2', '--min-ready', '2', ...args],
    { env: { GRACEFUL_TERMINATION_MESSAGE_PATH: path } }
  )
  await tree.ready()
  // Read at one go: a text that is replaced between two reads of `readFile` is half of each.
  return { ...tree, message: () => readTerminationMessage(path) ?? {} }
}

t.test('children that end together go through their phases in step', async (t) => {
  const tree = await grow(t, steps, JSON.stringify({ announcing: 700, closing: 200, draining: 700 }))
  const watch = new Stopwatch(tree.pid)
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
  const { late } = watch.stop()
  const [slow, quick] = timesOf(tree) as [Record<string, number>, Record<string, number>]
  for (const [phase, next] of [
    ['announcing', 'closing'],
    ['closing', 'draining'],
    ['draining', 'terminated']
  ] as const) {
    t.ok(
      quick[next]! >= slow[phase]! + { announcing: 700, closing: 200, draining: 700 }[phase] - slack - late,
      `the quick one stays in phase '${phase}' as long as the slow one`
    )
    inTime(t, { time: Math.abs(quick[next]! - slow[next]!), late }, [0, 500], 'and both leave it at the same time:')
  }
  const [first, second] = tree.lines('spawn').map(({ childPid }) => childPid!)
  const { children, ...message } = tree.message()
  t.match(message, {
    final: true,
    verdict: 'clean',
    phase: 'terminated',
    kind: 'shutdown',
    reason: 'SIGTERM',
    exitCode: 0,
    pid: tree.pid,
    gracePeriod: 30_000
  })
  t.match(message.summary, /^shutdown by SIGTERM ended 2 children in \d+ ms$/)
  t.same(children?.map(({ name }) => name).toSorted(), [`child 1 (process ${first})`, `child 2 (process ${second})`])
})

t.test('nobody waits longer than its own caps for one that does not move', async (t) => {
  const tree = await grow(t, '--grace', '6s', steps, '{}', JSON.stringify({ max: 700 }))
  const [stopped, other] = tree.lines('spawn').map(({ childPid }) => childPid!)
  process.kill(stopped!, 'SIGSTOP')
  const watch = new Stopwatch(tree.pid)
  process.kill(tree.pid, 'SIGTERM')
  await until(() => !isAlive(other!), 'the other one has ended')
  t.ok(watch.time >= 600, 'it has waited')
  t.ok(isAlive(stopped!), 'and not until the first was killed')
  const message = await until(() => [tree.message()].find(({ children }) => children?.[1]?.final), 'the message knows')
  t.match(message, {
    final: false,
    verdict: 'unfinished',
    kind: 'shutdown',
    reason: 'SIGTERM',
    children: [{ final: false }, { final: true, verdict: 'clean' }]
  }, 'what a kill would leave behind')
  t.same(await tree.result, [1, null])
  const killed = { time: between(tree, 'shutdown', 'kill'), late: watch.stop().late }
  inTime(t, killed, [5500 - killed.late, 6500], 'killed when its time was over, 300 ms before that of all:')
  t.match(tree.lines('kill'), [{ childPid: stopped! }])
  t.match(tree.message(), {
    final: true,
    verdict: 'failed',
    exitCode: 1,
    worst: `child 1 (process ${stopped})`,
    summary: /child 1 \(process \d+\): it did not end in time and was killed in phase 'running'/,
    children: [{ verdict: 'failed' }, { verdict: 'clean' }]
  })
})

t.test('nobody waits for a supervisor that is gone, nor for one that has ended', async (t) => {
  const tree = await grow(t, steps, JSON.stringify({ announcing: 60_000 }), JSON.stringify({ max: 5000 }))
  const [slow, quick] = tree.lines('spawn').map(({ childPid }) => childPid!)
  process.kill(tree.pid, 'SIGTERM')
  await until(() => timesOf(tree).every(({ announcing }) => announcing !== undefined), 'both announce')
  const watch = new Stopwatch(quick)
  process.kill(tree.pid, 'SIGKILL')
  await until(() => !isAlive(quick!), 'the quick one ends')
  inTime(t, watch.stop(), [0, 3000], 'at once:')
  t.ok(isAlive(slow!))
  process.kill(slow!, 'SIGKILL')

  const second = await grow(t, steps, JSON.stringify({ announcing: 60_000 }), JSON.stringify({ max: 10_000 }))
  const first = second.lines('spawn')[0]!.childPid!
  process.kill(second.pid, 'SIGTERM')
  await until(() => timesOf(second).every(({ announcing }) => announcing !== undefined), 'both announce')
  const since = new Stopwatch(second.pid)
  process.kill(first, 'SIGKILL')
  t.same(await second.result, [137, null], 'the code of the one that was killed by somebody')
  inTime(t, since.stop(), [0, 3000], 'the other goes on at once:')
})

t.test('one that boots while the others end waits for nobody', async (t) => {
  const tree = start(t, ['run', '--workers', '2', steps, JSON.stringify({ boot: 1500 })])
  await tree.ready()
  const watch = new Stopwatch(tree.pid)
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
  inTime(t, watch.stop(), [0, 6000], 'although phase 1 may take three times as long:')
  t.same(tree.lines('kill'), [])
})

t.test('the termination message tells of all, and of the worst in full', async (t) => {
  const tree = await grow(t, '--grace', '4s', steps, JSON.stringify({ draining: 60_000 }))
  process.kill(tree.pid, 'SIGTERM')
  const message = await until(() => [tree.message()].find(({ phase }) => phase === 'draining'), 'a message per phase')
  t.match(message, {
    final: false,
    verdict: 'unfinished',
    summary: "shutdown by SIGTERM was not over: killed in phase 'draining' or later"
  })
  t.same(await tree.result, [1, null])
  const [first] = tree.lines('spawn').map(({ childPid }) => childPid!)
  t.match(tree.message(), {
    final: true,
    verdict: 'cut',
    exitCode: 1,
    worst: `child 1 (process ${first})`,
    summary: /child 1 .*no longer waited for: slow/,
    cut: { waiting: ['slow'] },
    children: [{ verdict: 'cut' }, { verdict: 'clean' }]
  })

  const hurried = await grow(t, '--grace', '8s', steps, JSON.stringify({ draining: 60_000 }))
  process.kill(hurried.pid, 'SIGTERM')
  await until(() => hurried.lines('shutdown').length === 1, 'it has heard of it')
  const begin = Date.now()
  await until(() => hurried.message().phase === 'draining', 'it waits')
  // Who stands still cannot be faster than the third signal.
  process.kill(hurried.lines('spawn')[0]!.childPid!, 'SIGSTOP')
  process.kill(hurried.pid, 'SIGINT')
  await until(() => /capped at 1 s/.test(hurried.output()), 'the second signal')
  await until(() => Date.now() - begin > 1200, 'one more SIGTERM is no duplicate any more')
  process.kill(hurried.pid, 'SIGTERM')
  t.same(await hurried.result, [143, null])
  t.match(hurried.message(), { final: true, verdict: 'failed', exitCode: 143, children: [{ verdict: 'unfinished' }] })
})
