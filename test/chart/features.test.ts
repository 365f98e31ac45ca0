import t from 'tap'
import { cases } from './cases.ts'
import type { Manifest } from './manifests.ts'
import { containerOf, environmentOf, only, podOf } from './pod.ts'
import { Cases, render, service, template } from './render.ts'
import type { Values } from './render.ts'
import { helm } from './tools.ts'

type Rendered = Map<string, Manifest[]>

const { dual = {}, serviced = {}, accompanied = {}, paused = {}, drainable = {} } = cases
const every = new Cases(cases)
const few = new Cases({ dual, serviced, accompanied, paused, drainable })
t.teardown(() => [every, few].forEach((parent) => parent.remove()))
const api = ['--api-versions', 'monitoring.coreos.com/v1']
const now = await every.render('1.36', ...api)
const [before, old] = await Promise.all([few.render('1.33'), few.render('1.25')])

const specOf = (from: Rendered, name: string, kind: string): Values => only(from.get(name) ?? [], kind)['spec'] as Values
const podIn = (from: Rendered, name: string): Values => podOf(from.get(name) ?? [])
const kindsOf = (name: string): string[] => (now.get(name) ?? []).map(({ kind }) => kind)
const backend = (name: string): object => ({ service: { name: `rel-${name}`, port: { name: 'http' } } })
const lifecycle = (from: Rendered, name: string): unknown => containerOf(from.get(name) ?? []).lifecycle
const constraints = (from: Rendered, name: string): Values[] => podIn(from, name)['topologySpreadConstraints'] as Values[]
const mounted = (name: string): unknown[] => [
  podIn(now, name)['automountServiceAccountToken'],
  only(now.get(name) ?? [], 'ServiceAccount')['automountServiceAccountToken']
]
const scheme = async (values: Values): Promise<unknown> => {
  const monitor = only(await render({ serviceMonitor: { enabled: true }, ...values }, ...api), 'ServiceMonitor')
  const { endpoints: [endpoint] } = monitor['spec'] as { endpoints: Values[] }
  return [endpoint?.['port'] ?? endpoint?.['targetPort'], endpoint?.['scheme'] ?? 'http']
}
const route = (request: string): Values => ({
  httpRoute: { enabled: true, parentRefs: [{ name: 'a' }], timeouts: { request } }
})

t.test('an Ingress', async (t) => {
  t.strictSame(specOf(now, 'routed', 'Ingress'), {
    ingressClassName: 'nginx',
    tls: [{ secretName: 'shop-tls', hosts: ['shop.example', '*.shop.example'] }],
    rules: [
      {
        host: 'shop.example',
        http: {
          paths: [
            { path: '/health', pathType: 'Exact', backend: backend('routed') },
            { path: '/', pathType: 'Prefix', backend: backend('routed') }
          ]
        }
      },
      { host: '*.shop.example', http: { paths: [{ path: '/', pathType: 'Prefix', backend: backend('routed') }] } }
    ]
  })
  t.match(only(now.get('routed') ?? [], 'Ingress').metadata.annotations, {
    'example.org/ingress': 'yes',
    'nginx.ingress.kubernetes.io/backend-protocol': 'HTTPS'
  }, 'whose controller is told that the service speaks TLS')
  t.strictSame(specOf(now, 'anyhost', 'Ingress'), {
    tls: [{ hosts: ['shop.example'] }],
    rules: [{ http: { paths: [{ path: '/', pathType: 'Prefix', backend: backend('anyhost') }] } }]
  })
  t.equal(only(now.get('anyhost') ?? [], 'Ingress').metadata.annotations, undefined)
  const own = await render({
    preset: 'alb', probes: { scheme: 'HTTPS' },
    ingress: { enabled: true, annotations: { 'alb.ingress.kubernetes.io/backend-protocol': 'HTTP' } }
  })
  t.strictSame(
    only(own, 'Ingress').metadata.annotations,
    { 'alb.ingress.kubernetes.io/backend-protocol': 'HTTP' },
    'what is given wins'
  )
  const names = only(now.get('routed') ?? [], 'Service')['spec'] as { ports: Array<{ name: string }> }
  t.ok(names.ports.some(({ name }) => name === 'http'), 'the Service has the port by that name')
})

