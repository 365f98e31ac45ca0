import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { inTime, Stopwatch } from '../support/stopwatch.ts'
import { isAlive, nameless, service, start, until } from './tree.ts'
import type { Tree } from './tree.ts'

const fixture = (name: string): string => fileURLToPath(new URL(`../supervisor/fixtures/${name}`, import.meta.url))

t.test('Ctrl-C at a terminal: everybody gets it at once, once, and nobody announces', async (t) => {
  const tree = start(t, [
    'run', '--workers', '2', '--min-ready', '2',
    fixture('steps.js'), JSON.stringify({ announcing: 60_000, draining: 500 })
  ], { within: 'terminal' })
  await tree.ready()
  tree.child.stdin!.write('\u0003')
  t.same(await tree.result, [0, null])
  t.match(tree.lines('shutdown'), [{ reason: 'SIGINT' }])
  for (const child of [1, 2]) {
    t.notMatch(tree.output(), new RegExp(`^${child} announcing`, 'm'))
    t.match(tree.output(), new RegExp(`${child} closing[^]*${child} draining[^]*${child} terminated`))
  }
  t.notMatch(tree.output(), /capped at 1 s/, 'what the terminal and the supervisor say is one signal')
})

// Scenario, too: A Node or Fastify without one of the private parts…
t.test('what makes listeners is a private part of Node: without it the supervisor says so, and goes on', async (t) => {
  // Node's own cluster has it all the same.
  const hide = `import net from 'node:net'
    const { _createServerHandle: make } = net
    const get = () => new Error().stack.includes('node:internal/cluster') ? make : undefined
    Object.defineProperty(net, '_createServerHandle', { get })`
  const imported = `--import=data:text/javascript;base64,${Buffer.from(hide).toString('base64')}`
  const tree = start(t, ['run', '--workers', '1', service], { env: { NODE_OPTIONS: imported } })
  await tree.ready()
  tree.child.kill('SIGTERM')
  t.same(await tree.result, [0, null], tree.output())
  const said = tree.output().split('\n').filter((line) => line.includes('graceful.internals'))
  t.equal(said.length, 1, tree.output())
  t.match(said[0], / without: _createServerHandle \(a listener is closed with the last child that has it/)
})

t.test('a terminal that hangs up ends everybody, and is no reload', async (t) => {
  const tree = start(t, ['run', '--workers', '2', '--min-ready', '2', service], { within: 'terminal' })
  await tree.ready()
  const pids = [Number(tree.lines('start')[0]!['pid']), ...tree.lines('spawn').map(({ childPid }) => childPid!)]
  t.ok(pids.length === 3 && pids.every(isAlive))
  tree.child.kill('SIGKILL')
  await until(() => !pids.some(isAlive), 'all have ended')
})

const chat = (tree: Tree): number => tree.output().match(/^chat .*x\n/gm)?.length ?? 0

/** Ctrl-S while a child writes more than the terminal takes; what it had taken before is still shown. */
async function stop (tree: Tree, childPid: number): Promise<void> {
  tree.child.stdin!.write('\u0013')
  let [seen, since] = [tree.output().length, Date.now()]
  process.kill(childPid, 'SIGUSR2')
  await until(() => {
    if (tree.output().length > seen) [seen, since] = [tree.output().length, Date.now()]
    return Date.now() - since > 500
  }, 'nothing is shown any more')
}

t.test('a terminal that is stopped loses nothing, and holds neither the supervisor nor its end', async (t) => {
  const tree = start(t, ['run', '--grace', '6s', fixture('chatty.js')], { within: 'terminal' })
  await tree.ready()
  const supervisor = Number(tree.lines('start')[0]!['pid'])
  const { childPid = 0 } = tree.lines('spawn')[0]!
  await stop(tree, childPid)
  t.ok(chat(tree) < 20_000, 'stopped')
  tree.child.stdin!.write('\u0011')
  await until(() => chat(tree) === 20_000, 'Ctrl-Q: all of it')
  await stop(tree, childPid)
  const watch = new Stopwatch(supervisor)
  process.kill(supervisor, 'SIGTERM')
  t.same(await tree.result, [0, null])
  inTime(t, watch.stop(), [0, 6000], 'within the grace period:')
  t.notOk([supervisor, childPid].some(isAlive))
})

/** Processor time of a process so far, in hundredths of a second. */
function processorTime (pid: number): number {
  const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ').slice(11)
  return Number(user) + Number(system)
}

const refused = spawnSync(nameless[0]!, [...nameless.slice(1), 'true']).status !== 0

t.test(
  'a terminal without a name that is stopped keeps no processor busy',
  { skip: refused && 'no mount namespaces here' },
  async (t) => {
    const tree = start(t, ['run', fixture('chatty.js')], { within: 'nameless terminal' })
    await tree.ready()
    const supervisor = Number(tree.lines('start')[0]!['pid'])
    await stop(tree, tree.lines('spawn')[0]!.childPid!)
    t.ok(chat(tree) < 20_000, 'stopped')
    const [begin, used] = [Date.now(), processorTime(supervisor)]
    await until(() => Date.now() - begin > 500, 'a while')
    t.ok(processorTime(supervisor) - used < 10, 'it waits')
    tree.child.stdin!.write('\u0011')
    await until(() => chat(tree) === 20_000, 'Ctrl-Q: all of it')
    process.kill(supervisor, 'SIGTERM')
    t.same(await tree.result, [0, null])
  }
)

/** The processes of a namespace, by their number in it. */
function processesOf (init: number): Map<number, number> {
  const namespace = readlinkSync(`/proc/${init}/ns/pid`)
  const found = new Map<number, number>()
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      if (readlinkSync(`/proc/${name}/ns/pid`) === namespace) {
        found.set(
          Number(/^NSpid:.*\s(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))![1]),
          Number(name)
        )
      }
    } catch {
      // It has ended in this moment.
    }
  }
  return found
}

