import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { drill } from '../../lib/drill/drill.ts'
import type { DrillOptions, DrillResult } from '../../lib/drill/drill.ts'
import type { RequestProfile } from '../../lib/drill/profiles.ts'
import type { Replica } from '../../lib/drill/replicas.ts'
import { prefer } from '../e2e/replicas.ts'
import { cleanEnv } from '../support/clean-env.ts'

t.setTimeout(120_000)
// Clients and balancer stand for a network, which does not pause because this machine is busy; replicas do.
prefer(process.pid, -10)

const service = fileURLToPath(new URL('fixtures/service.js', import.meta.url))
const says = (text: string) => (body: Buffer): boolean => String(body) === text
const json = { 'content-type': 'application/json' }
const profiles: readonly RequestProfile[] = [
  { name: 'immediate', weight: 6, path: '/', burst: 3, isRight: says('ok') },
  { name: 'fresh', weight: 3, path: '/', keepAlive: false, isRight: says('ok') },
  { name: 'slow', weight: 3, path: '/slow', think: 200, isRight: says('ok') },
  { name: 'slow, fresh', weight: 3, path: '/slow', keepAlive: false, isRight: says('ok') },
  { name: 'stream', weight: 3, path: '/stream', isRight: says('line 0\nline 1\nline 2\nline 3\n') },
  {
    name: 'posting', weight: 2, method: 'POST', path: '/echo', headers: json, body: Buffer.from('{"pieces":3}'),
    bodyPause: [10, 60], isRight: says('{"pieces":3}')
  }
]

function rehearse (shutdown: string, options: Partial<DrillOptions> = {}): Promise<DrillResult> {
  return drill({
    service: { command: ['env', ...cleanEnv, process.execPath, service], env: { ...process.env, SHUTDOWN: shutdown } },
    replicas: 2,
    profiles,
    rate: 120,
    idle: 300,
    timeout: 60_000,
    lag: 700,
    grace: 10_000,
    warmUp: 1000,
    ...options,
    observer: { ...options.observer, started: ({ pid }) => prefer(pid, 0) }
  })
}

/** What is true of each update, whatever it loses. */
function addsUp (t: Test, { tally, losses, byKind, requests, connections, replicas }: DrillResult): void {
  t.equal(tally.requests, requests, `${requests} requests`)
  t.ok(requests > 300)
  t.ok(connections > 50 && connections < requests, `on ${connections} connections`)
  t.equal(tally.lost, losses.length)
  t.equal(Object.values(byKind).reduce((sum, count) => sum + count, 0), losses.length)
  t.same(replicas.map(({ name }) => name).toSorted(), ['1 new', '1 old', '2 new', '2 old'])
  t.ok(replicas.every(({ history }) => history.every(({ at }, index) => at >= (history[index - 1]?.at ?? 0))))
}

// Scenario (The rehearsal of an update): A service with the plugin and one without, under load, each replica replaced
// in turn
t.test('an update of a service with the plugin loses nothing, and its phases and reports are read', async (t) => {
  const changes: string[] = []
  const atEnd: unknown[] = []
  const result = await rehearse('graceful', {
    observer: {
      changed: ({ name }, what) => changes.push(`${name} ${what}`),
      ended: ({ replicas, endedAt, tally }) => {
        atEnd.push(replicas.map(({ exit }) => exit), typeof endedAt, tally.requests)
      }
    }
  })
  addsUp(t, result)
  t.same(result.byKind, {}, 'nothing is lost', { losses: result.losses.slice(0, 5), departures: result.departures })
  for (const { name, code, signal, took, isKilled, report } of result.departures) {
    t.same([code, signal, isKilled], [0, null, false], `${name} ends by itself`)
    t.ok(took >= 900, `after ${took} ms`)
    t.equal(report?.verdict, 'clean')
  }
  t.same(result.departures.map(({ name }) => name), ['1 old', '2 old'])
  const [first] = result.replicas
  t.same(
    first!.history.map(({ phase }) => phase),
    ['starting', 'running', 'announcing', 'closing', 'draining', 'terminated']
  )
  t.ok(first!.removedAt! - first!.signalledAt! >= 700)
  t.ok(changes.indexOf('1 new running') < changes.indexOf('1 old signalled'), 'the successor is ready first')
  t.ok(changes.indexOf('1 old terminated') < changes.indexOf('2 old signalled'), 'one after the other')
  t.ok(changes.includes('1 old out of rotation'))
  t.same(atEnd, [[0, 0, undefined, undefined], 'number', result.requests], 'all is counted while the new ones are there')
})

