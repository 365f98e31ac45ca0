import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import graceful from '../../lib/index.ts'
import { readEnvironment, variables } from '../../lib/environment.ts'
import { checkBudget, cutBudget } from '../../lib/lifecycle/budget.ts'
import type { Budget, BudgetInput } from '../../lib/lifecycle/budget.ts'
import { readOptions } from '../../lib/options.ts'
import type { Settings } from '../../lib/settings.ts'
import { kubernetesFloors } from '../support/floors.ts'
import { cases, token } from './cases.ts'
import { containerOf, environmentOf, podOf } from './pod.ts'
import { Cases, render, service } from './render.ts'
import type { Values } from './render.ts'
import { charts, helm } from './tools.ts'

/** A chart of one's own on graceful-lib, with these templates. */
function ownChart (templates: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'graceful-own-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'templates'))
  cpSync(join(charts, 'graceful-lib'), join(folder, 'charts', 'graceful-lib'), { recursive: true })
  writeFileSync(join(folder, 'Chart.yaml'), JSON.stringify({
    apiVersion: 'v2',
    name: 'own',
    version: '0.0.0',
    dependencies: [{ name: 'graceful-lib', version: '0.1.0', repository: '' }]
  }))
  for (const [name, text] of Object.entries(templates)) writeFileSync(join(folder, 'templates', name), text)
  return folder
}

/** Numbers that look drawn at random, the same in every run. */
function * numbers (): Generator<number, never> {
  for (let state = 20_261_122n; ;) {
    state = (state * 6_364_136_223_846_793_005n + 1n) % 2n ** 64n
    yield Number(state >> 40n) / 2 ** 24
  }
}

/** Times that an operator may think of: whole and odd ones, and some nobody gives. */
function * drawn (): Generator<Values, never> {
  const source = numbers()
  const below = (limit: number, digits = 3): number => Number((source.next().value * limit).toFixed(digits))
  const maybe = (name: string, limit: number): Values => source.next().value < 0.4 ? { [name]: below(limit) } : {}
  for (;;) {
    const grace = 1 + Math.round(below(90))
    yield {
      terminationGracePeriodSeconds: grace,
      preStop: source.next().value < 0.4 ? { mode: 'sleep', seconds: 0.001 + below(grace * 0.7) } : { mode: 'none' },
      ...maybe('reserveSeconds', 4),
      ...maybe('closeSeconds', 8),
      announce: {
        ...maybe('minSeconds', grace * 0.6),
        ...maybe('blindSeconds', grace * 0.7),
        ...maybe('maxSeconds', grace * 0.9),
        ...maybe('quietSeconds', 2),
        ...maybe('readinessDelaySeconds', grace * 0.4)
      }
    }
  }
}

const milliseconds = (value: unknown): number | undefined =>
  value === undefined ? undefined : Math.round(Number(value) * 1000)

/** The same as an option of the plugin. */
function asOption (
  { terminationGracePeriodSeconds, preStop, reserveSeconds, closeSeconds, announce }: Values
): BudgetInput {
  const times = Object.entries(announce as object)
    .map(([name, value]) => [name.replace('Seconds', ''), milliseconds(value)])
  return {
    gracePeriod: milliseconds(terminationGracePeriodSeconds) ?? 0,
    preStop: milliseconds((preStop as Values)['seconds']) ?? 0,
    reserve: milliseconds(reserveSeconds),
    close: milliseconds(closeSeconds),
    announce: Object.fromEntries(times)
  }
}

t.test('the chart cuts the grace period as the plugin does', async (t) => {
  const folder = ownChart({
    'budget.yaml': '{{ range $name, $values := .Values.cases }}\n'
      + '{{ $name }}: {{ include "graceful-lib.budget" $values | fromYaml | toJson }}\n'
      + '{{- end }}'
  })
  const source = drawn()
  const given = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`case${index}`, source.next().value]))
  const { code, stdout, stderr } = await helm(
    ['template', 'own', folder, '--values', '-'],
    JSON.stringify({ cases: given })
  )
  t.equal(code, 0, stderr)
  const cut = parse(stdout) as Record<string, Budget>
  for (const [name, values] of Object.entries(given)) {
    t.same(cut[name], cutBudget(asOption(values), kubernetesFloors), JSON.stringify(values))
  }
})