t.test('an HTTPRoute', async (t) => {
  t.strictSame(specOf(now, 'gateway', 'HTTPRoute'), {
    parentRefs: [{ name: 'shop', namespace: 'edge', sectionName: 'https' }],
    hostnames: ['shop.example'],
    rules: [{
      matches: [{ path: { type: 'PathPrefix', value: '/shop' } }],
      filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-shop', value: 'yes' }] } }],
      timeouts: { request: '10s', backendRequest: '2s500ms' },
      retry: { attempts: 2, codes: [503] },
      backendRefs: [{ name: 'rel-gateway', port: 80, weight: 90 }, { name: 'canary', port: 80, weight: 10 }]
    }]
  })
  const { rules } = specOf(now, 'rules', 'HTTPRoute')
  t.strictSame(rules, [
    {
      matches: [{ path: { value: '/a' } }],
      timeouts: { request: '0s' },
      backendRefs: [{ name: 'rel-rules', port: 80, weight: 0 }, { name: 'blue', port: 80 }]
    },
    { timeouts: { request: '1m' }, backendRefs: [{ name: 'rel-rules', port: 80, weight: 0 }] }
  ], 'a weight of 0 drains the release, and what a rule says itself stays')
  const plain = await render({ httpRoute: { enabled: true, parentRefs: [{ name: 'shop' }] }, service: { port: 8080 } })
  t.match(only(plain, 'HTTPRoute'), { apiVersion: 'gateway.networking.k8s.io/v1' })
  t.strictSame(only(plain, 'HTTPRoute')['spec'], {
    parentRefs: [{ name: 'shop' }],
    rules: [{ backendRefs: [{ name: 'rel-graceful-service', port: 8080 }] }]
  })
  const older = await render(cases['gateway'], '--api-versions', 'gateway.networking.k8s.io/v1beta1')
  t.equal(only(older, 'HTTPRoute').apiVersion, 'gateway.networking.k8s.io/v1beta1', 'where the cluster has no other')
})

t.test('addresses and neighbours', async (t) => {
  t.match(specOf(now, 'dual', 'Service'), {
    ipFamilyPolicy: 'PreferDualStack', ipFamilies: ['IPv6', 'IPv4'], trafficDistribution: 'PreferSameNode'
  })
  t.equal(specOf(before, 'dual', 'Service')['trafficDistribution'], 'PreferClose', 'what 1.33 knows')
  t.notOk('trafficDistribution' in specOf(old, 'dual', 'Service'), 'and 1.25 knows none')
  t.match(specOf(now, 'sixonly', 'Service'), { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv6'] })
  t.equal(environmentOf(now.get('sixonly') ?? [], '')['GRACEFUL_WATCHDOG_HOST'], '::')
  t.notMatch(JSON.stringify(now.get('sixonly')), /0\.0\.0\.0|127\.0\.0\.1/, 'nothing is of IPv4 alone')
  t.match(podIn(now, 'named'), {
    hostAliases: [{ ip: 'fd00::7', hostnames: ['database', 'database.internal'] }],
    dnsPolicy: 'None',
    dnsConfig: { nameservers: ['10.96.0.10', 'fd00::a'], options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }] }
  })
  for (const field of ['hostAliases', 'dnsPolicy', 'dnsConfig']) t.notOk(field in podIn(now, 'clusterip'), field)
})

t.test('hooks after the start', async (t) => {
  t.strictSame(lifecycle(now, 'started'), {
    postStart: { exec: { command: ['sh', '-c', 'date > /tmp/started'] } }, preStop: { sleep: { seconds: 5 } }
  })
  t.strictSame(lifecycle(now, 'paused'), { postStart: { sleep: { seconds: 2 } } })
  t.strictSame(lifecycle(old, 'paused'), { postStart: { exec: { command: ['sleep', '2'] } } })
  t.strictSame(lifecycle(now, 'asked'), cases['asked'] === undefined ? {} : { postStart: cases['asked']['postStart'] })
  t.strictSame(lifecycle(now, 'connected'), { postStart: { tcpSocket: { port: 3000 } } })
  t.equal(lifecycle(now, 'clusterip'), undefined)
})

