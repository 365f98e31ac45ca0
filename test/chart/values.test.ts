import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { parse } from 'yaml'
import { cases, token } from './cases.ts'
import { Cases, template } from './render.ts'
import type { Values } from './render.ts'
import { leaves, objects, valuesTable } from './schema.ts'
import type { Schema } from './schema.ts'
import { charts } from './tools.ts'

const read = (name: string): Promise<string> => readFile(join(charts, name), 'utf8')
const schema = JSON.parse(await read('graceful-service/values.schema.json')) as Schema
const defaults = parse(await read('graceful-service/values.yaml')) as Values

/** Values with this one set. */
function withValue (path: string, value: unknown): Values {
  const values: Values = {}
  let inside = values
  const keys = path.split('.')
  const last = keys.pop() ?? ''
  for (const key of keys) inside = inside[key] = {} as Values
  inside[last] = value
  return values
}

const isMap = (value: unknown): value is Values => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Values put over values. */
function merge (base: Values, over: Values): Values {
  const merged: Values = { ...base }
  for (const [key, value] of Object.entries(over)) {
    const before = merged[key]
    merged[key] = isMap(value) && isMap(before) ? merge(before, value) : value
  }
  return merged
}

const valueAt = (values: Values, path: string): unknown =>
  path.split('.').reduce<unknown>((inside, key) => (inside as Values | undefined)?.[key], values)

t.test('the table in the README is that of the schema, with the defaults of values.yaml', async (t) => {
  const name = join(charts, 'graceful-service', 'README.md')
  const text = await readFile(name, 'utf8')
  const [before, , after] = text.split(/(<!-- values -->\n)[^]*(?=<!-- end of values -->)/)
  const expected = `${before}<!-- values -->\n\n${valuesTable(schema, defaults)}\n\n${after}`
  // UPDATE_README=1 writes it, after a change of the schema.
  if (process.env['UPDATE_README'] === '1') await writeFile(name, expected)
  else t.equal(text, expected)
})

t.test('values.yaml names what the schema names', async (t) => {
  const inYaml = (values: Values, schema: Schema, path = ''): string[] =>
    Object.entries(values).flatMap(([key, value]) => {
      const inner = schema.properties?.[key]
      return inner?.properties === undefined ? [path + key] : inYaml(value as Values, inner, `${path}${key}.`)
    })
  const known = new Set(leaves(schema).map(({ path }) => path))
  for (const path of inYaml(defaults, schema)) t.ok(known.has(path), path)
  // What has no default stands there behind a "#".
  const text = await read('graceful-service/values.yaml')
  for (const { path } of leaves(schema)) {
    if (
      /^(enabled|global|graceful-lib\..*)$|probes\..*\.(initialDelay|terminationGracePeriod)Seconds$/.test(path)
    ) continue
    t.match(text, new RegExp(`^ *(# )?${path.split('.').pop()}:`, 'm'), `${path} is in values.yaml`)
  }
})

