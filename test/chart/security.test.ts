import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import type { Manifest } from './manifests.ts'
import { containerOf, only, podOf } from './pod.ts'
import { Cases, render, service, template } from './render.ts'
import type { Values } from './render.ts'
import { charts, helm } from './tools.ts'

const token = 'a-token-of-27-characters-ok'
const operator = ['--api-versions', 'monitoring.coreos.com/v1'] as const

/** What YAML takes for something else than text where nobody puts it in quotes. */
const odd = [
  'true', 'null', '~', '1e3', '0x10', '017', '12:30:45', 'a: b', '- a', '{a', '*a', '|', "'a", 'a #b', 'no',
  '2026-11-28', 'yes', 'on', '12', '-0.5', 'two\nlines', 'a\ttab', '"quoted"', '}} a'
]

/** Every text in a manifest, keys of maps included. */
function textsOf (value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return value.flatMap(textsOf)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => [key, ...textsOf(inner)])
}

/** Values with a text wherever one may be. */
const valuesOf = (text: string): Values => ({
  topologySpread: { topologyKeys: [text] },
  commonLabels: { label: text },
  commonAnnotations: { annotation: text },
  podLabels: { pod: text },
  podAnnotations: { pod: text },
  deploymentAnnotations: { deployment: text },
  image: { repository: text },
  command: [text],
  args: [text],
  extraEnv: [{ name: 'A', value: text }],
  nodeSelector: { node: text },
  priorityClassName: text,
  tmp: { sizeLimit: text },
  service: { appProtocol: text, annotations: { service: text } },
  serviceAccount: { name: text, annotations: { account: text } },
  admin: { existingSecret: text, existingSecretKey: text },
  podMonitor: { enabled: true, labels: { monitor: text } },
  prometheusRule: { enabled: true, severity: text, labels: { rule: text } },
  dashboard: { enabled: true, labels: { dashboard: text }, annotations: { dashboard: text } },
  tests: { image: text, command: [text] },
  networkPolicy: { enabled: true, from: [{ podSelector: { matchLabels: { peer: text } } }] },
  ingress: {
    enabled: true, className: text, annotations: { ingress: text }, hosts: [{ paths: [{ path: `/${text}` }] }],
    tls: [{ secretName: text }]
  },
  httpRoute: {
    enabled: true, parentRefs: [{ name: text }], annotations: { route: text }, backendRefs: [{ name: text }],
    matches: [{ path: { value: text } }]
  },
  hostAliases: [{ ip: '::1', hostnames: [text] }],
  dnsConfig: { searches: [text], options: [{ name: text, value: text }] },
  postStart: { exec: { command: [text] } },
  sidecars: [{ name: 'proxy', image: text, args: [text] }],
  extraObjects: [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'map' }, data: { text } }]
})

/** What helm has written. */
const manifestsOf = (text: string): Manifest[] => parseAllDocuments(text)
  .map((document) => (document as { toJS (): unknown }).toJS() as Manifest | null)
  .filter((manifest) => manifest !== null)

const count = (text: string, manifests: readonly Manifest[]): number =>
  textsOf(manifests).filter((one) => one === text || one === `/${text}`).length

// Scenario (Attacks, and failures of the plugin's own code): The chart: text without quotes, the token's hashes, the
// port of the probes, resource requests
t.test('text stays text, whatever YAML would make of it', async (t) => {
  const expected = count('plain', await render(valuesOf('plain'), ...operator))
  t.ok(expected > 50, `${expected} places`)
  const every = new Cases(Object.fromEntries(odd.map((text, index) => [`odd${index}`, valuesOf(text)])))
  t.teardown(() => every.remove())
  const rendered = await every.render('1.36', ...operator)
  for (const [index, text] of odd.entries()) t.equal(count(text, rendered.get(`odd${index}`) ?? []), expected, text)
})

