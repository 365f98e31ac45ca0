import t from 'tap'
import { parse } from 'yaml'
import { cases, token } from './cases.ts'
import { droppedFields, schemaErrors, typeErrors } from './manifests.ts'
import type { Manifest, Subject } from './manifests.ts'
import { unknownToOldest } from './oldest.ts'
import { containerOf, environmentOf, only, podOf } from './pod.ts'
import { Cases, render, service, versions } from './render.ts'
import type { Values } from './render.ts'
import { helm, helm3 } from './tools.ts'

t.test('helm finds nothing to complain about', async (t) => {
  const { code, stdout, stderr } = await helm(['lint', '--strict', service, '--set', 'image.repository=shop'])
  t.equal(code, 0, stdout + stderr)
  t.match(stdout, '1 chart(s) linted, 0 chart(s) failed')
})

t.test('every manifest is what its version of Kubernetes knows', async (t) => {
  const every = new Cases(cases)
  t.teardown(() => every.remove())
  const subjects: Subject[] = []
  for (let index = 0; index < versions.length; index += 2) {
    await Promise.all(versions.slice(index, index + 2).map(async (version) => {
      const manifests = await every.render(version, '--api-versions', 'monitoring.coreos.com/v1')
      t.same(
        [...manifests.keys()].toSorted(),
        Object.keys(cases).toSorted(),
        `Kubernetes ${version} renders every case`
      )
      subjects.push({ version, manifests: [...manifests.values()].flat() })
    }))
  }
  t.ok(versions.length > 6, versions.join(' '))
  t.same(await typeErrors(subjects), [], 'no wrong type, no missing and no unknown field')
  const { manifests = [] } = subjects.find(({ version }) => version === '1.34') ?? {}
  t.ok(manifests.length > 200)
  t.same(await droppedFields(manifests), [], 'nothing that Kubernetes 1.35 drops')
  const newest = subjects.find(({ version }) => version === '1.36')?.manifests ?? []
  t.same(await schemaErrors(newest), [], 'within the bounds and patterns of Kubernetes 1.36 and of custom resources')
})

t.test('helm 3 renders the same', async (t) => {
  // In a chart below another one, helm 3.11 keeps a null as a value.
  const every = new Cases(Object.fromEntries(
    Object.entries(cases).filter(([, values]) => !JSON.stringify(values).includes('null'))
  ))
  t.teardown(() => every.remove())
  const [now, before] = await Promise.all([every.render('1.30.0'), every.renderWith(helm3, '1.30.0')])
  for (const [name, manifests] of now) t.same(before.get(name), manifests, name)
  const ownerless = await helm3(['template', 'rel', service, '--set', 'image.repository=shop,replicaCount=null'])
  t.notMatch(ownerless.stdout, /replicas:|null/)
  t.equal(ownerless.code, 0, ownerless.stderr)
  const refused = await helm3(['template', 'rel', service, '--set', 'image.repository=shop,annonce.minSeconds=5'])
  t.match(refused, { code: 1, stderr: 'Additional property annonce is not allowed' })
})

const deployment = (container: object): Manifest => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd' },
  spec: {
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', ...container }] } }
  }
})

const route = (duration: string, more = {}): Manifest => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name: 'r' },
  spec: { rules: [{ timeouts: { request: duration }, ...more }] }
})