t.test('the chart refuses what the plugin refuses, and nothing else', async (t) => {
  const folder = ownChart({
    'settings.yaml': '{{ include "graceful-lib.settings" (dict "context" . "values" .Values) }}'
  })
  const source = drawn()
  const tally = { refused: 0, taken: 0 }
  const one = async (): Promise<void> => {
    const values = source.next().value
    const problem = checkBudget(cutBudget(asOption(values), kubernetesFloors))
    const { code, stderr } = await helm(['template', 'own', folder, '--values', '-'], JSON.stringify(values))
    tally[problem === undefined ? 'taken' : 'refused']++
    t.equal(code === 0, problem === undefined, `${JSON.stringify(values)}: ${JSON.stringify(problem)}, ${stderr}`)
    if (problem !== undefined) t.match(stderr, / does not add up: /)
  }
  for (let round = 0; round < 20; round++) await Promise.all([one(), one()])
  t.ok(tally.refused > 5 && tally.taken > 5, `both happen: ${JSON.stringify(tally)}`)
})

/** What the plugin makes of the environment that the chart gives it. */
function settingsIn (environment: NodeJS.ProcessEnv): Settings {
  return readOptions({}, readEnvironment({ ...environment, KUBERNETES_SERVICE_HOST: '10.96.0.1' }))
}

t.test('pod and application agree', async (t) => {
  const every = new Cases(cases)
  t.teardown(() => every.remove())
  const rendered = await every.render('1.36')
  const names = new Set<string>()
  for (const [name, manifests] of rendered) {
    const pod = podOf(manifests)
    const container = containerOf(manifests)
    const environment = environmentOf(manifests, token)
    for (const variable of Object.keys(environment)) names.add(variable)
    const { budget, probes, admin, watchdog, terminationMessagePath } = settingsIn(environment)
    t.equal(budget.gracePeriod, pod.terminationGracePeriodSeconds * 1000, `${name}: the grace period`)
    const { preStop } = container.lifecycle ?? {}
    const slept = preStop?.sleep?.seconds ?? Number(
      preStop?.exec?.command.join(' ').match(/sleep (\S+)|(5)000/)?.slice(1).find(Boolean) ?? 0
    )
    t.equal(budget.preStop, slept * 1000, `${name}: the preStop hook`)
    t.equal(environment['PORT'], String(container.ports[0]?.containerPort), `${name}: the port`)
    t.equal(terminationMessagePath, container.terminationMessagePath, `${name}: the termination message`)
    const prefix = probes === false ? undefined : probes.prefix
    for (const [probe, path] of [
      [container.startupProbe, 'startupz'],
      [container.livenessProbe, 'livez'],
      [container.readinessProbe, 'readyz']
    ] as const) {
      if (probe !== undefined) {
        t.same(
          [probe.httpGet.path, probe.httpGet.port],
          [`${prefix}/${path}`, container.ports.at(-1)?.containerPort],
          `${name}: ${path}`
        )
      }
    }
    const port = container.readinessProbe?.httpGet.port
    t.equal(
      watchdog?.port,
      port === container.ports[0]?.containerPort ? undefined : port,
      `${name}: the watchdog's port`
    )
    if (preStop?.httpGet !== undefined) {
      t.equal(
        preStop.httpGet.path,
        `${admin === false ? '' : admin.prefix}/prestop`,
        `${name}: the preStop route`
      )
    }
  }
  // Where a pod runs is known, and that no systemd is above it.
  const elsewhere = ['GRACEFUL_PLATFORM', 'GRACEFUL_SYSTEMD_EXTEND_TIMEOUT']
  const set = variables.map(({ name }) => name).filter((name) => !elsewhere.includes(name))
  for (const name of set) t.ok(names.has(name), `${name} is set by a case`)
  const foreign = new Set(['PORT', 'POD_NAME', 'POD_NAMESPACE', 'POD_IP', 'NODE_NAME', 'LEVEL', 'SECRET'])
  t.same(
    [...names].filter((name) => !foreign.has(name)).toSorted(),
    set.toSorted(),
    'and the plugin reads each of them'
  )
})