t.test('as process 1 of a container it ends, reloads and is never left with orphans that run', async (t) => {
  const tree = start(t, ['run', fixture('family.js'), 'old', 'young'], { within: 'namespace' })
  await tree.ready()
  await until(() => /^young listens/m.test(tree.output()), 'the child of the child listens')
  t.match(tree.lines('start'), [{ pid: 1 }])
  t.match(tree.lines('init'), [{ msg: /start an init before it/ }])
  const init = Number(readFileSync(`/proc/${tree.pid}/task/${tree.pid}/children`, 'utf8'))
  const pidOf = (name: string): number => processesOf(init)
    .get(Number(new RegExp(`^${name} listens on \\d+ as (\\d+)`, 'm').exec(tree.output())![1]))!
  const young = pidOf('young')
  process.kill(pidOf('old'), 'SIGKILL')
  await until(() => !isAlive(young), 'the orphan has ended')
  await until(() => /young closing[^]*young draining[^]*young terminated/.test(tree.output()), 'in its phases')
  await until(() => tree.output().match(/^old listens/gm)?.length === 2, 'a successor')
  await until(() => tree.lines('readiness').length === 3, 'it is ready')
  process.kill(init, 'SIGHUP')
  await until(() => /reload done/.test(tree.output()), 'the reload is done')
  process.kill(init, 'SIGTERM')
  t.same(await tree.result, [0, null])
})

t.test('status on a unix socket: whoever may open it is authorised, and a dead one is replaced', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'graceful-socket-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const socketPath = join(directory, 'status')
  const call = (path: string, method = 'GET'): Promise<[status: number | undefined, body: string]> =>
    new Promise((resolve, reject) => {
      request({ socketPath, path, method, headers: { connection: 'close' } }, (response) => {
        let body = ''
        response.setEncoding('utf8')
          .on('data', (text: string) => { body += text })
          .on('end', () => resolve([response.statusCode, body]))
      }).on('error', reject).end()
    })
  const first = start(t, ['run', '--status-socket', socketPath, service])
  await first.ready()
  t.same(await call('/readyz'), [200, 'ok'])
  const [status, body] = await call('/-/status')
  t.equal(status, 200)
  t.match(JSON.parse(body), { ready: true, children: [{ child: 1, ready: true }] })
  t.match(await call('/-/drain', 'POST'), [200])
  t.match(await call('/readyz'), [503])
  t.match(await call('/-/undrain', 'POST'), [200])
  const taken = start(t, ['run', '--status-socket', socketPath, service])
  t.same(await taken.result, [1, null], 'one that is in use is not taken away')
  t.match(
    taken.output(),
    /expected statusSocket \(--status-socket\) to be one that it can listen on, got listen EADDRINUSE/
  )
  process.kill(first.pid, 'SIGKILL')
  await first.result
  const second = start(t, ['run', '--status-socket', socketPath, service])
  await second.ready()
  t.same(await call('/livez'), [200, 'ok'])
  process.kill(second.pid, 'SIGTERM')
  t.same(await second.result, [0, null])
  await t.rejects(call('/livez'), 'gone with the supervisor')
})