/** A name that is no text. */
const unquoted = /"(?:name|namespace|serviceAccountName|app\.kubernetes\.io\/(?:name|instance))":(?!")/

// Scenario, too: The chart: text without quotes…
t.test('names stay text, too: of releases, namespaces, charts', async (t) => {
  for (const name of ['1e3', '0x10', '123', '017', 'true', 'null', 'no']) {
    const peer = 'networkPolicy.from[0].podSelector.matchLabels.a'
    const texts = ['nameOverride', 'fullnameOverride', 'serviceAccount.name', peer]
    const values = ['image.repository=shop', ...texts.map((key) => `${key}=${name}`)].join()
    const parts = ['podMonitor', 'dashboard', 'networkPolicy'].map((part) => `${part}.enabled=true`).join()
    const args = ['template', name, service, '--namespace', name, '--set-string', values, '--set', parts, ...operator]
    const { stdout, stderr, code } = await helm(args)
    t.equal(code, 0, stderr)
    for (const manifest of manifestsOf(stdout)) {
      t.type(manifest.metadata.name, 'string', `${name}: ${manifest.kind}`)
      t.type(manifest.metadata['namespace' as never], 'string')
      for (const label of Object.values(manifest.metadata.labels ?? {})) t.type(label, 'string')
      t.notMatch(JSON.stringify(manifest), unquoted, `${name}: ${manifest.kind}`)
    }
  }
})

// Scenario, too: The chart: text without quotes…
t.test('no template writes a text without quotes', async (t) => {
  const folders = ['graceful-service/templates', 'graceful-service/templates/tests', 'graceful-lib/templates']
  const files = folders.flatMap((folder) =>
    readdirSync(join(charts, folder)).filter((name) => /\.(yaml|tpl)$/.test(name)).map((name) => join(folder, name)))
  t.ok(files.length > 12)
  // What follows a key on its line is quoted, a number, or YAML of its own.
  const fit = /quote|toYaml|toJson|nindent|int64|\bmin\b|seconds|mulf|\bdiv\b|ternary "[ap]|^\{\{-? *\$resource/
  // Read by the templates themselves, as numbers.
  const inner = 'graceful-lib/templates/_settings.tpl'
  for (const file of files.filter((one) => one !== inner)) {
    for (const [index, line] of readFileSync(join(charts, file), 'utf8').split('\n').entries()) {
      const [, value = ''] = /^\s*(?:- )?[\w./"-]+: (\{\{.*\}\}\S*)\s*$/.exec(line) ?? []
      if (value !== '') t.match(value, fit, `${file}:${index + 1}: ${line.trim()}`)
    }
  }
})

const digests = (text: string): string[] => ['sha1', 'sha256', 'sha512', 'md5'].flatMap((algorithm) =>
  (['hex', 'base64', 'base64url'] as const).map((encoding) => createHash(algorithm).update(text).digest(encoding)))

interface Spec { template: { metadata: Manifest['metadata'] } }

const revision = async (given: string, ...args: string[]): Promise<string | undefined> => {
  const deployment = only(await render({ admin: { token: given } }, ...args), 'Deployment')
  const { template: { metadata } } = deployment['spec'] as Spec
  return metadata.annotations?.['graceful/admin-token-revision']
}

// Scenario, too: The chart: text without quotes…
t.test('the token and its hashes are in the Secret alone', async (t) => {
  const enabled = true
  const rows = [
    {}, { admin: { tokenFrom: 'env' } }, { probes: { port: 9000 }, podMonitor: { enabled }, networkPolicy: { enabled } }
  ]
  const encoded = (['base64', 'hex'] as const).map((encoding) => Buffer.from(token).toString(encoding))
  const forms = [token, ...encoded, ...digests(token), ...digests(`${token}\n`)]
  for (const values of rows) {
    const admin = { token, ...(values as { admin?: object }).admin }
    const manifests = await render({ ...values, admin }, ...operator)
    for (const manifest of manifests.filter(({ kind }) => kind !== 'Secret')) {
      const text = JSON.stringify(manifest)
      for (const form of forms) {
        t.notOk(text.includes(form), `${manifest.kind}: ${form}`)
        t.notOk(form.length > 32 && text.includes(form.slice(0, 8)), `${manifest.kind}: the beginning of ${form}`)
      }
    }
  }
  const first = await revision(token)
  t.match(first, /^[0-9a-f]{8}$/, 'so short that it is no proof of a token')
  t.equal(await revision(token), first, 'the same token replaces no pod')
  t.not(await revision(`${token}2`), first, 'another one does')
  t.not(await revision(token, '--namespace', 'other'), first, 'nor does it tell that two releases have the same')
})

// Scenario, too: The chart: text without quotes…
t.test('the token is mounted as a file, unless it is asked for as a variable', async (t) => {
  const file = '/var/run/secrets/fastify-graceful/token'
  const rows = [
    [{ token }, 'rel-graceful-service-admin', 'token'],
    [{ existingSecret: 'mine', existingSecretKey: 'key' }, 'mine', 'key']
  ] as const
  for (const [admin, secretName, key] of rows) {
    const manifests = await render({ admin })
    const { env, volumeMounts } = containerOf(manifests)
    t.strictSame(env.filter(({ name }) => name.includes('TOKEN')), [{ name: 'GRACEFUL_ADMIN_TOKEN_FILE', value: file }])
    const [mount] = volumeMounts as object[]
    t.strictSame(mount, { name: 'graceful-admin', mountPath: '/var/run/secrets/fastify-graceful', readOnly: true })
    const [volume] = podOf(manifests)['volumes'] as object[]
    const secret = { secretName, defaultMode: 0o444, items: [{ key, path: 'token' }] }
    t.strictSame(volume, { name: 'graceful-admin', secret })
  }
  const asked = await render({ admin: { token, tokenFrom: 'env' } })
  t.strictSame(containerOf(asked).env.filter(({ name }) => name.includes('TOKEN')), [
    { name: 'GRACEFUL_ADMIN_TOKEN', valueFrom: { secretKeyRef: { name: 'rel-graceful-service-admin', key: 'token' } } }
  ])
  t.notMatch(JSON.stringify(podOf(asked)), /graceful-admin"/, 'and is not there twice')
  t.notMatch(JSON.stringify(podOf(await render())), /TOKEN|graceful-admin/)
  const { stderr } = await template({ extraEnv: [{ name: 'GRACEFUL_ADMIN_TOKEN_FILE', value: '/x' }] })
  t.match(stderr, 'extraEnv: the chart sets GRACEFUL_ADMIN_TOKEN_FILE')
})

/** A rule of the policy: who may reach what. */
interface Rule { ports: Array<{ protocol?: string, port?: number }>, from?: object[] }

const prometheus = { namespaceSelector: {}, podSelector: { matchLabels: { 'app.kubernetes.io/name': 'prometheus' } } }

const rulesOf = async (values: Values): Promise<Rule[] | undefined> => {
  const found = (await render(values, ...operator)).filter(({ kind }) => kind === 'NetworkPolicy')
  return (found[0]?.['spec'] as { ingress: Rule[] } | undefined)?.ingress
}

/** From where a port may be reached: nobody, the peers, or everybody. */
const reached = (rules: Rule[] | undefined, port: number): unknown => {
  if (rules === undefined) return 'everybody'
  const fitting = rules.filter(({ ports }) => ports.some((one) => one.port === undefined || one.port === port))
  if (fitting.some(({ from }) => from === undefined)) return 'everybody'
  return fitting.length === 0 ? 'nobody' : fitting.flatMap(({ from }) => from)
}

// Scenario, too: The chart: text without quotes…
t.test('the port of the probes is closed to the cluster, and open to who scrapes it', async (t) => {
  const own = { probes: { port: 9000 } }
  const scraped = { podMonitor: { enabled: true } }
  const peer = { podSelector: { matchLabels: { app: 'shop' } } }
  const labels = { 'app.kubernetes.io/name': 'graceful-service-test', 'app.kubernetes.io/instance': 'rel' }
  const test = { podSelector: { matchLabels: labels } }
  const proxy = { name: 'proxy', image: 'p', ports: [{ containerPort: 15_000 }] }
  const closed = { networkPolicy: { enabled: true } }
  const few = { networkPolicy: { enabled: true, from: [peer] } }
  const rule = { networkPolicy: { ingress: [{ ports: [{ port: 9000 }], from: [peer] }] } }
  const rows: Array<[name: string, values: Values, service: unknown, probes: unknown, sidecar?: unknown]> = [
    ['no port of its own, no policy', {}, 'everybody', 'everybody'],
    ['by default', own, 'everybody', 'nobody'],
    ['by default, beside a sidecar', { ...own, extraContainers: [proxy] }, 'everybody', 'nobody', 'everybody'],
    ['by default, beside a native one', { ...own, initContainers: [proxy] }, 'everybody', 'nobody', 'everybody'],
    ['by default, lists taken away', { ...own, initContainers: null, extraContainers: null }, 'everybody', 'nobody'],
    ['by default, in a mesh', { ...own, preset: 'istio' }, 'everybody', 'nobody'],
    ['scraped', { ...own, ...scraped }, 'everybody', [prometheus]],
    ['scraped by somebody else', { ...own, podMonitor: { enabled: true, from: [peer] } }, 'everybody', [peer]],
    ['scraped by anybody', { ...own, podMonitor: { enabled: true, from: [] } }, 'everybody', 'everybody'],
    ['switched off', { ...own, networkPolicy: { closeProbesPort: false } }, 'everybody', 'everybody', 'everybody'],
    ['with a policy', { ...own, ...closed }, 'everybody', 'nobody', 'nobody'],
    ['with a policy, scraped', { ...own, ...scraped, ...closed }, 'everybody', [prometheus], 'nobody'],
    ['with a policy of few, scraped', { ...own, ...scraped, ...few }, [peer, test], [prometheus], 'nobody'],
    ['the same on the port of the service', { ...scraped, ...few }, [peer, test, prometheus], 'nobody', 'nobody'],
    ["with a rule of one's own", { ...own, ...rule }, 'everybody', [peer]]
  ]
  for (const [name, values, onService, onProbes, onSidecar] of rows) {
    const rules = await rulesOf(values)
    t.strictSame(reached(rules, 3000), onService, `${name}: the service`)
    t.strictSame(reached(rules, 9000), onProbes, `${name}: the probes`)
    if (onSidecar !== undefined) t.strictSame(reached(rules, 15_000), onSidecar, `${name}: another port`)
  }
  t.equal(reached(await rulesOf({ ...own, preset: 'istio' }), 15_020), 'everybody', 'a mesh scrapes its proxies')
  for (const port of [15_008, 4143]) t.equal(reached(await rulesOf(own), port), 'everybody', 'its traffic comes there')
  const { ingress } = only(await render({ ...own, ...scraped }), 'NetworkPolicy')['spec'] as { ingress: unknown[] }
  t.equal(ingress.length, 1, 'no rule for a PodMonitor that the cluster cannot have')
})

const resources = async (given?: Values): Promise<unknown> =>
  containerOf(await render(given === undefined ? {} : { resources: given }))['resources']

// Scenario, too: The chart: text without quotes…
t.test('a pod asks for what it needs, and what is there by default can be taken away', async (t) => {
  t.strictSame(await resources(), { requests: { cpu: '100m', memory: '128Mi' } })
  const limits = { memory: '256Mi' }
  t.strictSame(await resources({ limits }), { limits, requests: { cpu: '100m', memory: '128Mi' } })
  t.strictSame(await resources({ requests: { cpu: '1' } }), { requests: { cpu: '1', memory: '128Mi' } })
  t.strictSame(await resources({ requests: { cpu: null } }), { requests: { memory: '128Mi' } })
  t.equal(await resources({ requests: null }), undefined)
})

const notes = async (...args: string[]): Promise<string> => {
  const install = ['install', 'rel', service, '--dry-run=client', '--set', 'image.repository=shop']
  return (await helm([...install, ...args])).stdout.split('NOTES:')[1] ?? ''
}

// Scenario, too: The chart: text without quotes…
t.test('what a shared process namespace means is said where it matters', async (t) => {
  const said = /those of the same user can read the\napplication's environment, memory and files/
  const extra = 'extraContainers[0].name=a,extraContainers[0].image=b'
  t.match(await notes('--set', extra), said)
  t.notMatch(await notes(), said)
  t.notMatch(await notes('--set', `${extra},shareProcessNamespace=false`), said)
  for (const file of ['graceful-service/README.md', 'graceful-service/values.yaml']) {
    t.match(readFileSync(join(charts, file), 'utf8'), /same user[^|]*through `?\/proc/, file)
  }
})
