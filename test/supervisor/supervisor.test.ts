import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import type { TerminationRecord } from '../../lib/platform/kubernetes/message.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'
import { ask, isAlive, service, start, until } from './tree.ts'

const fixture = (name: string): string => fileURLToPath(new URL(`../supervisor/fixtures/${name}`, import.meta.url))
const token = 'a-token-of-16-or-more'

for (const [how, exitCode, merged] of [['exit', 1, false], ['crash', 1, true], ['kill', 137, false]] as const) {
  t.test(
    `20,000 lines of each of 4 children are all there, whole and in order: ${how}${merged ? ', into one pipe' : ''}`,
    async (t) => {
      const tree = start(t, ['run', '--workers', '4', '--max-crashes', '0', fixture('lines.js'), how], { merged })
      const [code] = await tree.result
      t.equal(code, exitCode, 'the code of the child that never became ready')
      const lines = tree.stream('stdout').split('\n')
      const errors = merged ? lines : tree.stream('stderr').split('\n')
      for (const place of [1, 2, 3, 4]) {
        const out = lines.filter((line) => line.startsWith(`out ${place} `))
        t.equal(out.length, 20_000)
        t.ok(
          out.every((line, index) => line === `out ${place} ${index} ${'x'.repeat(index % 97)} end`),
          `standard output of ${place}`
        )
        const err = errors.filter((line) => line.startsWith(`err ${place} `))
        t.equal(err.length, 2000)
        t.ok(err.every((line, index) => line === `err ${place} ${index * 10} end`), `standard error of ${place}`)
        t.ok(lines.includes(`last ${place} without an end of line`))
      }
    }
  )
}

t.test('who reads slowly gets all of it, at the end as well', async (t) => {
  const tree = start(t, ['run', '--workers', '4', '--grace', '12s', '--max-crashes', '0', fixture('lines.js'), 'exit'])
  const { stdout } = tree.child
  let chunks = 0
  stdout!.on('data', () => {
    stdout!.pause()
    setTimeout(() => stdout!.resume(), chunks++ === 0 ? 1500 : 10)
  })
  t.equal((await tree.result)[0], 1)
  t.equal(tree.stream('stdout').match(/^out \d \d+ x* end$/gm)?.length, 80_000)
  t.same(tree.lines('dropped'), [])
})

t.test('who has stopped reading does not hold the end, and how much was lost is said', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'graceful-message-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const path = join(directory, 'termination-log')
  await writeFile(path, '')
  const tree = start(
    t,
    ['run', '--workers', '4', '--min-ready', '4', '--grace', '8s', fixture('chatty.js')],
    { env: { GRACEFUL_TERMINATION_MESSAGE_PATH: path } }
  )
  await tree.ready()
  const { stdout } = tree.child
  stdout!.pause()
  for (const { childPid } of tree.lines('spawn')) process.kill(childPid!, 'SIGUSR2')
  const watch = new Stopwatch(tree.pid)
  process.kill(tree.pid, 'SIGTERM')
  const [code] = await once(tree.child, 'exit')
  t.equal(code, 0, 'all have ended in order')
  inTime(t, watch.stop(), [1500, 8000], 'within the grace period:')
  await until(() => tree.lines('dropped').length === 1, 'said on standard error')
  stdout!.resume()
  await tree.result
  const lost = Number(tree.lines('dropped')[0]!['lines'])
  const read = tree.output().match(/^chat \d+ \d+ x{40}$/gm)?.length ?? 0
  t.ok(
    lost > 0 && read + lost >= 80_000 && read + lost < 80_020,
    `${read} read + ${lost} lost, the supervisor's own included`
  )
  t.match(JSON.parse(await readFile(path, 'utf8')), {
    verdict: 'clean',
    exitCode: 0,
    summary: new RegExp(`; ${lost} lines of output dropped, which nobody read$`)
  })
})