t.test('native sidecars, and what they are where there are none', async (t) => {
  interface Named { name: string, restartPolicy?: string }
  const names = (from: Rendered, field: string): unknown => (podIn(from, 'accompanied')[field] as Named[] | undefined)
    ?.map(({ name, restartPolicy }) => restartPolicy === undefined ? name : `${name}: ${restartPolicy}`)
  t.strictSame(names(now, 'initContainers'), ['proxy: Always', 'log: Always', 'migrate'])
  t.strictSame(names(now, 'containers'), ['app', 'beside'])
  t.strictSame(names(old, 'initContainers'), ['migrate'])
  t.strictSame(names(old, 'containers'), ['app', 'proxy', 'log', 'beside'])
  for (const from of [now, old]) {
    const { ingress } = specOf(from, 'accompanied', 'NetworkPolicy')
    const [{ ports }] = ingress as [{ ports: Array<{ port: number }> }]
    t.ok(ports.some(({ port }) => port === 15_000), 'whose ports stay open')
  }
})

t.test('replicas belong to whoever scales', async (t) => {
  for (const name of ['keda', 'ownerless', 'autoscaled', 'measured']) {
    t.notOk('replicas' in specOf(now, name, 'Deployment'), name)
  }
  t.equal(specOf(now, 'clusterip', 'Deployment')['replicas'], 2)
  for (const name of ['keda', 'ownerless']) t.notOk(kindsOf(name).includes('HorizontalPodAutoscaler'), name)
  const delay = (name: string): unknown =>
    environmentOf(now.get(name) ?? [], '')['GRACEFUL_ANNOUNCE_READINESS_DELAY_SECONDS']
  t.equal(delay('keda'), '15', 'who may be the last one stays ready')
  t.equal(delay('ownerless'), undefined, 'of whom nothing is known')
  t.match(specOf(now, 'measured', 'HorizontalPodAutoscaler'), {
    metrics: [{ type: 'ContainerResource' }, { type: 'Pods' }],
    behavior: {
      scaleUp: { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] },
      scaleDown: { stabilizationWindowSeconds: 300 }
    }
  })
  t.equal((specOf(now, 'measured', 'HorizontalPodAutoscaler')['metrics'] as unknown[]).length, 2)
})

t.test('updates, evictions and places', async (t) => {
  t.strictSame(specOf(now, 'recreated', 'Deployment')['strategy'], { type: 'Recreate' })
  t.strictSame(specOf(now, 'everything', 'Deployment')['strategy'], {
    type: 'RollingUpdate', rollingUpdate: { maxSurge: '50%', maxUnavailable: 1 }
  })
  const { selector: _selector, ...budget } = specOf(now, 'budgeted', 'PodDisruptionBudget')
  t.strictSame(budget, { minAvailable: '50%', unhealthyPodEvictionPolicy: 'IfHealthyBudget' })
  const none = await render({ podDisruptionBudget: { minAvailable: 0 } })
  t.match(only(none, 'PodDisruptionBudget'), { spec: { minAvailable: 0 } }, 'zero is a number, too')
  const matchLabels = { 'app.kubernetes.io/name': 'spread', 'app.kubernetes.io/instance': 'rel' }
  t.strictSame(constraints(now, 'spread')[0], {
    topologyKey: 'kubernetes.io/hostname', maxSkew: 1, minDomains: 2, whenUnsatisfiable: 'DoNotSchedule',
    nodeTaintsPolicy: 'Ignore', nodeAffinityPolicy: 'Honor', matchLabelKeys: ['pod-template-hash'],
    labelSelector: { matchLabels }
  })
  t.match(constraints(now, 'drainable'), [{ nodeTaintsPolicy: 'Honor' }, { nodeTaintsPolicy: 'Honor' }],
    'a node that is being drained keeps no pod waiting')
  t.notOk('nodeTaintsPolicy' in (constraints(old, 'drainable')[0] ?? {}))
  t.notOk('nodeTaintsPolicy' in (constraints(now, 'clusterip')[0] ?? {}))
  t.match(constraints(now, 'constrained'), [
    {
      topologyKey: 'rack',
      labelSelector: { matchLabels: { ...matchLabels, 'app.kubernetes.io/name': 'constrained' } }
    },
    { topologyKey: 'row', labelSelector: { matchLabels: { tier: 'front' } } }
  ])
  t.equal(constraints(now, 'constrained').length, 2)
})