t.test('the checks find what they are for', async (t) => {
  const sleeps = deployment({ lifecycle: { preStop: { sleep: { seconds: 5 } } } })
  const typing = deployment({ readinesProbe: { periodSeconds: 5 } })
  const wrong = deployment({ readinessProbe: { periodSeconds: '5' } })
  const errors = await typeErrors([
    { version: '1.28', manifests: [sleeps] },
    { version: '1.30', manifests: [sleeps, typing, wrong] }
  ])
  t.equal(errors.length, 3, errors.join('\n'))
  t.match(errors[0], /1\.28.*"sleep".* does not exist/)
  t.match(errors[1], /1\.30.*"readinesProbe".* does not exist/)
  t.match(errors[2], /1\.30.*'string' is not assignable to type 'number'/)
  t.match(await typeErrors([
    { version: '1.25', manifests: [route('10s', { weight: 1 })] },
    { version: '1.36', manifests: [typing] }
  ]), [/"weight".* does not exist/, /"readinesProbe".* does not exist/], 'custom resources and the newest ones, too')
  t.match(await schemaErrors([route('10s'), route('10 s'), wrong]), [
    'HTTPRoute r/spec/rules/0/timeouts/request: pattern',
    'Deployment d/spec/template/spec/containers/0/readinessProbe/periodSeconds: type {"type":"integer"}'
  ])
  t.same(await droppedFields([sleeps, typing]), ['Deployment d.spec.template.spec.containers.0.readinesProbe'])
  t.match(await droppedFields([wrong]), [/cannot unmarshal string/])
})

const find = (manifests: readonly Manifest[] | undefined, kind: string): Manifest => only(manifests ?? [], kind)
const kinds = (manifests: readonly Manifest[] | undefined): string[] =>
  (manifests ?? []).map(({ kind }) => kind).toSorted()

const hook = (from: Map<string, Manifest[]>, name: string): unknown =>
  containerOf(from.get(name) ?? []).lifecycle?.preStop

