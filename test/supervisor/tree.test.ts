import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { inTime, Stopwatch } from '../support/stopwatch.ts'
import { ask, between, isAlive, service, start, until } from './tree.ts'
import type { Tree } from './tree.ts'

/** The processes of the children so far. */
const pids = (tree: Tree): number[] => tree.lines('spawn').map(({ childPid }) => childPid!)

t.test('a service runs in two processes, and SIGTERM goes down the tree', async (t) => {
  const tree = start(t, ['run', '--workers', '2', '--grace', '20s', '--min-ready', '2', service])
  const port = await tree.port()
  await tree.ready()
  const [one, two] = pids(tree)
  const answers = await Promise.all(Array.from({ length: 40 }, () => ask(port)))
  t.ok(answers.every(({ pid }) => pid === one || pid === two))
  t.equal(answers[0]!.grace, '15.667', 'the grace period of a child is what the whole leaves it')
  const slow = ask<{ pid: number }>(port, '/slow?ms=1500')
  await until(() => tree.output().includes('slow begins'), 'the request has begun')
  process.kill(tree.pid, 'SIGTERM')
  t.match(await slow, { pid: Number }, 'a request in flight is served')
  t.same(await tree.result, [0, null])
  t.same(tree.lines('exit').map(({ exitCode }) => exitCode), [0, 0])
  t.equal(tree.lines('shutdown')[0]!.msg, 'supervisor shuts down: SIGTERM')
  t.notOk([one, two].some((pid) => isAlive(pid!)))
})

t.test('children whose parent is killed finish what they have and end', async (t) => {
  const tree = start(t, ['run', '--workers', '2', service])
  const port = await tree.port()
  await until(() => tree.output().match(/^listening/gm)?.length === 2, 'both listen')
  const slow = [ask(port, '/slow?ms=1200'), ask(port, '/slow?ms=1200')]
  await until(() => tree.output().match(/^slow begins/gm)?.length === 2, 'both requests have begun')
  process.kill(tree.pid, 'SIGKILL')
  for (const answer of await Promise.all(slow)) t.match(answer, { release: 'one' }, 'served to the end')
  await until(() => !pids(tree).some(isAlive), 'no child is left')
  await t.rejects(ask(port), 'nobody listens any more')
})

t.test('a child that hangs does not outlive its grace period when its parent is killed', async (t) => {
  const tree = start(t, ['run', '--grace', '4s', service, JSON.stringify({ options: { watchdog: { enabled: true } } })])
  const port = await tree.port()
  await tree.ready()
  const answer = ask(port, '/block?ms=120000').catch(() => 'cut')
  await until(() => tree.output().includes('blocks'), 'the event loop is blocked')
  process.kill(tree.pid, 'SIGKILL')
  const begin = Date.now()
  await until(() => !pids(tree).some(isAlive), 'its watchdog ends it')
  // Its own 3.1 s count from the moment in which the watchdog has noticed.
  t.ok(Date.now() - begin >= 2000, `not at once (${Date.now() - begin} ms)`)
  t.equal(await answer, 'cut')
})

t.test('SIGINT shuts down, a child that does not end in time is killed, and the code says so', async (t) => {
  const tree = start(t, ['run', '--grace', '4s', service, JSON.stringify({ hang: true })])
  await tree.ready()
  const [pid] = pids(tree)
  const watch = new Stopwatch(tree.pid)
  process.kill(tree.pid, 'SIGINT')
  t.same(await tree.result, [1, null])
  const killed = { time: between(tree, 'shutdown', 'kill'), late: watch.stop().late }
  inTime(t, killed, [3600 - killed.late, 4400], 'killed when its time was over, 200 ms before that of all:')
  t.match(tree.lines('kill'), [{ childPid: pid!, msg: /did not end within/ }])
  t.equal(tree.lines('shutdown')[0]!.msg, 'supervisor shuts down: SIGINT')
})

t.test('a preStop hook is off the grace period once: its length, or what has passed since its call', async (t) => {
  const args = ['run', '--grace', '6s']
  const hang = JSON.stringify({ hang: true })
  const authorization = 'Bearer a-token-of-16-or-more'
  const withRoutes = (): Tree => start(
    t,
    [...args, '--status-port', '0', service, hang],
    { env: { GRACEFUL_RUN_STATUS_TOKEN: 'a-token-of-16-or-more' } }
  )
  const [slept, called, reloaded] = [
    start(t, [...args, service, hang], { env: { PRESTOP_SECONDS: '2' } }),
    withRoutes(),
    withRoutes()
  ]
  await Promise.all([slept, called, reloaded].map((tree) => tree.ready()))
  const [allWatch, lateWatch] = [new Stopwatch(called.pid), new Stopwatch(reloaded.pid)]
  for (const tree of [called, reloaded]) {
    t.equal(
      (await fetch(`${await tree.status()}/-/prestop`, { method: 'POST', headers: { authorization } })).status,
      200
    )
  }
  await until(() => allWatch.time >= 1500, 'the rest of the hook')
  process.kill(reloaded.pid, 'SIGHUP')
  await until(() => /^hangs in/m.test(reloaded.output()), 'one that was replaced hangs')
  const ownWatch = new Stopwatch(slept.pid)
  for (const { pid } of [slept, called, reloaded]) process.kill(pid, 'SIGTERM')
  const took = async ({ result }: Tree, watch: Stopwatch): Promise<Stopwatch> => {
    t.same(await result, [1, null])
    return watch.stop()
  }
  const [own, all, late] = await Promise.all([
    took(slept, ownWatch),
    took(called, allWatch),
    took(reloaded, lateWatch)
  ])
  // Of 6 s a child is killed after 5.7 s.
  inTime(t, own, [3600, 5600], 'after the signal, which is 2 s later than the hook:')
  inTime(t, all, [5600, 7000], 'after the call:')
  inTime(t, late, [5600, 7000], 'after the call, though one was replaced since then:')
})