t.test('the token of the service account', async (t) => {
  t.strictSame(mounted('trusted'), [true, true])
  t.strictSame(mounted('clusterip'), [false, false])
})

t.test('scraping by way of the Service', async (t) => {
  t.strictSame(specOf(now, 'serviced', 'ServiceMonitor'), {
    selector: { matchLabels: { 'app.kubernetes.io/name': 'serviced', 'app.kubernetes.io/instance': 'rel' } },
    endpoints: [{ port: 'http', path: '/-/metrics', interval: '30s' }]
  })
  t.match(only(now.get('serviced') ?? [], 'Service').metadata.labels, {
    'app.kubernetes.io/name': 'serviced', 'app.kubernetes.io/instance': 'rel'
  }, 'which has the labels that are looked for')
  t.strictSame(specOf(now, 'servicedapart', 'ServiceMonitor')['endpoints'], [{
    targetPort: 'probes', path: '/internal/metrics', interval: '1m', scrapeTimeout: '20s', scheme: 'https',
    tlsConfig: { insecureSkipVerify: true, serverName: 'shop.example' },
    relabelings: [{ action: 'labeldrop', regex: 'pod' }],
    metricRelabelings: [{ action: 'drop', sourceLabels: ['__name__'], regex: 'nodejs_.*' }]
  }])
  const { ingress } = specOf(now, 'servicedapart', 'NetworkPolicy')
  t.match(ingress, [
    { ports: [{ port: 3000 }] },
    { ports: [{ port: 9000 }], from: [{ podSelector: { matchLabels: { scraper: 'yes' } } }] }
  ], 'and is let in')
  t.notOk((before.get('serviced') ?? []).some(({ kind }) => kind === 'ServiceMonitor'), 'none without its API')
  t.strictSame(await scheme({ probes: { scheme: 'HTTPS' } }), ['http', 'https'], 'the scheme is that of the port')
  t.strictSame(await scheme({ probes: { scheme: 'HTTPS', port: 9000 } }), ['probes', 'http'])
  t.strictSame(
    await scheme({ probes: { scheme: 'HTTPS' }, serviceMonitor: { enabled: true, scheme: 'http' } }),
    ['http', 'http']
  )
})

t.test('more objects are templates, and nothing else is', async (t) => {
  const maps = (now.get('furnished') ?? []).filter(({ kind }) => kind === 'ConfigMap')
  t.strictSame(maps.map(({ metadata }) => metadata.name), ['rel-map', 'rel-furnished-text'])
  t.match(maps[0], { data: { answer: '42' } }, 'a text stays one')
  const text = '{{ .Release.Name }}'
  const manifests = await render({
    podAnnotations: { text }, commonAnnotations: { other: text }, args: [text], extraEnv: [{ name: 'A', value: text }],
    ingress: { enabled: true, annotations: { text } }, sidecars: [{ name: 'a', image: text }],
    extraObjects: [{
      apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'map' }, data: { text: '{{ "{{" }} $labels.pod }}' }
    }]
  })
  t.equal(JSON.stringify(manifests).split(text).length - 1, 11, 'every other value is taken as it is')
  t.match(only(manifests, 'ConfigMap'), { data: { text: '{{ $labels.pod }}' } })
})

t.test('what cannot be changed later does not change with the values', async (t) => {
  for (const [name, manifests] of now) {
    if (name === 'everything') continue
    const labels = { 'app.kubernetes.io/name': name, 'app.kubernetes.io/instance': 'rel' }
    const { selector } = specOf(now, name, 'Deployment')
    t.strictSame(selector, { matchLabels: labels }, `${name}: the selector of the Deployment`)
    t.strictSame(specOf(now, name, 'Service')['selector'], labels, `${name}: of the Service`)
    t.equal(only(manifests, 'Deployment').metadata.name, `rel-${name}`)
  }
})