// Scenario, too: A service with the plugin and one without…
t.test('machines that stay are taken out first, and each successor has the port of the one before', async (t) => {
  const changes: string[] = []
  const result = await rehearse('graceful', {
    inPlace: true, lag: -300, observer: { changed: ({ name }, what) => changes.push(`${name} ${what}`) }
  })
  addsUp(t, result)
  t.same(result.byKind, {}, 'nothing is lost', { losses: result.losses.slice(0, 5), departures: result.departures })
  const replicaOf = (name: string): Replica => result.replicas.find((replica) => replica.name === name)!
  for (const index of [1, 2]) {
    const [old, successor] = [replicaOf(`${index} old`), replicaOf(`${index} new`)]
    t.equal(successor.port, old.port)
    t.ok(old.signalledAt! - old.removedAt! >= 299, `taken out ${old.signalledAt! - old.removedAt!} ms before`)
    t.ok(changes.indexOf(`${old.name} terminated`) < changes.indexOf(`${successor.name} starting`), 'one after the other')
  }
})

// Scenario, too: A service with the plugin and one without…
t.test('one of a service without it loses requests in each way, and each loss has its place', async (t) => {
  const result = await rehearse('plain')
  addsUp(t, result)
  // A reset of a reused connection takes a request at the very moment, see load.test.ts.
  for (const kind of ['refused', 'reset-new', 'answered-5xx', 'truncated'] as const) {
    t.ok(result.byKind[kind] ?? 0, kind, { byKind: result.byKind })
  }
  t.notOk(Object.keys(result.byKind).some((kind) => ['wrong-answer', 'timeout', 'not-sent'].includes(kind)))
  for (const loss of result.losses) {
    const { kind, isReused, profile, replica, phase, sinceSignal = -1 } = loss
    const isInPlace = ['1 old', '2 old'].includes(replica!) && ['running', 'terminated'].includes(phase!)
    if (!isInPlace || sinceSignal < 0) t.fail('a loss without its place', { loss })
    if (kind === 'refused' && isReused) t.fail('a refused connection is a new one', { loss })
    if (kind === 'truncated' && profile !== 'stream') t.fail('only what is streamed can be cut short', { loss })
    if (kind === 'answered-5xx' && phase === 'terminated' && sinceSignal > 1000) t.fail('nobody is there', { loss })
  }
  t.ok(result.losses.every(({ method }) => ['GET', 'POST'].includes(method)))
})

// Scenario (The rehearsal of an update): A replica that ignores SIGTERM, does not get ready, or does not start
t.test('a replica that ignores SIGTERM is killed at the end of its grace period', async (t) => {
  const { departures: [departure], ...result } = await rehearse('deaf', {
    replicas: 1, rate: 50, grace: 400, lag: 0, warmUp: 200, coolDown: 0
  })
  t.match(departure, { name: '1 old', code: null, signal: 'SIGKILL', isKilled: true })
  t.ok(departure!.took >= 400)
  t.equal(result.replicas[0]!.exit, 'SIGKILL')
})

// Scenario, too: A replica that ignores SIGTERM…
t.test('a service that does not get ready is an error with what it said', async (t) => {
  const begin = (script: string, options = {}): Promise<DrillResult> => drill({
    service: { command: ['env', ...cleanEnv, process.execPath, '--eval', script], ...options },
    replicas: 1, profiles, rate: 1, grace: 1000, warmUp: 0
  })
  await t.rejects(begin('console.log("no database"); process.exitCode = 3'), /^replica 1 old ended with 3:\nno database$/m)
  await t.rejects(begin('setInterval(() => {}, 1000)', { bootWithin: 300 }), /is not ready after 300 ms/)
  await t.rejects(
    begin('require("http").createServer((_, reply) => { reply.statusCode = 404; reply.end() }).listen(process.env.PORT)',
      { readyPath: '/health', bootWithin: 500 }),
    /is not ready after 500 ms/,
    'a route that was named has to be there'
  )
  await t.rejects(
    drill({ service: { command: ['/no/such/program'] }, replicas: 1, profiles, rate: 1, grace: 1000, warmUp: 0 }),
    /ended with 127:\n.*ENOENT/
  )
})