t.test('what the parts are', async (t) => {
  const every = new Cases(cases)
  t.teardown(() => every.remove())
  const { sleep = {}, http = {}, exec = {}, execapart = {}, tls = {} } = cases
  const few = new Cases({ sleep, http, exec, execapart, tls })
  t.teardown(() => few.remove())
  const { http: _http, tls: _tls, tlsapart: _tlsapart, ...forAll } = cases
  const most = new Cases(forAll)
  t.teardown(() => most.remove())
  const [plain, old, ancient] = await Promise.all([every.render('1.36'), few.render('1.25'), most.render('1.20')])

  t.test('an image alone makes what is needed, and nothing that a cluster may not have', async (t) => {
    t.same(kinds(plain.get('clusterip')), ['Deployment', 'Pod', 'PodDisruptionBudget', 'Service', 'ServiceAccount'])
    t.match(find(plain.get('clusterip'), 'Deployment'), {
      spec: {
        replicas: 2,
        minReadySeconds: 5,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        template: {
          spec: {
            automountServiceAccountToken: false,
            shareProcessNamespace: true,
            terminationGracePeriodSeconds: 30,
            securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
            containers: [{
              image: 'registry.example/shop:1',
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] }
              },
              terminationMessagePolicy: 'File'
            }]
          }
        }
      }
    })
    t.equal(containerOf(plain.get('clusterip') ?? []).lifecycle, undefined, 'SIGTERM does it all')
    t.match(find(plain.get('clusterip'), 'ServiceAccount'), { automountServiceAccountToken: false })
    t.match(find(plain.get('clusterip'), 'PodDisruptionBudget'), {
      spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow' }
    })
    t.same(kinds(plain.get('bare')), ['Deployment', 'Service'])
    t.notOk(kinds(plain.get('monitored')).includes('PodMonitor'), 'none without its API, asked for or not')
    const monitored = await render(cases['monitored'], '--api-versions', 'monitoring.coreos.com/v1')
    t.match(find(monitored, 'PodMonitor'), { metadata: { labels: { release: 'prometheus' } } })
    t.same(find(monitored, 'PodMonitor')['spec'], {
      selector: { matchLabels: { 'app.kubernetes.io/name': 'graceful-service', 'app.kubernetes.io/instance': 'rel' } },
      podMetricsEndpoints: [{ port: 'http', path: '/-/metrics', interval: '30s' }]
    })
    const apart = await render(
      { podMonitor: { enabled: true }, probes: { port: 9000 } },
      '--api-versions', 'monitoring.coreos.com/v1'
    )
    t.match(
      find(apart, 'PodMonitor'),
      { spec: { podMetricsEndpoints: [{ port: 'probes' }] } },
      'the watchdog answers to the end'
    )
  })

  t.test('the Service finds the pods of its release, and not the test pod', async (t) => {
    for (const [name, manifests] of plain) {
      const { selector } = find(manifests, 'Service')['spec'] as { selector: Record<string, string> }
      t.match(find(manifests, 'Deployment'), {
        spec: { selector: { matchLabels: selector }, template: { metadata: { labels: selector } } }
      }, name)
      const test = manifests.find(({ metadata }) => metadata.annotations?.['helm.sh/hook'] === 'test')
      t.notOk(
        test !== undefined
          && Object.entries(selector).every(([key, value]) => test.metadata.labels?.[key] === value),
        `${name}: the test pod`
      )
    }
  })

  t.test('names and labels are such that the API server takes', async (t) => {
    const long = await helm([
      'template', 'r'.repeat(53), service, '--set',
      `image.repository=shop,image.tag=v${'1'.repeat(80)}_.,nameOverride=${'n'.repeat(62)}-,admin.token=${token}`
    ])
    const manifests = long.stdout.split(/^---$/m)
      .map((text) => parse(text) as Manifest | null)
      .filter((manifest) => manifest !== null)
    t.equal(manifests.length, 6, long.stderr)
    for (const { kind, metadata } of [...manifests, ...[...plain.values()].flat()]) {
      t.match(metadata.name, /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/, `${kind} ${metadata.name}`)
      for (const [label, value] of Object.entries(metadata.labels ?? {})) {
        t.match(value, /^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/, label)
      }
    }
    const numbers = await helm([
      'template', '123', service, '--namespace', '456', '--set-string',
      'image.repository=shop,fullnameOverride=789,nameOverride=12,serviceAccount.name=34'
    ])
    for (const manifest of numbers.stdout.split(/^---$/m).map((text) => parse(text) as Manifest | null)) {
      t.notMatch(
        JSON.stringify(manifest),
        /"(name|namespace|serviceAccountName|app\.kubernetes\.io\/(name|instance))":\d/
      )
    }
    for (const [name, rendered] of plain) {
      const variables = containerOf(rendered).env.map((variable) => variable.name)
      t.same(variables, [...new Set(variables)], `${name}: no variable twice`)
    }
  })

  t.test('a part of the security context can be taken away', async (t) => {
    const { securityContext } = podOf(await render({ podSecurityContext: { runAsUser: null, runAsGroup: null } }))
    t.same(securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
    t.match(podOf(plain.get('everything') ?? []), {
      securityContext: { fsGroup: 1000, runAsUser: 10_001, runAsNonRoot: true }
    })
  })

  t.test('the autoscaler decides over the replicas', async (t) => {
    t.notOk('replicas' in (find(plain.get('autoscaled'), 'Deployment')['spec'] as object))
    t.match(find(plain.get('autoscaled'), 'HorizontalPodAutoscaler'), {
      apiVersion: 'autoscaling/v2',
      spec: {
        minReplicas: 2,
        maxReplicas: 10,
        scaleTargetRef: { kind: 'Deployment', name: 'rel-autoscaled' },
        metrics: [
          { resource: { name: 'cpu', target: { averageUtilization: 80 } } },
          { resource: { name: 'memory', target: { averageUtilization: 70 } } }
        ]
      }
    })
  })

  t.test('preStop', async (t) => {
    t.same(hook(plain, 'sleep'), { sleep: { seconds: 5 } }, 'the action where the API server has it')
    t.same(hook(old, 'sleep'), { exec: { command: ['sleep', '5'] } }, 'exec where it has not')
    t.same(hook(plain, 'fraction'), { exec: { command: ['sleep', '2.5'] } }, 'exec for what the action cannot')
    t.same(hook(plain, 'command'), { exec: { command: ['node', '-e', 'setTimeout(Object, 5000)'] } })
    const called = (from: typeof plain, name: string): unknown =>
      (hook(from, name) as { exec?: { command: string[] } } | undefined)?.exec?.command.at(-1)
    t.match(called(old, 'exec'), /'node:http'[^]*"host":"localhost","method":"POST","path":"\/-\/prestop","port":3000/)
    t.match(called(old, 'execapart'), /'node:http'[^]*"host":"127\.0\.0\.1"[^]*"port":9000/)
    t.same(hook(old, 'http'), {
      httpGet: {
        path: '/-/prestop',
        port: 3000,
        httpHeaders: [{ name: 'Authorization', value: `Bearer ${token}` }]
      }
    })
    t.same(hook(old, 'tls'), {
      httpGet: {
        path: '/admin/prestop',
        port: 3000,
        scheme: 'HTTPS',
        httpHeaders: [{ name: 'Authorization', value: `Bearer ${token}` }]
      }
    })
    t.equal(
      environmentOf(plain.get('http') ?? [], '')['PRESTOP_SECONDS'],
      undefined,
      'the call starts the clock itself'
    )
  })

  t.test('the token', async (t) => {
    t.match(find(plain.get('http'), 'Secret'), { metadata: { name: 'rel-http-admin' }, stringData: { token } })
    const volume = (name: string): unknown => {
      const volumes = podOf(plain.get(name) ?? [])['volumes'] as Array<{ name: string, secret?: unknown }>
      return volumes.find(({ name: own }) => own === 'graceful-admin')?.secret
    }
    const defaultMode = 0o444
    t.same(volume('http'), { secretName: 'rel-http-admin', defaultMode, items: [{ key: 'token', path: 'token' }] })
    t.same(volume('secret'), { secretName: 'tokens', defaultMode, items: [{ key: 'admin', path: 'token' }] })
    t.notOk(kinds(plain.get('secret')).includes('Secret'))
    t.equal(volume('clusterip'), undefined)
  })

  t.test('the network policy lets the service in first', async (t) => {
    t.match(find(plain.get('open'), 'NetworkPolicy'), {
      spec: { policyTypes: ['Ingress'], ingress: [{ ports: [{ protocol: 'TCP', port: 3000 }] }] }
    })
    t.notOk(
      'from' in ((find(plain.get('open'), 'NetworkPolicy')['spec'] as { ingress: object[] }).ingress[0] ?? {}),
      'from everywhere'
    )
    const test = plain.get('closed')?.find(({ metadata }) => metadata.annotations?.['helm.sh/hook'] === 'test')
    t.match(find(plain.get('closed'), 'NetworkPolicy'), {
      spec: {
        policyTypes: ['Ingress', 'Egress'],
        ingress: [
          {
            ports: [{ port: 3000 }],
            from: [
              { namespaceSelector: {} },
              {
                podSelector: {
                  matchLabels: { 'app.kubernetes.io/name': test?.metadata.labels?.['app.kubernetes.io/name'] }
                }
              }
            ]
          },
          { ports: [{ port: 9090 }] }
        ]
      }
    })
  })

  t.test('what stands in front', async (t) => {
    const times = (name: string): Record<string, string> => Object.fromEntries(
      Object.entries(environmentOf(plain.get(name) ?? [], '')).flatMap(([variable, value]) =>
        /^(?:GRACEFUL_ANNOUNCE_|GRACEFUL_EXTERNAL_|TERM)/.test(variable)
          ? [[variable.replace(/^GRACEFUL_|_SECONDS$/g, ''), value]]
          : [])
    )
    const annotations = (name: string): unknown => find(plain.get(name), 'Service').metadata.annotations
    t.same(times('clusterip'), { TERMINATION_GRACE_PERIOD: '30' })
    t.same(times('alb'), {
      TERMINATION_GRACE_PERIOD: '60',
      ANNOUNCE_MIN: '15',
      ANNOUNCE_BLIND: '30',
      EXTERNAL_PATH: '/lbz'
    })
    t.match(annotations('alb'), {
      'alb.ingress.kubernetes.io/healthcheck-path': '/lbz',
      'alb.ingress.kubernetes.io/target-type': 'ip'
    }, 'whose default is /')
    t.same(times('nlb'), {
      TERMINATION_GRACE_PERIOD: '180',
      ANNOUNCE_MIN: '45',
      ANNOUNCE_BLIND: '60',
      ANNOUNCE_MAX: '130',
      EXTERNAL_PATH: '/lbz'
    })
    t.match(find(plain.get('nlb'), 'Service')['spec'], {
      type: 'LoadBalancer',
      loadBalancerClass: 'service.k8s.aws/nlb'
    })
    t.match(annotations('nlb'), {
      'service.beta.kubernetes.io/aws-load-balancer-healthcheck-protocol': 'http',
      'service.beta.kubernetes.io/aws-load-balancer-healthcheck-path': '/lbz'
    })
    t.match(find(await render({ preset: 'nlb', probes: { scheme: 'HTTPS' } }), 'Service').metadata.annotations, {
      'service.beta.kubernetes.io/aws-load-balancer-healthcheck-protocol': 'https'
    })
    t.same(times('gke-neg'), { TERMINATION_GRACE_PERIOD: '75', ANNOUNCE_MIN: '20', ANNOUNCE_BLIND: '40' })
    t.same(times('gke-l4'), {
      TERMINATION_GRACE_PERIOD: '45',
      ANNOUNCE_MIN: '15',
      ANNOUNCE_BLIND: '20',
      ANNOUNCE_READINESS_DELAY: '15'
    })
    t.match(find(plain.get('gke-l4'), 'Service')['spec'], { type: 'LoadBalancer', externalTrafficPolicy: 'Local' })
    t.same(times('ingress-nginx'), { TERMINATION_GRACE_PERIOD: '30', ANNOUNCE_MIN: '7', ANNOUNCE_BLIND: '15' })
    t.same(times('istio'), {
      TERMINATION_GRACE_PERIOD: '45',
      ANNOUNCE_MIN: '12',
      ANNOUNCE_BLIND: '12',
      ANNOUNCE_MAX: '12',
      ANNOUNCE_SHED: 'off'
    })
    t.same(times('envoy-gateway'), {
      TERMINATION_GRACE_PERIOD: '30',
      ANNOUNCE_MIN: '10',
      ANNOUNCE_BLIND: '10',
      ANNOUNCE_MAX: '10',
      ANNOUNCE_SHED: 'off',
      ANNOUNCE_ENVOY: 'true'
    })
    t.same(times('spot'), { TERMINATION_GRACE_PERIOD: '15', ANNOUNCE_MIN: '4', ANNOUNCE_BLIND: '7' })
    const proxy = (name: string): unknown =>
      (find(plain.get(name), 'Deployment')['spec'] as { template: { metadata: Manifest['metadata'] } })
        .template.metadata.annotations?.['proxy.istio.io/config']
    t.same(
      parse(String(proxy('istio'))),
      { terminationDrainDuration: '44s' },
      'longer than the application has, shorter than the grace period'
    )
    t.same(
      parse(String(proxy('everything'))),
      { terminationDrainDuration: '88s', concurrency: 2 },
      'beside what else the proxy is told'
    )
    t.equal(proxy('clusterip'), undefined)
  })

  t.test('the last pod that can serve stays ready', async (t) => {
    const delay = (name: string): unknown =>
      environmentOf(plain.get(name) ?? [], '')['GRACEFUL_ANNOUNCE_READINESS_DELAY_SECONDS']
    t.equal(delay('single'), '15')
    t.equal(delay('local'), '15')
    t.equal(delay('clusterip'), undefined)
    t.equal(
      environmentOf(plain.get('single') ?? [], '')['GRACEFUL_ANNOUNCE_MIN_SECONDS'],
      '15',
      'and announces as long'
    )
    const one = await render({ preset: 'spot', replicaCount: 1 })
    t.match(environmentOf(one, ''), {
      GRACEFUL_ANNOUNCE_READINESS_DELAY_SECONDS: '7.25',
      GRACEFUL_ANNOUNCE_MIN_SECONDS: '7.25'
    }, 'as far as the grace period goes')
    const scaled = await render({
      autoscaling: { enabled: true, minReplicas: 1 },
      resources: { requests: { cpu: '1' } },
      announce: { minSeconds: 3 },
      preStop: { mode: 'sleep', seconds: 5 }
    })
    t.match(environmentOf(scaled, ''), {
      GRACEFUL_ANNOUNCE_READINESS_DELAY_SECONDS: '10',
      GRACEFUL_ANNOUNCE_MIN_SECONDS: '3'
    }, 'a preStop hook counts, and what is given stays')
  })

  t.test('older clusters get what they know', async (t) => {
    t.equal(find(ancient.get('clusterip'), 'PodDisruptionBudget').apiVersion, 'policy/v1beta1')
    t.notOk('unhealthyPodEvictionPolicy' in (find(ancient.get('clusterip'), 'PodDisruptionBudget')['spec'] as object))
    t.equal(find(ancient.get('autoscaled'), 'HorizontalPodAutoscaler').apiVersion, 'autoscaling/v2beta2')
    t.same(await typeErrors([{
      version: '1.25',
      manifests: [...ancient.values()].flat().filter(({ apiVersion }) => !apiVersion.includes('beta'))
    }]), [])
    const unknown = [...ancient.values()].flat().flatMap((manifest) => unknownToOldest(manifest))
    t.same([...new Set(unknown)], ['gateway.networking.k8s.io/v1 HTTPRoute'], 'no field that 1.20 does not know')
    t.match(find(ancient.get('nlb'), 'Service').metadata.annotations, {
      'service.beta.kubernetes.io/aws-load-balancer-type': 'external'
    }, 'in place of the class of the balancer')
    t.notOk(
      'service.beta.kubernetes.io/aws-load-balancer-type' in (find(plain.get('nlb'), 'Service').metadata.annotations ?? {})
    )
  })
})

