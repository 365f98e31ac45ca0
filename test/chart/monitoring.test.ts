import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { bind, build } from '../support/app.ts'
import { only } from './pod.ts'
import { render } from './render.ts'
import type { Values } from './render.ts'
import { charts, promtool } from './tools.ts'

interface Rule {
  alert: string
  expr: string
  for?: string
  labels: Record<string, string>
  annotations: Record<string, string>
}
interface Groups { groups: Array<{ name: string, rules: Rule[] }> }
interface Panel {
  id: number
  type: string
  title: string
  description?: string
  collapsed?: boolean
  datasource?: { uid: string }
  gridPos: { x: number, y: number, w: number, h: number }
  fieldConfig: { defaults: { unit?: string } }
  targets?: Array<{ expr: string, hide?: boolean, refId: string, datasource: { uid: string } }>
}
interface Dashboard {
  uid: string
  title: string
  schemaVersion: number
  templating: { list: Array<{ name: string, type: string, query: unknown, hide: number }> }
  panels: Panel[]
}

const folder = mkdtempSync(join(tmpdir(), 'graceful-monitoring-'))
t.teardown(() => rmSync(folder, { recursive: true }))

/** A file for promtool: JSON is YAML. */
function file (name: string, content: object): string {
  const path = join(folder, name)
  writeFileSync(path, JSON.stringify(content))
  return path
}

const withApi = ['--api-versions', 'monitoring.coreos.com/v1']

async function rulesOf (values: Values = {}): Promise<Groups> {
  const manifest = only(await render({ prometheusRule: { enabled: true }, ...values }, ...withApi), 'PrometheusRule')
  return manifest['spec'] as Groups
}

const dashboardText = (): Promise<string> =>
  readFile(join(charts, 'graceful-service', 'dashboards', 'fastify-graceful.json'), 'utf8')
const dashboard = async (): Promise<Dashboard> => JSON.parse(await dashboardText()) as Dashboard

/** What Grafana puts in the place of its variables. */
const filled = (expr: string): string => expr
  .replaceAll('$namespace', 'default')
  .replaceAll('$pod', '.*')
  .replaceAll('$__range', '3h')
  .replaceAll('$__rate_interval', '2m')

const expressions = async (): Promise<string[]> => [
  ...(await rulesOf()).groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)),
  ...(await dashboard()).panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => filled(expr)))
]

t.test('the alerts are rules of Prometheus, with every preset', async (t) => {
  for (const values of [
    {}, { preset: 'nlb' }, { terminationGracePeriodSeconds: 7200 }, { terminationGracePeriodSeconds: 1 }
  ]) {
    const rules = await rulesOf(values)
    const { code, stdout, stderr } = await promtool(['check', 'rules', file('rules.json', rules)])
    t.equal(code, 0, stderr)
    t.match(stdout, `SUCCESS: ${rules.groups[0]?.rules.length} rules found`)
    t.equal(new Set(rules.groups[0]?.rules.map(({ alert }) => alert)).size, rules.groups[0]?.rules.length, 'each once')
  }
  const [long] = (await rulesOf({ terminationGracePeriodSeconds: 7200 })).groups
  t.equal(
    long?.rules.find(({ alert }) => alert === 'GracefulDrainForgotten')?.for,
    '120m',
    'no shutdown is taken for a forgotten drain'
  )
})

const pod = 'rel-graceful-service-5d4b9c7f6-x7k2p'
const labels = `namespace="default", pod="${pod}"`
const one = (name: string, values: string, more = ''): { series: string, values: string } =>
  ({ series: `${name}{${labels}${more}}`, values })
const exits = (code: number, restarts = '0 0 1x40'): Array<{ series: string, values: string }> => [
  one('kube_pod_container_status_last_terminated_exitcode', `${code}x40`, ', container="app"'),
  one('kube_pod_container_status_restarts_total', restarts, ', container="app"')
]
const cut = 'fastify_graceful_requests_cut_total'
const blocked = 'fastify_graceful_event_loop_blocked'
const draining = (seconds: string): { series: string, values: string } =>
  one('fastify_graceful_phase_seconds_total', seconds, ', phase="draining"')

