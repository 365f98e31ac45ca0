import { Counter, Gauge, Histogram, Registry, Summary } from 'prom-client'
import t from 'tap'
import { Exposition, readFamilies } from '../../lib/supervisor/parent/metrics.ts'
import { ask, service, start, until } from './tree.ts'
import type { Tree } from './tree.ts'

const token = 'a-token-of-16-or-more'

/** The values of a text by what stands before them; each must be there once. */
function valuesOf (text: string): Map<string, number> {
  const rows = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    .map((line): [string, number] => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))])
  const values = new Map(rows)
  if (values.size !== rows.length) throw new Error(`a value is there twice:\n${text}`)
  return values
}

/** What one process would write, in either form. */
async function write (factor: number, type: string): Promise<{ text: string, type: string }> {
  const registry = new Registry()
  registry.setContentType(type as never)
  const common = { help: 'a \\ help', registers: [registry as never] }
  const requests = new Counter({ name: 'requests_total', labelNames: ['route', 'code'], ...common })
  requests.inc({ route: '/a"b\\c\n{}', code: '200' }, factor)
  requests.inc(factor % 2 === 0 ? { route: 'x', code: '1' } : { code: '1', route: 'x' }, factor)
  new Gauge({ name: 'heap', ...common }).set(factor)
  new Gauge({ name: 'mine', labelNames: ['child'], ...common }).set({ child: 'own' }, factor)
  new Histogram({ name: 'seconds', buckets: [1, 10], ...common }).observe(factor)
  const summary = new Summary({ name: 'sizes', percentiles: [0.5], ...common })
  summary.observe(factor)
  return { text: await registry.metrics(), type }
}

t.test('what is counted is added up, and all else has its child', async (t) => {
  for (const type of [Registry.PROMETHEUS_CONTENT_TYPE, Registry.OPENMETRICS_CONTENT_TYPE]) {
    const all = new Exposition()
    all.add(readFamilies([await write(2, type)]), '1')
    all.add(readFamilies([await write(3, type)]), '2')
    all.add(readFamilies([await write(100, type)]))
    const text = all.text()
    t.strictSame(Object.fromEntries(valuesOf(text)), {
      'requests_total{code="200",route="/a\\"b\\\\c\\n{}"}': 105,
      'requests_total{code="1",route="x"}': 105,
      'heap{child="1"}': 2,
      'heap{child="2"}': 3,
      'mine{child="1",exported_child="own"}': 2,
      'mine{child="2",exported_child="own"}': 3,
      'seconds_bucket{le="1"}': 0,
      'seconds_bucket{le="10"}': 2,
      'seconds_bucket{le="+Inf"}': 3,
      'seconds_sum': 105,
      'seconds_count': 3,
      'sizes{child="1",quantile="0.5"}': 2,
      'sizes{child="2",quantile="0.5"}': 3,
      'sizes_sum': 105,
      'sizes_count': 3
    }, type)
    t.same(text.match(/^# TYPE .*$/gm), [
      '# TYPE requests_total counter', '# TYPE heap gauge', '# TYPE mine gauge', '# TYPE seconds histogram',
      '# TYPE sizes summary'
    ])
    const again = new Exposition()
    again.add(all.families, '')
    t.equal(again.text(), text, 'what was kept is written as it was')
  }
})

/** What becomes of a text that one child has written. */
function read (text: string): string {
  const all = new Exposition()
  all.add(readFamilies([{ text, type: '' }]), '1')
  return all.text()
}

t.test('odd texts, and too many values', async (t) => {
  t.equal(read('nonsense\n{} 1\n# TYPE a\n\n'), '\n')
  t.equal(read('a 1 1700000000\n'), '# HELP a \n# TYPE a untyped\na{child="1"} 1\n', 'without a type and with a time')
  t.match(read('# TYPE a gauge\na NaN\n# TYPE b counter\nb +Inf\n'), /^a\{child="1"\} NaN$[^]*^b \+Inf$/m)
  const all = new Exposition()
  all.add(readFamilies([{ text: '# TYPE a counter\na 1\n', type: '' }]), '1')
  all.add(readFamilies([{ text: '# TYPE a gauge\na 7\n', type: '' }]), '2')
  t.match(all.text(), /^a 1$/m, 'another kind of the same name is another metric')
  const many = Array.from({ length: 60_000 }, (_, index) => `many{n="${index}"} 1`).join('\n')
  all.add(readFamilies([{ text: `# TYPE many counter\n${many}\n`, type: '' }]))
  t.equal(all.left, 10_001)
  all.add(readFamilies([{ text: '# TYPE a counter\na 1\n', type: '' }]))
  t.match(all.text(), /^a 2$/m, 'those that are there go on')
})