t.test('whoever asks a pod speaks what its port speaks', async (t) => {
  type Get = { httpGet?: { port: number, scheme?: string } }
  interface Expected {
    probes: [port: number, scheme: string]
    preStop?: string
    scrape: [port: string, scheme: string, tls?: unknown]
    test: string
    balancer?: string
  }
  type Row = [name: string, values: Values, expected: Expected]
  const http = { mode: 'http' }
  const skips = { insecureSkipVerify: true }
  const rows: Row[] = [
    [
      'plain',
      {},
      { probes: [3000, 'HTTP'], scrape: ['http', 'http'], test: 'http' }
    ],
    [
      'plain, with a port of its own',
      { probes: { port: 9000 } },
      { probes: [9000, 'HTTP'], scrape: ['probes', 'http'], test: 'http' }
    ],
    [
      'TLS',
      { probes: { scheme: 'HTTPS' }, preset: 'alb' },
      { probes: [3000, 'HTTPS'], scrape: ['http', 'https', skips], test: 'https', balancer: 'HTTPS' }
    ],
    [
      'TLS, with a port of its own',
      { probes: { scheme: 'HTTPS', port: 9000 }, preset: 'nlb' },
      { probes: [9000, 'HTTP'], scrape: ['probes', 'http'], test: 'https', balancer: 'https' }
    ],
    [
      'TLS, with a port of its own, scraped on the other',
      { probes: { scheme: 'HTTPS', port: 9000 }, podMonitor: { port: 'http' } },
      { probes: [9000, 'HTTP'], scrape: ['http', 'https', skips], test: 'https' }
    ],
    [
      'TLS and preStop',
      { probes: { scheme: 'HTTPS', port: 9000 }, preStop: http, admin: { token } },
      { probes: [9000, 'HTTP'], preStop: 'HTTPS', scrape: ['probes', 'http'], test: 'https' }
    ],
    [
      'plain and preStop',
      { probes: { port: 9000 }, preStop: http, admin: { token } },
      { probes: [9000, 'HTTP'], preStop: 'HTTP', scrape: ['probes', 'http'], test: 'http' }
    ],
    [
      'TLS that Prometheus verifies',
      {
        probes: { scheme: 'HTTPS' },
        podMonitor: { tlsConfig: { insecureSkipVerify: false, serverName: 'shop.example' } }
      },
      {
        probes: [3000, 'HTTPS'],
        scrape: ['http', 'https', { insecureSkipVerify: false, serverName: 'shop.example' }],
        test: 'https'
      }
    ],
    [
      'HTTP/2 without TLS',
      { service: { appProtocol: 'kubernetes.io/h2c' }, probes: { port: 9000 } },
      { probes: [9000, 'HTTP'], scrape: ['probes', 'http'], test: 'http' }
    ]
  ]
  for (const [name, values, { probes, preStop, scrape: [port, scheme, tls], test, balancer }] of rows) {
    const manifests = await render(
      { ...values, podMonitor: { enabled: true, ...values['podMonitor'] as Values | undefined } },
      '--api-versions', 'monitoring.coreos.com/v1'
    )
    const container = containerOf(manifests) as unknown as Record<string, Get> & { lifecycle?: { preStop: Get } }
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
      const { httpGet } = container[probe] ?? {}
      t.same([httpGet?.port, httpGet?.scheme ?? 'HTTP'], probes, `${name}: ${probe}`)
    }
    const before = container.lifecycle?.preStop.httpGet
    t.same(
      before === undefined ? undefined : [before.port, before.scheme ?? 'HTTP'],
      preStop === undefined ? undefined : [3000, preStop],
      `${name}: preStop`
    )
    const { podMetricsEndpoints: [endpoint] } = find(manifests, 'PodMonitor')['spec'] as {
      podMetricsEndpoints: Array<{ port: string, scheme?: string, tlsConfig?: unknown }>
    }
    t.same([endpoint?.port, endpoint?.scheme ?? 'http', endpoint?.tlsConfig], [port, scheme, tls], `${name}: scrapes`)
    const pod = manifests.find(
      ({ kind, metadata }) => kind === 'Pod' && metadata.annotations?.['helm.sh/hook'] === 'test'
    )
    t.ok(
      JSON.stringify(pod).includes(`"${test}://rel-graceful-service.default:80`.replace('"', '\\"')),
      `${name}: the test pod`
    )
    t.equal(
      JSON.stringify(pod).includes('NODE_TLS_REJECT_UNAUTHORIZED'),
      test === 'https',
      `${name}: which asks as the kubelet does`
    )
    const annotations = Object.entries(find(manifests, 'Service').metadata.annotations ?? {})
    t.equal(
      annotations.find(([annotation]) => annotation.endsWith('healthcheck-protocol'))?.[1],
      balancer,
      `${name}: the balancer`
    )
  }
  t.match(await notes('--set', 'probes.scheme=HTTPS,probes.port=9000'), 'The kubelet asks port 9000 over plain HTTP')
  t.notMatch(await notes('--set', 'probes.scheme=HTTPS'), 'plain HTTP')
})

const notes = async (...args: string[]): Promise<string> => (
  await helm(['install', 'rel', service, '--dry-run=client', '--set', 'image.repository=shop', ...args])
).stdout.split('NOTES:')[1] ?? ''

t.test('the notes name what the chart cannot do itself', async (t) => {
  const label = 'kubectl label namespace default elbv2.k8s.aws/pod-readiness-gate-inject=enabled'
  t.match(await notes('--set', 'preset=alb'), label)
  t.match(await notes('--set', 'preset=nlb'), label)
  t.match(await notes('--set', 'preset=istio'), 'terminationDrainDuration')
  const plain = await notes()
  t.notMatch(plain, label)
  t.notMatch(plain, 'One replica')
  t.notMatch(plain, 'to take a pod out of rotation')
  t.match(
    await notes('--set', 'terminationGracePeriodSeconds=8,announce.minSeconds=1'),
    /Balancers have at most [\d.]+ s to take a pod out of rotation/
  )
  t.match(await notes('--set', 'replicaCount=1,podMonitor.enabled=true'), /One replica[^]*no PodMonitor was created/)
})