t.test('every value reaches its option', async (t) => {
  const environment = environmentOf(await render(cases['everything']), token)
  const { budget, front, announceOnClose, shed, envoy, drain, probes } = settingsIn(environment)
  t.match(budget, {
    gracePeriod: 90_000,
    reserve: 3000,
    close: 6500,
    announce: { min: 10_000, quiet: 1500, blind: 20_000, max: 40_000, readinessDelay: 3000 }
  })
  t.match({ front, announceOnClose, shed, envoy, drain, probes }, {
    front: { isKnown: true, failures: 2 },
    announceOnClose: true,
    shed: 'immediate',
    envoy: true,
    drain: { idle: 2250, spread: 4500, webSocket: { code: 1012, quiet: 500 } },
    probes: { external: { path: '/balancer', status: 404, delay: 2000 } }
  })
})

t.test("the README's presets are those of the library", async (t) => {
  const rows = [...(await readFile(join(charts, 'graceful-service', 'README.md'), 'utf8'))
    .matchAll(/^\| `([\w-]+)` \| (\d+) \| ([\d.]+)(?: to ([\d.]+))? s \|/gm)]
  t.same(
    rows.map(([, preset]) => preset),
    ['clusterIP', 'alb', 'nlb', 'gke-neg', 'gke-l4', 'ingress-nginx', 'istio', 'envoy-gateway', 'spot']
  )
  for (const [, preset, grace, least, most = least] of rows) {
    const { budget: { gracePeriod, announce } } = settingsIn(environmentOf(await render({ preset }), token))
    t.same(
      [grace, least, most].map(Number),
      [gracePeriod, announce.min, announce.max].map((time) => time / 1000),
      String(preset)
    )
  }
})

t.test('the notes tell the times that the plugin will keep', async (t) => {
  const values = { ...cases['everything'], preStop: { mode: 'sleep', seconds: 4 }, image: { repository: 'shop' } }
  const { stdout } = await helm(
    ['install', 'rel', service, '--dry-run=client', '--values', '-'],
    JSON.stringify(values)
  )
  const times = [...stdout.slice(stdout.indexOf('NOTES:')).matchAll(/^ +([\d.]+) s {2}(.*)$/gm)]
    .map(([, time, what]) => [Number(time) * 1000, what])
  const { budget: { preStop, gracePeriod, reserve, close, announce } } =
    settingsIn(environmentOf(await render(values), token))
  t.same(times.map(([time]) => time), [
    0, preStop, preStop + announce.readinessDelay, preStop + 2000, preStop + announce.min,
    preStop + announce.blind, preStop + announce.max,
    gracePeriod - reserve - close, gracePeriod - reserve, gracePeriod
  ], JSON.stringify(times))
})