/** What happened, two samples a minute; when it is looked at; and what is said then: its value, or nothing. */
const stories: Array<{
  alert: string
  story: string
  series: Array<{ series: string, values: string }>
  at: string
  value?: string
  container?: string
}> = [
  {
    alert: 'GracefulRequestsCut', story: 'three are cut, and the pod is gone',
    series: [one(cut, '0 0 3 stale', ', kind="request"')],
    at: '5m', value: '3'
  },
  {
    alert: 'GracefulRequestsCut', story: 'that was long ago',
    series: [one(cut, '0 0 3 stale', ', kind="request"')],
    at: '20m'
  },
  {
    alert: 'GracefulRequestsCut', story: 'only streams were cut',
    series: [one(cut, '0 4', ', kind="stream"'), one(cut, '0 0', ', kind="request"')],
    at: '1m'
  },
  {
    alert: 'GracefulRequestsCut', story: 'a pod of another service',
    series: [
      { series: `${cut}{namespace="default", pod="rel-other-5d4b9c7f6-x7k2p", kind="request"}`, values: '0 3' },
      { series: `${cut}{namespace="other", pod="${pod}", kind="request"}`, values: '0 3' }
    ],
    at: '1m'
  },
  {
    alert: 'GracefulRequestsEndedByOthers', story: 'two lost their connection, and the pod is gone',
    series: [one(cut, '0 2 2 stale', ', kind="others"')],
    at: '5m', value: '2'
  },
  {
    alert: 'GracefulRequestsEndedByOthers', story: 'that was long ago',
    series: [one(cut, '0 2 2 stale', ', kind="others"')],
    at: '20m'
  },
  {
    alert: 'GracefulRequestsEndedByOthers', story: 'what was cut was cut at the deadline',
    series: [one(cut, '0 2', ', kind="request"'), one(cut, '0 0', ', kind="others"')],
    at: '1m'
  },
  {
    alert: 'GracefulConnectionsCut', story: 'one was in use',
    series: [one(cut, '0 0 1 stale', ', kind="connection"')],
    at: '5m', value: '1'
  },
  {
    alert: 'GracefulConnectionsCut', story: 'a WebSocket is told, or counted as another kind',
    series: [one(cut, '0 4', ', kind="upgraded"'), one(cut, '0 0', ', kind="connection"')],
    at: '1m'
  },
  {
    alert: 'GracefulLateConnections', story: 'two came late',
    series: [one('fastify_graceful_late_connections_total', '0 2 stale')],
    at: '2m', value: '2'
  },
  {
    alert: 'GracefulLateConnections', story: 'nobody came late',
    series: [one('fastify_graceful_late_connections_total', '0x10')],
    at: '2m'
  },
  {
    alert: 'GracefulEventLoopBlocked', story: 'one block is over',
    series: [one('fastify_graceful_event_loop_blocked_seconds_count', '4 4 5x40')],
    at: '5m', value: ''
  },
  {
    alert: 'GracefulEventLoopBlocked', story: 'one is under way',
    series: [one('fastify_graceful_event_loop_blocked_seconds_count', '0x40'), one(blocked, '0 1')],
    at: '30s', value: ''
  },
  {
    alert: 'GracefulEventLoopBlocked', story: 'those were before',
    series: [one('fastify_graceful_event_loop_blocked_seconds_count', '5x40'), one(blocked, '0x40')],
    at: '5m'
  },
  {
    alert: 'GracefulEndedWhileBlocked', story: 'gone while blocked',
    series: [one(blocked, '0 0 1 stale')],
    at: '5m', value: ''
  },
  {
    alert: 'GracefulEndedWhileBlocked', story: 'it went on',
    series: [one(blocked, '0 1 0 stale')],
    at: '5m'
  },
  {
    alert: 'GracefulEndedWhileBlocked', story: 'it still stands',
    series: [one(blocked, '0 1x20')],
    at: '5m'
  },
  ...[1, 137, 143].map((code) => ({
    alert: 'GracefulForcedExit', story: `restarted after ${code}`,
    series: exits(code),
    at: '5m', value: String(code), container: 'app'
  })),
  {
    alert: 'GracefulForcedExit', story: 'a restart that was asked for',
    series: exits(0),
    at: '5m'
  },
  {
    alert: 'GracefulForcedExit', story: 'long ago',
    series: exits(137, '1x60'),
    at: '5m'
  },
  {
    alert: 'GracefulForcedExit', story: 'out of memory',
    series: [
      ...exits(137),
      one('kube_pod_container_status_last_terminated_reason', '1x40', ', container="app", reason="OOMKilled"')
    ],
    at: '5m'
  },
  {
    alert: 'GracefulDrainNearDeadline', story: '4 s of 4.5',
    series: [draining('0 0 4 stale')],
    at: '5m', value: '4s'
  },
  {
    alert: 'GracefulDrainNearDeadline', story: '3 s of 4.5',
    series: [draining('0 0 3 stale')],
    at: '5m'
  },
  {
    alert: 'GracefulDrainForgotten', story: 'drained for 20 minutes',
    series: [one('fastify_graceful_phase', '0 1x60', ', phase="announcing"')],
    at: '20m', value: ''
  },
  {
    alert: 'GracefulDrainForgotten', story: 'drained for 10 minutes',
    series: [one('fastify_graceful_phase', '0 1x60', ', phase="announcing"')],
    at: '10m'
  },
  {
    alert: 'GracefulDrainForgotten', story: 'in service',
    series: [one('fastify_graceful_phase', '0x60', ', phase="announcing"')],
    at: '20m'
  }
]