t.test('a crash loop backs off, says why, and ends the supervisor with the code of the child', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'graceful-message-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const path = join(directory, 'termination-log')
  await writeFile(path, '')
  const tree = start(
    t,
    ['run', '--max-crashes', '2', fixture('exits.js'), '7'],
    { env: { GRACEFUL_TERMINATION_MESSAGE_PATH: path } }
  )
  t.same(await tree.result, [7, null])
  const starts = tree.lines('spawn').map(({ time }) => Number(time))
  t.equal(starts.length, 3)
  t.same(tree.lines('backoff').map(({ delay }) => delay), [1000, 2000])
  t.ok(starts[1]! - starts[0]! >= 1000 && starts[2]! - starts[1]! >= 2000)
  t.match(tree.lines('exit')[0], { exitCode: 7, lastWords: 'the database is\nnot there' })
  t.match(tree.lines('giveUp'), [{ exitCode: 7 }])
  const { summary, ...message } = JSON.parse(await readFile(path, 'utf8')) as TerminationRecord
  t.match(message, { final: true, verdict: 'failed', kind: 'crash', reason: 'crash loop', exitCode: 7 })
  t.match(
    summary,
    /child 1 ended 3 times in a row before it was ready, the last time with code 7; its last words: the database is\nnot there$/
  )
})

/** Its first child serves; those that come later end at once, until it is mended. */
async function brokenFrom (t: Test, child: number): Promise<{ args: string[], mend: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'graceful-broken-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const file = join(directory, 'broken')
  await writeFile(file, String(child))
  return { args: [fixture('broken.js'), file], mend: () => writeFile(file, '1000') }
}

t.test('a place that was never filled ends the supervisor, though another one serves', async (t) => {
  const { args } = await brokenFrom(t, 2)
  const tree = start(t, ['run', '--workers', '2', '--max-crashes', '1', ...args])
  await tree.ready()
  t.same(await tree.result, [7, null])
  t.equal(tree.lines('spawn').length, 3)
  t.match(tree.lines('giveUp'), [{ child: 2, exitCode: 7, msg: /2 times in a row before it was ready, and never was/ }])
  t.match(tree.output(), /^terminated in phase terminated$/m, 'the other one goes through its phases')
})

t.test('a place that has served does not, while enough others do', async (t) => {
  const { args, mend } = await brokenFrom(t, 3)
  const flags = ['run', '--workers', '2', '--max-crashes', '0']
  const tree = start(t, [...flags, '--status-port', '0', ...args], { env: { GRACEFUL_RUN_STATUS_TOKEN: token } })
  const needy = start(t, [...flags, '--min-ready', '2', ...args])
  const status = await tree.status()
  const readyChildren = async (): Promise<unknown> => (
    await (await fetch(`${status}/-/status`, { headers: { authorization: `Bearer ${token}` } })).json() as {
      readyChildren: number
    }
  ).readyChildren
  await until(async () => await readyChildren() === 2, 'both slots have served')
  await needy.ready()
  for (const one of [tree, needy]) process.kill(one.lines('spawn')[1]!.childPid!, 'SIGKILL')
  t.same(await needy.result, [7, null], 'where all are needed, one is too few')
  t.match(needy.lines('giveUp'), [{ msg: /too few others are ready/ }])
  await until(() => tree.lines('backoff').some(({ failedStarts }) => failedStarts === 1), 'a start has failed')
  await mend()
  await until(() => tree.output().match(/^serves as/gm)?.length === 3, 'a later start does not')
  t.same(tree.lines('giveUp'), [])
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
})

