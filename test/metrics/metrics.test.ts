import { execFile } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import client from 'prom-client'
import t from 'tap'
import { metricPrefix, metricTable } from '../../lib/metrics/table.ts'
import { Tally } from '../../lib/metrics/tally.ts'
import { bind, build, Client, until } from '../support/app.ts'

/** The samples of an exposition by name and labels, without our prefix. */
function samples (text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line.startsWith(metricPrefix))
  return new Map(lines.map((line) => {
    const at = line.lastIndexOf(' ')
    return [line.slice(metricPrefix.length, at), Number(line.slice(at + 1))]
  }))
}

/** An answer that is given when the test says so. */
function answerLater (): { answer: Promise<string>, finish: () => void } {
  const answer = new EventEmitter()
  return { answer: once(answer, 'finish').then(() => 'done'), finish: () => { answer.emit('finish') } }
}

/** A scrape over a kept-alive connection of its own, as Prometheus keeps one. */
async function scrape (connection: Client): Promise<Map<string, number>> {
  connection.text = ''
  connection.get('/-/metrics')
  // The last line of all.
  await until(() => /last_connection_seconds_count \d+\n/.test(connection.text) || connection.socket.destroyed)
  return samples(connection.text)
}

t.test('names are as Prometheus asks', async (t) => {
  for (const { name, type, help } of metricTable) {
    t.equal(name.endsWith('_total'), type === 'counter', `${name}: only counters end with _total`)
    t.match(name, /^[a-z]+(?:_[a-z]+)*$/)
    t.ok(help.length > 0)
  }
})

t.test('a running application', async (t) => {
  const app = build({ metrics: true })
  app.get('/', async () => 'ok')
  const slowly = answerLater()
  app.get('/slow', () => slowly.answer)
  await app.ready()
  let fails = false
  app.graceful.addCheck('database', async () => !fails, { ttl: 0 })
  app.graceful.addCheck('cache', async () => true)
  const port = await bind(app)
  const prometheus = await Client.open(port)
  const prober = await Client.open(port)
  const slow = await Client.open(port)
  t.teardown(async () => {
    slowly.finish()
    for (const connection of [prometheus, prober, slow]) connection.socket.destroy()
    await app.close()
  })

  const fresh = await scrape(prometheus)
  t.equal(fresh.get('check_state{check="cache",state="unknown"}'), 1)
  t.equal(fresh.get('ready'), 0, 'checks that have not run')
  t.notOk([...fresh.keys()].some((key) => key.startsWith('probe_answers_total')))

  slow.get('/slow')
  for (const [index, path] of ['/readyz', '/livez'].entries()) {
    prober.socket.write(`GET ${path} HTTP/1.1\r\nHost: test\r\nUser-Agent: kube-probe/1.34\r\n\r\n`)
    await prober.answers(index + 1)
  }
  fails = true
  prober.get('/readyz')
  t.same(await prober.answers(3), [200, 200, 503])
  const hold = app.graceful.hold('by hand')
  const now = await scrape(prometheus)
  t.match(Object.fromEntries(now), {
    'phase{phase="running"}': 1,
    'phase{phase="draining"}': 0,
    ready: 0,
    holds: 1,
    requests_in_flight: 2, // the slow one and the scrape
    'connections{state="busy"}': 2,
    'connections{state="idle"}': 1,
    'connections{state="upgraded"}': 0,
    'connections{state="http2"}': 0,
    'connections{state="handshake"}': 0,
    connections_accepted_total: 3,
    connections_shed_total: 0,
    'probe_answers_total{prober="kube-probe",probe="readyz",result="pass"}': 1,
    'probe_answers_total{prober="kube-probe",probe="livez",result="pass"}': 1,
    'probe_answers_total{prober="other",probe="readyz",result="fail"}': 1,
    'check_state{check="database",state="failing"}': 1,
    'check_state{check="database",state="passing"}': 0,
    'check_state{check="cache",state="passing"}': 1,
    'requests_cut_total{kind="request"}': 0,
    requests_drained_total: 0,
    event_loop_blocked_seconds_count: 0
  })
  t.ok(now.has('check_duration_seconds{check="database"}'))
  t.ok(now.get('phase_seconds_total{phase="running"}')! > 0)
  hold.release()
  fails = false
  prober.get('/readyz')
  await prober.answers(4)
  t.equal((await scrape(prometheus)).get('ready'), 1)

  const response = await app.inject('/-/metrics')
  t.equal(response.headers['content-type'], client.Registry.PROMETHEUS_CONTENT_TYPE)
  t.equal(response.headers['cache-control'], 'no-store')
  for (const { name, type, help } of metricTable) {
    t.match(response.body, `# HELP ${metricPrefix}${name} ${help}\n# TYPE ${metricPrefix}${name} ${type}\n`)
  }
})