async function scrape (tree: Tree, authorization = `Bearer ${token}`): Promise<{ status: number, text: string }> {
  const response = await fetch(`${await tree.status()}/-/metrics`, { headers: { authorization } })
  return { status: response.status, text: await response.text() }
}

t.test('one text for all children, in which no counter goes back', async (t) => {
  const tree = start(t, [
    'run', '--workers', '2', '--min-ready', '2', '--status-port', '0', service,
    JSON.stringify({ options: { metrics: true } })
  ], { env: { GRACEFUL_RUN_STATUS_TOKEN: token } })
  const port = await tree.port()
  await tree.ready()
  t.equal((await scrape(tree, '')).status, 401)
  t.equal((await scrape(tree, `Bearer ${token}x`)).status, 401)

  let before = new Map<string, number>()
  let asked = 0
  const look = async (when: string): Promise<Map<string, number>> => {
    const { status, text } = await scrape(tree)
    t.equal(status, 200)
    const values = valuesOf(text)
    const counters = [...text.matchAll(/^# TYPE (\S+) (?:counter|histogram)$/gm)].map(([, name = '']) => name)
    const back = [...before].filter(([name, value]) =>
      counters.some((counter) => name.startsWith(counter)) && (values.get(name) ?? -1) < value)
    t.same(back, [], `no counter has gone back ${when}`)
    before = values
    return values
  }
  const accepted = 'fastify_graceful_connections_accepted_total'
  const connect = async (): Promise<void> => {
    for (let count = 0; count < 10; count++, asked++) await ask(port)
  }
  await connect()
  let values = await look('at the start')
  t.equal(values.get(accepted), asked, 'the connections of all children')
  for (const child of ['1', '2']) {
    t.equal(values.get(`fastify_graceful_phase{child="${child}",phase="running"}`), 1)
    t.equal(values.get(`fastify_graceful_supervisor_child_up{child="${child}"}`), 1)
  }
  t.equal(values.get('fastify_graceful_supervisor_ready_children'), 2)
  t.equal(values.get('fastify_graceful_event_loop_blocked_seconds_count'), 0)

  await connect()
  process.kill(tree.pid, 'SIGHUP')
  const isDone = (): boolean => tree.lines('reload').some(({ duration }) => duration !== undefined)
  while (!isDone()) await look('during a reload')
  values = await look('after the reload')
  t.equal(values.get(accepted), asked, 'also those that nobody had asked for before their child ended')
  t.equal(values.get('fastify_graceful_shutdowns_total{kind="shutdown",verdict="clean"}'), 2)

  await connect()
  await look('before a crash')
  const [, , , killed] = tree.lines('spawn')
  process.kill(killed!.childPid!, 'SIGKILL')
  await until(async () => {
    values = await look('after a crash')
    return values.get('fastify_graceful_supervisor_restarts_total') === 1
      && values.get('fastify_graceful_supervisor_child_up{child="2"}') === 1
  }, 'it is replaced')
  t.equal(values.get(accepted), asked)
  t.equal(values.get('fastify_graceful_supervisor_samples_left_out'), 0)
  process.kill(tree.pid, 'SIGTERM')
  t.same(await tree.result, [0, null])
})

t.test('without a token: on loopback outside of production, and without metrics of the service', async (t) => {
  const [open, closed] = [
    start(t, ['run', '--status-port', '0', service]),
    start(t, ['run', '--status-port', '0', service], { env: { NODE_ENV: 'production' } })
  ]
  await Promise.all([open.ready(), closed.ready()])
  const { status, text } = await scrape(open, '')
  t.equal(status, 200)
  t.match(text, /^fastify_graceful_supervisor_ready_children 1$/m)
  t.equal((await scrape(closed, '')).status, 404)
})