t.test('an editor finds a description of whatever it may offer', async (t) => {
  t.match(await read('graceful-service/values.yaml'), /^# yaml-language-server: \$schema=values\.schema\.json\n/)
  let described = 0
  const look = (part: Schema, path: string): void => {
    for (const [key, inner] of Object.entries(part.properties ?? {})) {
      described++
      t.match(inner.description, /^\S.*[.:]$/s, `${path}${key}`)
      look(inner, `${path}${key}.`)
    }
    if (part.items !== undefined) look(part.items, `${path}[].`)
    for (const inner of [...part.anyOf ?? [], ...part.allOf ?? []]) {
      look(inner, path)
      const name = inner.$ref?.replace('#/definitions/', '')
      if (name !== undefined) t.ok(schema.definitions?.[name], `${path}: ${name}`)
    }
  }
  look(schema, '')
  for (const [name, inner] of Object.entries(schema.definitions ?? {})) look(inner, `${name}.`)
  t.ok(described > 220, `${described} values and fields`)
})

t.test('the schema names what is wrong inside of lists and hooks', async (t) => {
  const rows: Array<[Values, ...string[]]> = [
    [{ ingress: { hosts: [{ host: 'Shop.example' }] } }, "at '/ingress/hosts/0/host'"],
    [{ ingress: { hosts: [{ host: '1.2.3.4:80' }] } }, "at '/ingress/hosts/0/host'"],
    [{ ingress: { hosts: [{ name: 'shop' }] } }, "at '/ingress/hosts/0'", "'name' not allowed"],
    [{ ingress: { hosts: [{ paths: [{ path: 'x' }] }] } }, "at '/ingress/hosts/0/paths/0/path'"],
    [{ ingress: { hosts: [{ paths: [{ path: '/', pathType: 'prefix' }] }] } }, "paths/0/pathType'", "'Prefix', 'Exact'"],
    [{ ingress: { tls: [{ hosts: ['a b'] }] } }, "at '/ingress/tls/0/hosts/0'"],
    [{ httpRoute: { parentRefs: [{}] } }, "at '/httpRoute/parentRefs/0': missing property 'name'"],
    [{ httpRoute: { parentRefs: [{ name: 'a', section: 'b' }] } }, "at '/httpRoute/parentRefs/0'", "'section'"],
    [{ httpRoute: { timeouts: { request: '10 s' } } }, "at '/httpRoute/timeouts/request'"],
    [{ httpRoute: { backendRefs: [{ name: 'a', weight: -1 }] } }, "at '/httpRoute/backendRefs/0/weight'"],
    [{ hostAliases: [{ ip: 'localhost', hostnames: ['a'] }] }, "at '/hostAliases/0/ip'"],
    [{ hostAliases: [{ ip: '::1' }] }, "at '/hostAliases/0': missing property 'hostnames'"],
    [{ dnsConfig: { options: [{ name: 'ndots', value: 2 }] } }, "at '/dnsConfig/options/0/value'"],
    [{ service: { ipFamilies: ['IPv5'] } }, "at '/service/ipFamilies/0'", "'IPv4', 'IPv6'"],
    [{ service: { ipFamilies: ['IPv6', 'IPv6'] } }, "at '/service/ipFamilies'"],
    [{ postStart: { exec: { command: 'date' } } }, "at '/postStart/exec/command'"],
    [{ postStart: { exec: {} } }, "at '/postStart/exec': missing property 'command'"],
    [{ postStart: { httpGet: { port: 70_000 } } }, "at '/postStart/httpGet/port'"],
    [{ postStart: { sleep: { seconds: -1 } } }, "at '/postStart/sleep/seconds'"],
    [{ sidecars: [{ name: 'proxy' }] }, "at '/sidecars/0': missing property 'image'"],
    [{ autoscaling: { metrics: [{ type: 'Pod' }] } }, "at '/autoscaling/metrics/0/type'"],
    [{ autoscaling: { behavior: { scaleDown: { stabilisation: 1 } } } }, "at '/autoscaling/behavior/scaleDown'"],
    [
      { autoscaling: { behavior: { scaleUp: { policies: [{ type: 'Pods', value: 0, periodSeconds: 1 }] } } } },
      "at '/autoscaling/behavior/scaleUp/policies/0/value'"
    ],
    [{ topologySpread: { constraints: [{ topologyKey: 'a' }] } }, "at '/topologySpread/constraints/0': missing"],
    [{ extraObjects: [{ kind: 'Job' }] }, "at '/extraObjects/0'", "'apiVersion'"],
    [{ extraObjects: [7] }, "at '/extraObjects/0'"],
    [{ strategy: { maxUnavailable: '101%' } }, "at '/strategy/maxUnavailable'"],
    [{ podDisruptionBudget: { minAvailable: 'half' } }, "at '/podDisruptionBudget/minAvailable'"]
  ]
  // Once for all, as far as they break different values, and helm is started no more often than that.
  const rounds: Array<{ values: Values, complaints: string[][] }> = []
  for (const [values, ...complaints] of rows) {
    const key = (round: Values): string[] => Object.entries(round).flatMap(([group, inner]) =>
      Object.keys(isMap(inner) ? inner : {}).map((name) => `${group}.${name}`).concat(isMap(inner) ? [] : group))
    const round = rounds.find(({ values: taken }) => !key(values).some((name) => key(taken).includes(name)))
    if (round === undefined) rounds.push({ values, complaints: [complaints] })
    else {
      round.values = merge(round.values, values)
      round.complaints.push(complaints)
    }
  }
  await Promise.all(rounds.map(async ({ values, complaints }) => {
    const { code, stderr } = await template(values)
    t.not(code, 0)
    for (const each of complaints) for (const complaint of each) t.match(stderr, complaint)
  }))
})

/** Breaks one rule in each value that has it, and looks for a complaint about each. */
async function refuses (t: Test, rule: string, breaking: (leaf: Schema) => unknown, inside = ''): Promise<void> {
  const broken = leaves(schema).flatMap(({ path, leaf }) => {
    const value = breaking(leaf)
    return value === undefined ? [] : [{ path, value }]
  })
  t.ok(broken.length > 0, `${rule}: ${broken.length} values`)
  const { code, stderr } = await template(
    broken.reduce((values, { path, value }) => merge(values, withValue(path, value)), {})
  )
  t.not(code, 0)
  for (const { path } of broken) t.match(stderr, `at '/${path.replaceAll('.', '/')}${inside}'`, `${rule}: ${path}`)
}

t.test('the schema refuses', async (t) => {
  await refuses(t, 'a wrong type', ({ type }) => type === 'boolean' ? 'yes' : type === 'string' ? true : 'text')
  await refuses(t, 'too small a number', ({ minimum }) => minimum === undefined ? undefined : minimum - 1)
  await refuses(t, 'too large a number', ({ maximum }) => maximum === undefined ? undefined : maximum + 1)
  await refuses(t, 'not a whole number', ({ type }) => type === 'integer' ? 1.5 : undefined)
  await refuses(t, 'zero where it must be more', ({ exclusiveMinimum }) => exclusiveMinimum)
  await refuses(t, 'something else than the choices', (leaf) => leaf.enum === undefined ? undefined : 'otherwise')
  await refuses(t, 'text of another form', ({ pattern }) => pattern === undefined ? undefined : 'no such thing ')
  await refuses(t, 'no text', ({ minLength }) => minLength === undefined ? undefined : '')
  await refuses(
    t,
    'too long a text',
    ({ maxLength }) => maxLength === undefined ? undefined : 'x'.repeat(maxLength + 1)
  )
  await refuses(
    t,
    'a number in a text-to-text map',
    ({ additionalProperties }) => typeof additionalProperties === 'object' ? { key: 1 } : undefined,
    '/key'
  )
  await refuses(t, 'a number in a list', ({ items }) => items === undefined ? undefined : 1)
  const { stderr } = await template({ extraEnv: [{ value: 'nameless' }], extraVolumes: ['text'], args: [1] })
  for (const complaint of [
    "at '/args/0'", "at '/extraEnv/0': missing property 'name'", "at '/extraVolumes/0'"
  ]) {
    t.match(stderr, complaint)
  }
})

t.test('the schema refuses unknown keys everywhere', async (t) => {
  const closed = objects(schema)
  const { code, stderr } = await template(
    closed.reduce((values, path) => merge(values, withValue(`${path}unheardOf`, 1)), {})
  )
  t.not(code, 0)
  for (const path of closed) {
    t.match(
      stderr,
      `at '${path === '' ? '' : `/${path.slice(0, -1).replaceAll('.', '/')}`}': `
        + "additional properties 'unheardOf' not allowed",
      path === '' ? 'top' : path
    )
  }
  t.match(
    (await template({ 'graceful-lib': { preset: 'nlb' } })).stderr,
    "additional properties 'preset' not allowed",
    'the library has no values'
  )
})

t.test('a parent chart may set global and enabled', async (t) => {
  const parent = new Cases({ on: { enabled: true }, off: { enabled: false } })
  t.teardown(() => parent.remove())
  t.same([...(await parent.render('1.36')).keys()], ['on'])
})

/** What belongs with a value that means nothing alone. */
const company: Array<[RegExp, Values]> = [
  [/^preStop\.mode/, { admin: { token } }],
  [/^preStop\.(seconds|command)/, { preStop: { mode: 'sleep', seconds: 3 } }],
  [/^admin\.existingSecretKey/, { admin: { existingSecret: 'tokens' } }],
  [/^admin\.tokenFrom/, { admin: { token } }],
  [/^externalHealth\.(status|delaySeconds)/, { externalHealth: { path: '/lbz' } }],
  [/^service\.(nodePort|externalTrafficPolicy|loadBalancer.*)/, { service: { type: 'LoadBalancer' } }],
  [
    /^autoscaling\.(?!enabled|external)/,
    { autoscaling: { enabled: true }, resources: { requests: { cpu: '1', memory: '1Gi' } } }
  ],
  [/^autoscaling\.enabled/, { resources: { requests: { cpu: '1' } } }],
  [/^networkPolicy\.(?!enabled|close)/, { networkPolicy: { enabled: true } }],
  [/^networkPolicy\.close/, { probes: { port: 9000 } }],
  [/^podMonitor\.from/, { podMonitor: { enabled: true }, probes: { port: 9000 } }],
  [/^podMonitor\.tlsConfig/, { podMonitor: { enabled: true }, probes: { scheme: 'HTTPS' } }],
  [/^serviceMonitor\.from/, { serviceMonitor: { enabled: true }, probes: { port: 9000 } }],
  [/^serviceMonitor\.tlsConfig/, { serviceMonitor: { enabled: true }, probes: { scheme: 'HTTPS' } }],
  [/^serviceMonitor\.(?!enabled|port)/, { serviceMonitor: { enabled: true } }],
  [/^serviceMonitor\.port/, { serviceMonitor: { enabled: true }, probes: { port: 9000 } }],
  [/^ingress\.(?!enabled)/, { ingress: { enabled: true } }],
  [/^httpRoute\./, { httpRoute: { parentRefs: [{ name: 'edge' }] } }],
  [/^httpRoute\.(?!enabled)/, { httpRoute: { enabled: true } }],
  [/^dnsPolicy/, { dnsConfig: { nameservers: ['10.96.0.10'] } }],
  [/^topologySpread\.minDomains/, { topologySpread: { whenUnsatisfiable: 'DoNotSchedule' } }],
  [/^podMonitor\.(?!enabled|port)/, { podMonitor: { enabled: true } }],
  [/^podMonitor\.port/, { podMonitor: { enabled: true }, probes: { port: 9000 } }],
  [/^prometheusRule\.(?!enabled)/, { prometheusRule: { enabled: true } }],
  [/^dashboard\.(?!enabled)/, { dashboard: { enabled: true } }],
  [/^serviceAccount\.name/, { serviceAccount: { create: false } }],
  [/^image\.(?!repository)/, { image: { repository: 'shop' } }],
  [/^announce\./, { terminationGracePeriodSeconds: 100 }]
]

/** Another value than the default for each. */
function otherValue (path: string, { type, minimum = 0, ...leaf }: Schema): unknown {
  if (path === 'admin.token') return token
  if (path === 'preStop.mode') return 'http'
  if (path === 'probes.host') return '::1'
  if (path === 'autoscaling.minReplicas') return 3
  const standard = valueAt(defaults, path)
  const { everything = {}, closed = {}, autoscaled = {}, ...others } = cases
  const known = [everything, closed, autoscaled, ...Object.values(others)]
    .map((values) => valueAt(values, path))
    .find((value) => value !== undefined && value !== null && value !== standard)
  if (known !== undefined) return known
  if (leaf.enum !== undefined) return leaf.enum.find((value) => value !== standard)
  if (type === 'boolean') return standard !== true
  if (type === 'integer' || type === 'number') {
    return (typeof standard === 'number' ? standard : 7) + Math.max(1, minimum)
  }
  if (type === 'array') return ['one']
  if (type === 'object') return { key: 'value' }
  return /(prefix|path)$/i.test(path) ? '/other' : 'other'
}

t.test('every value does something', async (t) => {
  const inert = new Set(['enabled', 'global', 'graceful-lib.global'])
  const subjects = leaves(schema).filter(({ path }) => !inert.has(path)).map(({ path, leaf }) => {
    const base = company.reduce((values, [pattern, more]) => pattern.test(path) ? merge(values, more) : values, {})
    return { path, base: JSON.stringify(base), values: merge(base, withValue(path, otherValue(path, leaf))) }
  })
  const bases = [...new Set(subjects.map(({ base }) => base))]
  const half = (part: number): Record<string, Values> => Object.fromEntries(
    subjects.flatMap(({ values }, index) => index % 2 === part ? [[`with-${index}-`, values]] : [])
  )
  const parents = [
    new Cases({
      ...Object.fromEntries(bases.map((base, index) => [`without-${index}-`, JSON.parse(base) as Values])),
      ...half(0)
    }),
    new Cases(half(1))
  ]
  t.teardown(() => parents.forEach((parent) => parent.remove()))
  const rendered = new Map((await Promise.all(
    parents.map((parent) => parent.render('1.36', '--api-versions', 'monitoring.coreos.com/v1'))
  )).flatMap((part) => [...part]))
  const text = (alias: string): string => JSON.stringify(rendered.get(alias)).replaceAll(alias, 'alias')
  for (const [index, { path, base }] of subjects.entries()) {
    t.not(text(`with-${index}-`), text(`without-${bases.indexOf(base)}-`), path)
  }
})

t.test('the checks refuse, with the sum where there is one', async (t) => {
  const table: Array<[Values, string | RegExp, string[]?]> = [
    [
      { terminationGracePeriodSeconds: 30, announce: { maxSeconds: 25 } },
      'announce.maxSeconds does not add up: 25, but it must be less than '
        + 'terminationGracePeriodSeconds 30 - preStop 0 - reserve 2 - close 5 - closing 0.5 = 22.5'
    ],
    [
      { announce: { minSeconds: 19 } },
      'announce.minSeconds does not add up: 19, but the announcement lasts at most announce.maxSeconds = 18 '
        + '(terminationGracePeriodSeconds 30 - preStop 0 - reserve 2 - close 5 - closing 0.5 = 22.5, '
        + 'less at most 5 for draining)'
    ],
    [
      { announce: { maxSeconds: 6, blindSeconds: 9 } },
      'announce.blindSeconds does not add up: 9, but the announcement lasts at most announce.maxSeconds = 6'
    ],
    [
      { announce: { maxSeconds: 2, minSeconds: 1, blindSeconds: 1, quietSeconds: 3 } },
      'announce.quietSeconds does not add up: 3'
    ],
    [
      { announce: { readinessDelaySeconds: 20 } },
      'announce.readinessDelaySeconds does not add up: 20'
    ],
    [
      { externalHealth: { path: '/lbz', delaySeconds: 20 } },
      'externalHealth.delaySeconds does not add up: 20'
    ],
    [
      { reserveSeconds: 29 },
      'terminationGracePeriodSeconds does not add up: 30, '
        + 'but preStop 0 + reserve 29 + close 5 + closing 0.5 = 34.5, which leaves'
    ],
    [
      { preStop: { mode: 'sleep', seconds: 10 }, announce: { minSeconds: 25 } },
      'announce.minSeconds does not add up: 15 after preStop'
    ],
    [
      { preset: 'nlb', terminationGracePeriodSeconds: 60 },
      'announce.maxSeconds does not add up: 130 (preset nlb)'
    ],
    [
      { preset: 'alb', terminationGracePeriodSeconds: 15, announce: { blindSeconds: 5 } },
      'announce.minSeconds does not add up: 15 (preset alb)'
    ],
    [
      { preset: 'alb', terminationGracePeriodSeconds: 15, announce: { minSeconds: 9, blindSeconds: 5 } },
      'announce.minSeconds does not add up: 9, but'
    ],
    [
      { preStop: { mode: 'sleep' } },
      'preStop.seconds: required with preStop.mode sleep'
    ],
    [
      { preStop: { seconds: 5 } },
      'preStop.seconds: only for preStop.mode sleep, but the mode is none'
    ],
    [
      { preStop: { command: ['true'] } },
      'preStop.command: only for preStop.mode sleep or exec, but the mode is none'
    ],
    [
      { preStop: { mode: 'exec' } },
      'preStop.mode: exec needs admin.token or admin.existingSecret'
    ],
    [
      { preStop: { mode: 'http' } },
      'preStop.mode: http needs admin.token'
    ],
    [
      { preStop: { mode: 'http' }, admin: { existingSecret: 'tokens' } },
      'admin.existingSecret is not enough'
    ],
    [
      { preStop: { mode: 'http' }, admin: { token } },
      'preStop.mode: http needs Kubernetes 1.25 or later, this is v1.24.0',
      ['--kube-version', '1.24.0']
    ],
    [
      { admin: { token, existingSecret: 'tokens' } },
      'admin.token and admin.existingSecret: set only one of the two'
    ],
    [
      { admin: { token: 'short' } },
      'admin.token: expected at least 16 visible ASCII characters'
    ],
    [
      { admin: { token: `${token},short` } },
      'admin.token: expected at least 16 visible ASCII characters'
    ],
    [
      { externalHealth: { status: 404 } },
      'externalHealth.status: needs externalHealth.path'
    ],
    [
      { probes: { liveness: { terminationGracePeriodSeconds: 29 } } },
      'probes.liveness.terminationGracePeriodSeconds: 29 is less than terminationGracePeriodSeconds 30'
    ],
    [
      { preset: 'nlb', probes: { startup: { terminationGracePeriodSeconds: 60 } } },
      'probes.startup.terminationGracePeriodSeconds: 60 is less than terminationGracePeriodSeconds 180'
    ],
    [
      { externalHealth: { path: '/internal/readyz' }, probes: { prefix: '/internal' } },
      "externalHealth.path: /internal/readyz is a route of the kubelet's probes"
    ],
    [
      { preset: 'istio', podAnnotations: { 'proxy.istio.io/config': 'a: b: c' } },
      'podAnnotations: proxy.istio.io/config is not a YAML map'
    ],
    [
      { probes: { port: 3000 } },
      'probes.port: 3000 is containerPort'
    ],
    [
      { service: { appProtocol: 'kubernetes.io/h2c' }, podMonitor: { enabled: true } },
      'service.appProtocol: kubernetes.io/h2c with podMonitor needs probes.port'
    ],
    [
      { service: { appProtocol: 'kubernetes.io/h2c' }, serviceMonitor: { enabled: true } },
      'service.appProtocol: kubernetes.io/h2c with serviceMonitor needs probes.port'
    ],
    [
      {
        service: { appProtocol: 'kubernetes.io/h2c' },
        probes: { port: 9000 },
        preStop: { mode: 'http' },
        admin: { token }
      },
      'preStop.mode: http sends HTTP/1.1 to containerPort'
    ],
    [
      {
        service: { appProtocol: 'kubernetes.io/h2c' },
        probes: { startup: { enabled: false }, liveness: { enabled: false }, readiness: { enabled: false } },
        preStop: { mode: 'exec' },
        admin: { token }
      },
      'preStop.mode: exec sends HTTP/1.1, but service.appProtocol kubernetes.io/h2c'
    ],
    [
      { probes: { readiness: { terminationGracePeriodSeconds: 30 } } },
      "additional properties 'terminationGracePeriodSeconds' not allowed"
    ],
    [
      { serviceMonitor: { port: 'probes' } },
      'serviceMonitor.port: the port "probes" exists only with probes.port'
    ],
    [
      { podMonitor: { enabled: true }, serviceMonitor: { enabled: true } },
      'podMonitor.enabled and serviceMonitor.enabled: set only one of the two'
    ],
    [
      { postStart: { exec: { command: ['date'] }, sleep: { seconds: 1 } } },
      'postStart: expected only one of exec, httpGet, sleep and tcpSocket, got exec and sleep'
    ],
    [
      { strategy: { maxSurge: '0%' } },
      'strategy.maxSurge: 0%, and strategy.maxUnavailable is 0: an update could neither start nor end a pod'
    ],
    [
      { dnsPolicy: 'None' },
      'dnsPolicy: None leaves the pod without a resolver, expected dnsConfig.nameservers'
    ],
    [
      { service: { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv6', 'IPv4'] } },
      'service.ipFamilies: IPv6 and IPv4, but service.ipFamilyPolicy SingleStack allows only one'
    ],
    [
      { topologySpread: { minDomains: 2 } },
      'topologySpread.minDomains: only for whenUnsatisfiable DoNotSchedule, but that is ScheduleAnyway'
    ],
    [
      { httpRoute: { enabled: true } },
      'httpRoute.parentRefs: expected the Gateway that serves the route'
    ],
    [
      { httpRoute: { timeouts: { request: '1m30s', backendRequest: '90001ms' } } },
      'httpRoute.timeouts.backendRequest: 90001ms is longer than httpRoute.timeouts.request 1m30s'
    ],
    [
      { httpRoute: { enabled: true, parentRefs: [{ name: 'a' }], rules: [{}], matches: [{}] } },
      'httpRoute.rules: replaces matches, filters and backendRefs'
    ],
    [
      { autoscaling: { enabled: true, external: true } },
      'autoscaling.enabled and autoscaling.external: set only one of the two'
    ],
    [
      { autoscaling: { enabled: true, minReplicas: 0 } },
      'autoscaling.minReplicas: 0, but a HorizontalPodAutoscaler keeps at least one pod'
    ],
    [
      { extraObjects: ['kind: Job'] },
      'extraObjects: number 1 is not an object with apiVersion and kind: kind: Job'
    ],
    [
      { extraObjects: [{ apiVersion: 'v1', kind: 'ConfigMap' }, 'apiVersion: v1\nkind: {{ "a: b: c" }}'] },
      'extraObjects: number 2 is not an object with apiVersion and kind: error converting YAML'
    ],
    [
      { podMonitor: { port: 'probes' } },
      'podMonitor.port: the port "probes" exists only with probes.port'
    ],
    [
      { service: { externalTrafficPolicy: 'Local' } },
      'service.externalTrafficPolicy: Local needs service.type NodePort or LoadBalancer, but the type is ClusterIP'
    ],
    [
      { service: { nodePort: 30080 } },
      'service.nodePort: 30080 needs service.type NodePort or LoadBalancer'
    ],
    [
      { minReadySeconds: 600 },
      'minReadySeconds: 600, but it must be less than progressDeadlineSeconds 600'
    ],
    [
      { autoscaling: { enabled: true, minReplicas: 11 } },
      'autoscaling.minReplicas: 11, but autoscaling.maxReplicas is 10'
    ],
    [
      { autoscaling: { enabled: true }, resources: { requests: { cpu: null } } },
      'autoscaling.targetCPUUtilizationPercentage: needs resources.requests.cpu, of which it is a percentage'
    ],
    [
      { autoscaling: { enabled: true, targetCPUUtilizationPercentage: null } },
      'autoscaling: expected targetCPUUtilizationPercentage or targetMemoryUtilizationPercentage'
    ],
    [
      { extraEnv: [{ name: 'TERMINATION_GRACE_PERIOD_SECONDS', value: '60' }] },
      'extraEnv: the chart sets TERMINATION_GRACE_PERIOD_SECONDS from its own values'
    ],
    [
      { extraEnv: [{ name: 'GRACEFUL_ANNOUNCE_MIN_SECONDS', value: '60' }] },
      'extraEnv: the chart sets GRACEFUL_ANNOUNCE_MIN_SECONDS from its own values'
    ],
    [
      { image: { repository: '' } },
      'image.repository: which image to run'
    ]
  ]
  // Two at a time: a machine has at least as many cores.
  const rest = table.values()
  await Promise.all([1, 2].map(async () => {
    for (const [values, message, args = []] of rest) {
      const { code, stderr } = await template(values, ...args)
      t.not(code, 0, `is refused: ${JSON.stringify(values)}`)
      t.match(stderr, message)
    }
  }))
})