t.test('a child that crashes or is killed takes only its own requests along, and has a successor', async (t) => {
  const tree = start(t, ['run', '--workers', '2', '--min-ready', '2', '--status-port', '0', service])
  const [port, status] = [await tree.port(), await tree.status()]
  await tree.ready()
  for (const path of ['/crash', '/kill']) {
    const before = tree.lines('spawn').length
    const others: Array<Promise<unknown>> = []
    const begun = (): number => tree.output().match(/^slow begins/gm)?.length ?? 0
    const was = begun()
    for (let index = 0; index < 10; index++) {
      others.push(ask<{ pid: number }>(port, '/slow?ms=1500').then(({ pid }) => pid, () => 'lost'))
    }
    await until(() => begun() === was + 10, 'ten requests are in flight')
    await ask(port, path).catch(() => {})
    for (let index = 0; index < 20; index++) t.match(await ask(port), { release: 'one' }, 'whoever comes now is served')
    const answers = await Promise.all(others)
    const lost = answers.filter((answer) => answer === 'lost').length
    await until(() => tree.lines('spawn').length === before + 1, 'a successor')
    const [{ childPid } = { childPid: 0 }] = await until(
      () => tree.lines('exit').length === before - 1 && tree.lines('exit').slice(-1),
      'its end'
    )
    const own = [...tree.output().matchAll(/^slow begins in (\d+)/gm)]
      .slice(was)
      .filter(([, pid]) => Number(pid) === childPid)
      .length
    t.equal(
      lost,
      path === '/crash' ? 0 : own,
      path === '/crash' ? 'after a crash, those in flight are finished' : `of ${own} of its own requests`
    )
    await until(async () => (await fetch(`${status}/readyz`)).status === 200, 'two are ready again')
  }
  const { children } = await (await fetch(`${status}/-/status`)).json() as { children?: unknown }
  t.equal(children, undefined, 'strangers see the state only')
  process.kill(tree.pid, 'SIGTERM')
  await until(
    async () => (await fetch(`${status}/readyz`).catch(() => ({ status: 503 }))).status === 503,
    'readiness of the whole fails'
  )
  const [code] = await tree.result
  t.equal(code, 0)
})

t.test('status: every child, in flight, and the guarded actions', async (t) => {
  const tree = start(
    t,
    ['run', '--workers', '2', '--min-ready', '2', '--status-port', '0', service],
    { env: { GRACEFUL_RUN_STATUS_TOKEN: token } }
  )
  const status = await tree.status()
  t.equal((await fetch(`${status}/livez`)).status, 200)
  const early = await fetch(`${status}/readyz`)
  t.equal(early.status, 503)
  t.match(await early.text(), /\[-\]children failed: \d of 2 children ready, 2 needed/)
  await tree.ready()
  const port = await tree.port()
  t.equal(await (await fetch(`${status}/readyz`)).text(), 'ok')
  t.equal(await (await fetch(`${status}/startupz`)).text(), 'ok')

  const slow = ask(port, '/slow?ms=3000')
  await until(() => tree.output().includes('slow begins'), 'a request is in flight')
  const authorization = `Bearer ${token}`
  const look = async (): Promise<{
    ready: boolean
    phase: string
    children: Array<{ pid: number, inFlight: number, phase: string, restarts: number }>
  }> => (await fetch(`${status}/-/status`, { headers: { authorization } })).json() as never
  const { children, ready } = await look()
  t.equal(ready, true)
  t.match(children, [
    { child: 1, phase: 'running', ready: true, responding: true, restarts: 0 },
    { child: 2, phase: 'running' }
  ])
  t.equal(children[0]!.inFlight + children[1]!.inFlight, 1)
  t.ok(children.every(({ pid }) => isAlive(pid)))
  await slow

  const act = (name: string, headers: Record<string, string> = { authorization }): Promise<Response> =>
    fetch(`${status}/-/${name}`, { method: 'POST', headers })
  t.equal((await act('drain', {})).status, 401)
  t.equal((await act('drain', { authorization: 'Bearer wrong' })).status, 403)
  t.equal((await act('undrain')).status, 409)
  t.equal((await act('drain')).status, 200)
  t.equal((await act('drain')).status, 409)
  t.equal((await fetch(`${status}/readyz`)).status, 503)
  t.same((await look()).children.map(({ phase }) => phase), ['announcing', 'announcing'])
  t.equal((await act('undrain')).status, 200)
  await until(async () => (await fetch(`${status}/readyz`)).status === 200, 'back in service')
  t.equal((await act('prestop')).status, 200)
  t.equal((await look()).phase, 'announcing')
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
})