/** What an alert says of this pod. */
function said (text: string, value: string, container: string): string {
  return text
    .replaceAll('{{ $labels.namespace }}', 'default')
    .replaceAll('{{ $labels.pod }}', pod)
    .replaceAll('{{ $labels.container }}', container)
    .replaceAll(/\{\{ \$value( \| humanizeDuration)? \}\}/g, value)
}

t.test('each alert fires where it should, and nowhere else', async (t) => {
  const rules = await rulesOf()
  const path = file('rules.json', rules)
  const known = new Map(rules.groups.flatMap((group) => group.rules).map((rule) => [rule.alert, rule]))
  for (const name of known.keys()) {
    t.ok(
      stories.some(({ alert, value }) => alert === name && value !== undefined)
        && stories.some(({ alert, value }) => alert === name && value === undefined),
      `${name}: both ways`
    )
  }
  const tests = stories.map(({ alert, story, series, at, value, container }) => {
    const { annotations = {}, labels = {} } = known.get(alert) ?? {}
    const exp_annotations = Object.fromEntries(
      Object.entries(annotations).map(([key, text]) => [key, said(text, value ?? '', container ?? '')])
    )
    const fired = {
      exp_labels: { ...labels, namespace: 'default', pod, ...container !== undefined && { container } },
      exp_annotations
    }
    return {
      name: `${alert}: ${story}`,
      interval: '30s',
      input_series: series,
      alert_rule_test: [{ eval_time: at, alertname: alert, exp_alerts: value === undefined ? [] : [fired] }]
    }
  })
  const { code, stdout, stderr } = await promtool([
    'test', 'rules', file('tests.json', { rule_files: [path], evaluation_interval: '30s', tests })
  ])
  t.equal(code, 0, stdout + stderr)
  t.match(stdout + stderr, 'SUCCESS')
  // The same stories, all of them told wrongly.
  const wrong = tests.map(({ alert_rule_test: [look], ...test }) => ({
    ...test,
    alert_rule_test: [{ ...look, exp_alerts: look?.exp_alerts.length === 0 ? [{ exp_labels: { pod } }] : [] }]
  }))
  const found = await promtool([
    'test', 'rules', file('wrong.json', { rule_files: [path], evaluation_interval: '30s', tests: wrong })
  ])
  t.not(found.code, 0)
  for (const { name } of tests) t.match(found.stdout + found.stderr, name, 'and promtool sees each that is wrong')
})

/** Labels that Prometheus adds where it finds pods by Kubernetes' API. */
const ofTarget = ['namespace', 'pod']
/** From kube-state-metrics 2.9 on: docs/metrics/workload/pod-metrics.md of that project. */
const ofKubernetes: Record<string, string[]> = {
  kube_pod_container_status_last_terminated_exitcode: ['container', 'pod', 'namespace', 'uid'],
  kube_pod_container_status_last_terminated_reason: ['container', 'pod', 'namespace', 'reason', 'uid'],
  kube_pod_container_status_restarts_total: ['container', 'pod', 'namespace', 'uid']
}