t.test('a scrape in phases 1 to 3, and what is left in the registry', async (t) => {
  const registry = new client.Registry()
  const app = build({
    gracePeriod: 20_000,
    metrics: { registry },
    announce: { shed: 'off', quiet: 200 },
    drain: { idle: 10_000 }
  })
  const slowly = answerLater()
  app.get('/', async () => 'ok')
  app.get('/slow', () => slowly.answer)
  await app.ready()
  let phase: string | undefined = 'announcing'
  app.graceful.stall('test', (now) => now === phase)
  const port = await bind(app)
  const [prometheus, slow] = [await Client.open(port), await Client.open(port)]
  t.equal((await scrape(prometheus)).get('phase{phase="running"}'), 1)
  slow.get('/slow')

  const done = app.graceful.shutdown()
  const announcing = await scrape(prometheus)
  t.match(Object.fromEntries(announcing), {
    'phase{phase="announcing"}': 1,
    'phase{phase="running"}': 0,
    ready: 0,
    late_connections_total: 0,
    last_connection_seconds_count: 0
  })
  const late = await Client.open(port)
  late.get('/')
  t.same(await late.answers(1), [200])
  // `draining` is entered while its own stall holds it.
  phase = 'closing'
  await until(() => app.graceful.phase === 'closing')
  t.match(Object.fromEntries(await scrape(prometheus)), { 'phase{phase="closing"}': 1 })
  phase = 'draining'
  await until(() => app.graceful.phase === 'draining')
  slowly.finish()
  await slow.closed
  t.match(slow.text, /\r\nconnection: close\r\n/i)
  const draining = await scrape(prometheus)
  t.match(Object.fromEntries(draining), {
    'phase{phase="draining"}': 1,
    last_connection_seconds_count: 1,
    requests_drained_total: 1
  })
  t.ok(draining.get('last_connection_seconds_sum')! >= 0)
  t.ok(
    draining.get('phase_seconds_total{phase="announcing"}')!
      >= announcing.get('phase_seconds_total{phase="announcing"}')!,
    'a counter does not go back'
  )

  phase = undefined
  for (const connection of [prometheus, late]) connection.socket.end()
  const report = await done
  const end = samples(await registry.metrics())
  t.match(Object.fromEntries(end), {
    'phase{phase="terminated"}': 1,
    'shutdowns_total{kind="shutdown",verdict="clean"}': 1,
    'requests_cut_total{kind="request"}': 0,
    late_connections_total: report.traffic.lateArrivals
  })
  for (const { phase: name, duration } of report.phases) {
    t.equal(end.get(`phase_seconds_total{phase="${name}"}`), duration / 1000, name)
  }
  t.equal(end.get('requests_drained_total'), 2, 'the scrape of phase 3, too')
})