t.test(
  'a child that is told before it has registered the plugin never listens, and a third signal ends everything',
  async (t) => {
    const early = start(t, ['run', service])
    await until(() => early.lines('spawn').length === 1, 'the child starts')
    process.kill(early.pid, 'SIGTERM')
    t.same(await early.result, [0, null])
    t.notMatch(early.output(), /^listening/m)

    // Nothing but a kill ends this child, and the first time it is killed without a third signal is after 7.6 s.
    const tree = start(t, ['run', '--grace', '8s', service, JSON.stringify({ hang: true })])
    await tree.ready()
    process.kill(tree.pid, 'SIGTERM')
    await until(() => tree.lines('shutdown').length === 1, 'it has heard of it')
    const begin = Date.now()
    await until(() => /^hangs in/m.test(tree.output()), 'it hangs')
    process.kill(tree.pid, 'SIGINT')
    await until(() => /capped at 1 s/.test(tree.output()), 'the second signal')
    t.ok(pids(tree).every(isAlive), 'which kills nobody')
    // Within a second of the first one it is a duplicate of that.
    await until(() => Date.now() - begin > 1200, 'a second has passed')
    process.kill(tree.pid, 'SIGTERM')
    t.same(await tree.result, [143, null])
    t.same(tree.lines('kill'), [], 'before its time was over')
    t.match(tree.output(), /SIGTERM for the third time: all children are killed, exiting with code 143/)
    await until(() => !pids(tree).some(isAlive), 'no child is left')
  }
)

t.test('a program supervises', async (t) => {
  const program = spawn('env', [
    '-u', 'NODE_OPTIONS', '-u', 'KUBERNETES_SERVICE_HOST',
    process.execPath, fileURLToPath(new URL('fixtures/program.js', import.meta.url)), service
  ], { stdio: ['ignore', 'ignore', 'pipe'] })
  t.teardown(() => program.kill('SIGKILL'))
  let said = ''
  program.stderr.setEncoding('utf8').on('data', (text: string) => { said += text })
  const [code] = await once(program, 'close')
  t.equal(code, 0, 'it ends by itself')
  t.same(said.trim().split('\n'), [
    'invalid true',
    'left behind 0',
    'blocked [1,false]',
    'why ["FST_GRACEFUL_SUPERVISOR",true]',
    'second true',
    'address true',
    'replaced true',
    'code [5,5,5]',
    'end 0',
    'listeners true'
  ])
})

// Scenario (Signals and exit): A signal in the moment in which the supervisor exits changes nothing of its exit code
t.test('a signal in the last moment', async (t) => {
  const program = spawn('env', [
    '-u', 'NODE_OPTIONS', process.execPath, fileURLToPath(new URL('fixtures/last-moment.js', import.meta.url)), service
  ], { stdio: 'ignore' })
  t.teardown(() => program.kill('SIGKILL'))
  t.same(await once(program, 'close'), [7, null])
})

t.test('the example runs, and a status port that is taken is said and ends it', async (t) => {
  const tree = start(t, [
    'run', '--workers', '2', '--min-ready', '2', '--status-port', '0',
    fileURLToPath(new URL('../../examples/supervisor/server.js', import.meta.url))
  ], { env: { PORT: '0' } })
  await tree.ready()
  // Told on other ways than what the supervisor says, and later perhaps.
  const [, port] = await until(
    () => /Server listening at http:\/\/127\.0\.0\.1:(\d+)/.exec(tree.output()) ?? undefined,
    'it listens'
  )
  t.match(await ask(Number(port)), { hello: 'world' })
  const { port: taken } = new URL(await tree.status())
  const second = start(t, ['run', '--status-port', taken, service])
  t.same(await second.result, [1, null])
  t.match(
    second.output(),
    /a supervisor cannot be started here: expected statusPort \(--status-port\) to be one that it can listen on, got listen EADDRINUSE: [^]*supervisor ends with code 1/
  )
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
})
