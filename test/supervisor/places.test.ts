import t from 'tap'
import { service, start, until } from './tree.ts'

t.test('GRACEFUL_CHILD is the place of a child, over crashes and reloads', async (t) => {
  const tree = start(t, ['run', '--workers', '2', '--min-ready', '2', service], { env: { GRACEFUL_CHILD: '7' } })
  /** What the children have said, by their process. */
  const told = (): Map<string, string> =>
    new Map([...tree.output().matchAll(/^place (\S+) is (\d+)$/gm)].map(([, place = '', pid = '']) => [pid, place]))
  const agree = async (count: number, when: string): Promise<void> => {
    await until(() => told().size === count, `${count} children have said their place`)
    const spawned = new Map(tree.lines('spawn').map(({ child, childPid }) => [String(childPid), String(child)]))
    t.same(told(), spawned, when)
  }
  await tree.ready()
  await agree(2, 'at the start')
  t.same([...told().values()].toSorted(), ['1', '2'])
  process.kill(tree.lines('spawn').find(({ child }) => child === 2)!.childPid!, 'SIGKILL')
  await agree(3, 'after a crash')
  const isReadyAgain = (): boolean =>
    tree.lines('readiness').length > 1 && tree.lines('readiness').at(-1)?.['ready'] === true
  await until(isReadyAgain, 'ready again')
  process.kill(tree.pid, 'SIGHUP')
  await agree(5, 'after a reload')
  t.same([...told().values()].toSorted(), ['1', '1', '2', '2', '2'])
  process.kill(tree.pid, 'SIGTERM')
  t.equal((await tree.result)[0], 0)
})