t.test("a chart of one's own takes the parts it wants", async (t) => {
  const folder = ownChart({
    'pod.yaml': [
      '{{- $input := dict "context" . "values" .Values.graceful }}',
      'apiVersion: v1',
      'kind: Pod',
      'metadata:',
      '  name: own',
      '  annotations:',
      '    {{- include "graceful-lib.podAnnotations" $input | nindent 4 }}',
      'spec:',
      '  {{- include "graceful-lib.pod" $input | nindent 2 }}',
      '  containers:',
      '    - name: app',
      '      image: own:1',
      '      env:',
      '        {{- include "graceful-lib.env" $input | nindent 8 }}',
      '      {{- include "graceful-lib.container" $input | nindent 6 }}',
      '      volumeMounts:',
      '        {{- include "graceful-lib.volumeMounts" $input | nindent 8 }}',
      '  volumes:',
      '    {{- include "graceful-lib.volumes" $input | nindent 4 }}',
      ''
    ].join('\n')
  })
  const template = (given: Values): ReturnType<typeof helm> =>
    helm(['template', 'own', folder, '--values', '-'], JSON.stringify({ graceful: given }))
  const { stdout } = await template({ preset: 'istio', containerPort: 3000, admin: { token } })
  const [pod] = parseAllDocuments(stdout).map((document) => document.toJS() as {
    spec: { terminationGracePeriodSeconds: number, containers: Array<{ env: Array<{ name: string }> }> }
  })
  t.match(pod, {
    metadata: { annotations: { 'proxy.istio.io/config': 'terminationDrainDuration: 44s' } },
    spec: {
      terminationGracePeriodSeconds: 45,
      shareProcessNamespace: true,
      containers: [{
        readinessProbe: { httpGet: { path: '/readyz', port: 3000 } },
        terminationMessagePath: '/dev/termination-log',
        securityContext: { readOnlyRootFilesystem: true }
      }]
    }
  })
  const file = '/var/run/secrets/fastify-graceful/token'
  t.match(pod?.spec.containers[0]?.env.find(({ name }) => name === 'GRACEFUL_ADMIN_TOKEN_FILE'), { value: file })
  t.match(pod, {
    spec: {
      containers: [{ volumeMounts: [{ name: 'graceful-admin', mountPath: dirname(file), readOnly: true }] }],
      volumes: [{ name: 'graceful-admin', secret: { secretName: 'own-admin', items: [{ key: 'token' }] } }]
    }
  })
  // Its values have no schema, so the library looks for typing errors itself.
  t.match(
    (await template({ announce: { minimum: 5 } })).stderr,
    'announce.minimum: unknown value, expected one of minSeconds, quietSeconds'
  )
  t.match(
    (await template({ probes: { liveness: { period: 5 } } })).stderr,
    'probes.liveness.period: unknown value, expected one of enabled'
  )
  t.match((await template({ preset: 'elb' })).stderr, 'preset: expected one of clusterIP, alb')
  t.match(
    (await template({ preStop: { mode: 'tcp' } })).stderr,
    'preStop.mode: expected one of none, sleep, exec, http, got tcp'
  )
})

t.test('the test pod tells a service that serves from one that does not', async (t) => {
  const app = Fastify()
  await app.register(graceful, {
    exit: false,
    signals: { SIGTERM: false, SIGINT: false, SIGHUP: false },
    admin: { token }
  })
  const held = app.graceful.hold('not yet')
  await app.listen({ port: 0 })
  t.teardown(() => app.close())
  const { port } = app.server.address() as AddressInfo
  const pod = (await render()).find(
    ({ kind, metadata }) => kind === 'Pod' && metadata.annotations?.['helm.sh/hook'] === 'test'
  ) as unknown as { spec: { containers: [{ command: string[], args: string[] }] } }
  const [{ command, args }] = pod.spec.containers
  t.same(command, ['node', '-e'])
  t.match(args[0], 'http://rel-graceful-service.default:80')
  const script = args[0]?.replace('http://rel-graceful-service.default:80', `http://localhost:${port}`) ?? ''
  const ask = async (): Promise<{ code: number | null, output: string }> => {
    let output = ''
    const child = execFile('env', ['-u', 'NODE_OPTIONS', process.execPath, '-e', script], (_error, stdout, stderr) => {
      output = stdout + stderr
    })
    const [code] = await once(child, 'close') as [number | null]
    return { code, output }
  }
  t.match(await ask(), { code: 1, output: /expected 200 of \/readyz, got 503/ })
  held[Symbol.dispose]()
  t.match(await ask(), { code: 0, output: /\/readyz 200 ok\n\/-\/status 200 .*running/ })
})