t.test('a registry of the application, and a route of its own', async (t) => {
  const registry = new client.Registry()
  new client.Counter({ name: 'orders_total', help: 'Orders', registers: [registry] }).inc(3)
  const app = build({ metrics: { registry, path: false } })
  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
  await app.ready()
  t.equal((await app.inject('/-/metrics')).statusCode, 404)
  const { body } = await app.inject('/metrics')
  t.match(body, /^orders_total 3$/m)
  t.equal(samples(body).get('phase{phase="running"}'), 1)

  const second = build({ metrics: { registry } })
  await t.rejects(async () => { await second.ready() }, {
    code: 'FST_GRACEFUL_INVALID_OPTION',
    message: /'metrics\.registry' must be a registry that no other application uses, got one that has fastify_graceful_phase \(object\)/
  })
  await app.close()
  await second.close()
  const third = build({ metrics: { registry, path: '/prometheus' } })
  await third.ready()
  t.equal(
    samples((await third.inject('/prometheus')).body).get('phase{phase="running"}'),
    1,
    'the successor of one that has ended takes its place'
  )
  t.match(await registry.metrics(), /^orders_total 3$/m, 'and leaves what is not ours')
  await third.close()

  const foreign = new client.Registry()
  foreign.registerMetric(new client.Gauge({ name: 'fastify_graceful_ready', help: "Somebody's own", registers: [] }))
  const fourth = build({ metrics: { registry: foreign } })
  await t.rejects(async () => { await fourth.ready() }, {
    code: 'FST_GRACEFUL_INVALID_OPTION',
    message: /one that has fastify_graceful_ready/
  })
  t.match(await foreign.metrics(), /Somebody's own/)
  await fourth.close()

  const both = [build({ metrics: true }), build({ metrics: true })]
  for (const one of both) t.equal((await one.inject('/-/metrics')).statusCode, 200, 'each its own registry')
  for (const one of both) await one.close()
})

t.test('counters go up over an announcement that is undone', async (t) => {
  let shed = 0
  let ended = 0
  const tally = new Tally({ shed: () => shed, ended: () => ended })
  t.equal(tally.shed, 0)
  tally.phase('announcing', { phase: 'running', duration: 1000 })
  shed = 5
  t.equal(tally.shed, 5)
  tally.phase('running', { phase: 'announcing', duration: 200 })
  t.equal(tally.shed, 5, 'undone')
  shed = 0
  tally.phase('announcing', { phase: 'running', duration: 300 })
  t.equal(tally.shed, 5, 'announced again, which counts from zero')
  shed = 2
  t.equal(tally.shed, 7)
  t.equal(tally.timeIn('announcing', 99.9), 299, 'never ahead of a record that is rounded')
  tally.phase('running', { phase: 'announcing', duration: 100 })
  ended = 40
  tally.phase('closing', { phase: 'running', duration: 1 })
  t.equal(tally.shed, 7, 'closed without an announcement')
  shed = 3
  t.equal(tally.shed, 8)
  t.equal(tally.requestsDrained, 0)
  tally.phase('draining', { phase: 'closing', duration: 1 })
  ended = 42
  t.equal(tally.requestsDrained, 2)
  tally.drained()
  ended = 50
  t.equal(tally.requestsDrained, 2, 'what is cut is not drained')
  t.equal(tally.timeIn('running', undefined), 1301)
  t.equal(tally.timeIn('draining', undefined), 0)
})

t.test('without prom-client', async (t) => {
  const here = fileURLToPath(new URL('../../', import.meta.url))
  const home = mkdtempSync(join(tmpdir(), 'fastify-graceful-metrics-'))
  t.teardown(() => rmSync(home, { recursive: true, force: true }))
  cpSync(join(here, 'dist'), join(home, 'dist'), { recursive: true })
  cpSync(join(here, 'package.json'), join(home, 'package.json'))
  mkdirSync(join(home, 'node_modules', '@fastify'), { recursive: true })
  for (const name of ['fastify', 'fastify-plugin', '@fastify/error', '@fastify/under-pressure']) {
    symlinkSync(join(here, 'node_modules', name), join(home, 'node_modules', name))
  }
  writeFileSync(join(home, 'app.js'), `
    import Fastify from 'fastify'
    import graceful from './dist/index.js'
    for (const metrics of [false, true]) {
      const app = Fastify()
      app.register(graceful, { exit: false, metrics })
      await app.ready().then(() => console.log('ready'), ({ code, message }) => console.log(code + ' ' + message))
    }
    process.exit()
  `)
  const { stdout } = await promisify(execFile)(process.execPath, [join(home, 'app.js')])
  const [without, wanted] = stdout.split('\n')
  t.equal(without, 'ready', 'it is not needed where nobody asks for it')
  t.match(
    wanted,
    /^FST_GRACEFUL_METRICS_CLIENT fastify-graceful: option 'metrics' needs the package prom-client: expected it to be installed \(npm install prom-client\), got: Cannot find package 'prom-client'/
  )
})