/** What a scrape has: the labels of each sample's name, with their values. */
function known (scrape: string): Map<string, Map<string, Set<string>>> {
  const found = new Map<string, Map<string, Set<string>>>()
  for (const [, name = '', labels = ''] of scrape.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    const values = found.get(name) ?? new Map<string, Set<string>>()
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      values.set(label, (values.get(label) ?? new Set()).add(value))
    }
    found.set(name, values)
  }
  return found
}

/** The parts of an expression that name something: selectors with their matchers, and the labels it groups by. */
function named (expr: string): {
  selectors: Array<{ name: string, matchers: Array<{ label: string, value: string }> }>
  grouped: string[]
  rest: string
} {
  const selectors: Array<{ name: string, matchers: Array<{ label: string, value: string }> }> = []
  const grouped: string[] = []
  const rest = expr
    .replaceAll(/(\w+)\{([^}]*)\}(\[\w+\])?/g, (_all, name: string, matchers: string) => {
      selectors.push({
        name,
        matchers: [...matchers.matchAll(/(\w+)(?:=~|!~|!=|=)"([^"]*)"/g)]
          .map(([, label = '', value = '']) => ({ label, value }))
      })
      return ' '
    })
    .replaceAll(/\b(?:by|without|on|ignoring) ?\(([^)]*)\)/g, (_all, labels: string) => {
      grouped.push(...labels.split(',').map((label) => label.trim()))
      return ' '
    })
    .replaceAll(/\b(?:and|or|unless)\b|\b\w+(?= *\()|\b[\d.]+\b|[-+*/<>=!(),\s]/g, '')
  return { selectors, grouped, rest }
}

t.test('what a real run exposes is well formed, and has all that the alerts and the dashboard name', async (t) => {
  const app = build({ metrics: true })
  app.get('/', async () => 'ok')
  await app.register(async () => { app.graceful.addCheck('database', async () => { throw new Error('gone') }) })
  const address = `http://127.0.0.1:${await bind(app)}`
  t.teardown(() => app.close())
  for (const path of ['/', '/readyz', '/livez']) await (await fetch(address + path)).text()
  const scrape = await (await fetch(`${address}/-/metrics`)).text()
  const { code, stdout, stderr } = await promtool(['check', 'metrics'], scrape)
  t.equal(code, 0, stdout + stderr)
  t.equal(stdout + stderr, '', 'nothing to complain about')
  const bad = await promtool(['check', 'metrics'], '# TYPE requests counter\nrequests 1\n')
  t.not(bad.code, 0, 'it does complain')

  const samples = known(scrape)
  for (const expr of await expressions()) {
    const { selectors, grouped, rest } = named(expr)
    t.equal(rest, '', `nothing is left over of: ${expr}`)
    t.ok(selectors.length > 0)
    for (const { name, matchers } of selectors) {
      const labels = samples.get(name)
      if (name.startsWith('kube_')) {
        for (const { label } of matchers) t.ok(ofKubernetes[name]?.includes(label), `${name} has ${label}`)
        continue
      }
      t.ok(labels, `${name} exists`)
      for (const { label, value } of matchers) {
        if (ofTarget.includes(label)) continue
        for (const choice of value.split('|')) t.ok(labels?.get(label)?.has(choice), `${name} has ${label}="${choice}"`)
      }
    }
    const ours = new Set(
      selectors.flatMap(({ name }) => [...samples.get(name)?.keys() ?? [], ...ofKubernetes[name] ?? []])
    )
    for (const label of grouped) t.ok(ofTarget.includes(label) || ours.has(label), `${label} in: ${expr}`)
  }
  t.same(
    named('sum by (x) (rate(a{b="c"}[5m])) > nothing').rest,
    'nothing',
    'a metric without a selector would be seen'
  )
})

/** Whoever looks chooses it. */
// oxlint-disable-next-line no-template-curly-in-string -- Grafana's own form
const datasourceVariable = '${datasource}'
/** Units of Grafana that are used. */
const units = ['none', 's', 'ops']

