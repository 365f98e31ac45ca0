import t from 'tap'
import { ask, service, start, until } from './tree.ts'

t.test('a child that disconnects by itself ends in order, and another one takes its place', async (t) => {
  const tree = start(t, ['run', '--workers', '1', service])
  const port = await tree.port()
  await tree.ready()
  const slow = ask(port, '/slow?ms=1500')
  await until(() => tree.output().includes('slow begins'), 'a request is in flight')
  const { pid } = await ask(port, '/leave')
  await until(() => tree.lines('leaving').length === 1, 'it leaves')
  t.match(await slow, { pid }, 'what was in flight is answered')
  await until(() => tree.lines('exit').length === 1, 'it is gone')
  t.match(tree.lines('exit')[0], { exitCode: 0, childPid: pid })
  t.not((await ask(port)).pid, pid, 'nobody is refused meanwhile')
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
})