const notes = async (values: Values, ...args: string[]): Promise<string> => {
  const given = JSON.stringify({ image: { repository: 'shop' }, ...values })
  const install = ['install', 'rel', service, '--dry-run=client', '--values', '-', ...args]
  const { stdout, stderr, code } = await helm(install, given)
  if (code !== 0) throw new Error(stderr)
  return stdout.split('NOTES:')[1] ?? ''
}

t.test('the notes warn of what loses requests, or hangs', async (t) => {
  const rows: Array<[string, Values, RegExp, Values]> = [
    ['Recreate', { strategy: { type: 'Recreate' } }, /in each update no pod serves for a while/, {}],
    [
      'one replica that may be evicted', { replicaCount: 1 },
      /One replica: an update starts the new pod first, but after a node drain no pod serves/, { replicaCount: 2 }
    ],
    [
      'one replica of KEDA', { autoscaling: { external: true, minReplicas: 1 } }, /One replica/,
      { autoscaling: { external: true } }
    ],
    [
      'no eviction', { podDisruptionBudget: { maxUnavailable: 0 } }, /maxUnavailable 0 lets no pod be evicted/,
      { podDisruptionBudget: { maxUnavailable: '10%' } }
    ],
    [
      'as many as there are', { podDisruptionBudget: { minAvailable: 2 } },
      /minAvailable 2 lets no pod be evicted where there are 2/, { podDisruptionBudget: { minAvailable: 1 } }
    ],
    [
      'one replica and its budget', { replicaCount: 1, podDisruptionBudget: { minAvailable: 1 } },
      /minAvailable 1 lets no pod be evicted where there are 1/,
      { replicaCount: 1, podDisruptionBudget: { enabled: false, minAvailable: 1 } }
    ],
    [
      'all of them', { podDisruptionBudget: { minAvailable: '100%' } }, /minAvailable 100% lets no pod be evicted/,
      { podDisruptionBudget: { minAvailable: '99%' } }
    ],
    [
      'no replicas', { replicaCount: null }, /Kubernetes sets them\nto 1 with this upgrade/,
      { autoscaling: { enabled: true } }
    ],
    [
      'requests longer than a drain', route('5001ms'),
      /may take 5001ms through the HTTPRoute, but a pod that shuts down may have only 4\.5 s/, route('4s500ms')
    ],
    ['no ServiceMonitor', { serviceMonitor: { enabled: true } }, /no ServiceMonitor was created/, {}],
    [
      'what sidecars can read', { sidecars: [{ name: 'a', image: 'b' }] }, /those of the same user can read/,
      { sidecars: [{ name: 'a', image: 'b' }], shareProcessNamespace: false }
    ]
  ]
  const rest = rows.values()
  await Promise.all([1, 2].map(async () => {
    for (const [name, warned, warning, silent] of rest) {
      t.match(await notes(warned), warning, name)
      t.notMatch(await notes(silent), warning, `${name}: not otherwise`)
    }
  }))
})

t.test('a null takes a new value away without a trace', async (t) => {
  const groups = ['postStart', 'sidecars', 'hostAliases', 'dnsConfig', 'extraObjects', 'initContainers']
  const nested: Values = {
    ingress: { enabled: true, annotations: null, hosts: null, tls: null },
    httpRoute: { enabled: true, parentRefs: [{ name: 'a' }], timeouts: null, retry: null, matches: null, rules: null },
    service: { ipFamilies: null },
    autoscaling: { enabled: true, metrics: null, behavior: null },
    topologySpread: { constraints: null },
    serviceMonitor: { enabled: true, from: null, tlsConfig: null, relabelings: null }
  }
  const { code, stdout, stderr } = await template(
    { ...Object.fromEntries(groups.map((name) => [name, null])), ...nested }, ...api
  )
  t.equal(code, 0, stderr)
  t.notMatch(stdout, /null|<nil>|map\[/)
})