t.test('the dashboard is one that Grafana takes, and shows all it has', async (t) => {
  const { uid, title, schemaVersion, templating, panels } = await dashboard()
  t.match(uid, /^[\w-]{1,40}$/)
  t.equal(title, 'fastify-graceful')
  t.ok(schemaVersion >= 36)
  t.same(
    templating.list.map(({ name, type, hide }) => [name, type, hide]),
    [['datasource', 'datasource', 0], ['namespace', 'query', 0], ['pod', 'query', 0]]
  )
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'ids')
  const taken = new Set<string>()
  for (const {
    type, title, description = '', collapsed, datasource, gridPos: { x, y, w, h }, fieldConfig, targets = []
  } of panels) {
    t.ok(x >= 0 && w > 0 && x + w <= 24 && h > 0, `${title}: inside the grid`)
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        if (taken.has(`${column},${line}`)) t.fail(`${title}: lies over another panel`)
        taken.add(`${column},${line}`)
      }
    }
    if (type === 'row') {
      t.equal(collapsed, false, `${title}: open`)
      continue
    }
    t.ok(description.length > 20 && description.endsWith('.'), `${title}: says what it shows`)
    t.ok(units.includes(fieldConfig.defaults.unit ?? ''), `${title}: unit`)
    t.ok(targets.length > 0 && targets.every(({ hide }) => hide !== true), `${title}: nothing hidden`)
    t.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length)
    for (const { uid } of [datasource ?? { uid: '' }, ...targets.map((target) => target.datasource)]) {
      t.equal(uid, datasourceVariable, `${title}: the chosen data source`)
    }
  }
  t.equal(taken.size, 24 * Math.max(...panels.map(({ gridPos: { y, h } }) => y + h)), 'without gaps')
})

t.test('Prometheus takes every expression of the dashboard', async (t) => {
  const exprs = (await dashboard()).panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => filled(expr)))
  const rules = {
    groups: [{
      name: 'dashboard',
      rules: exprs.map((expr, index) => ({ record: `dashboard:panel_${index}`, expr }))
    }]
  }
  const { code, stdout, stderr } = await promtool(['check', 'rules', file('dashboard.json', rules)])
  t.equal(code, 0, stderr)
  t.match(stdout, `SUCCESS: ${exprs.length} rules found`)
  t.notMatch(exprs.join(), /\$/, 'no variable that a test does not know')
  // The phase of a pod as a number.
  const timeline = exprs.find((expr) => expr.startsWith('max by (pod) (fastify_graceful_phase{'))
  const phases = ['running', 'announcing', 'closing', 'draining', 'terminated'].map((phase, number) =>
    one('fastify_graceful_phase', number === 3 ? '1' : '0', `, phase="${phase}"`))
  const tests = [{
    interval: '30s',
    input_series: phases,
    promql_expr_test: [
      { expr: timeline, eval_time: '0m', exp_samples: [{ labels: `{pod="${pod}"}`, value: 3 }] }
    ]
  }]
  const looked = await promtool(['test', 'rules', file('timeline.json', { rule_files: [], tests })])
  t.equal(looked.code, 0, looked.stdout + looked.stderr)
})

t.test(
  'off by default; the ConfigMap holds the dashboard as it is, under the label that the sidecar looks for',
  async (t) => {
    const kinds = (await render({}, ...withApi)).map(({ kind }) => kind)
    t.notOk(kinds.includes('PrometheusRule') || kinds.includes('ConfigMap') || kinds.includes('PodMonitor'))
    t.notOk(
      (await render({ prometheusRule: { enabled: true } })).some(({ kind }) => kind === 'PrometheusRule'),
      'no rule without its API'
    )
    const manifests = await render({
      dashboard: { enabled: true, annotations: { grafana_folder: 'Services' } },
      prometheusRule: { enabled: true, severity: 'page', labels: { release: 'prometheus' } },
      commonAnnotations: { 'example.org/owner': 'north' }
    }, ...withApi)
    const map = only(manifests, 'ConfigMap')
    t.match(map.metadata, {
      labels: { grafana_dashboard: '1' },
      annotations: { grafana_folder: 'Services', 'example.org/owner': 'north' }
    })
    t.same(map['data'], { 'fastify-graceful.json': (await dashboardText()).trim() })
    const rule = only(manifests, 'PrometheusRule')
    t.match(rule.metadata.labels, { release: 'prometheus' })
    t.ok((rule['spec'] as Groups).groups.every(
      ({ rules }) => rules.every(({ labels }) => labels['severity'] === 'page')
    ))
  }
)
