import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { droppedFields, schemaErrors, typeErrors } from './manifests.ts'
import type { Manifest } from './manifests.ts'
import { environmentOf, only, podOf } from './pod.ts'
import { folder, manifests, oldest, written } from './plain.ts'
import { service } from './render.ts'
import type { Values } from './render.ts'
import { helm, kubectl } from './tools.ts'

/** What kustomize makes of a folder. */
async function built (path: string): Promise<Manifest[]> {
  const { code, stdout, stderr } = await kubectl(['kustomize', path])
  if (code !== 0) throw new Error(stderr)
  return parseAllDocuments(stdout).map((document) => (document as { toJS (): unknown }).toJS() as Manifest)
}

const byKind = (some: readonly Manifest[]): Map<string, Manifest> => new Map(some.map((one) => [one.kind, one]))

t.test('the plain manifests are those of the chart', async (t) => {
  const wanted = await manifests()
  t.strictSame([...written().keys()], [...wanted.keys()].toSorted())
  // npm run manifests writes them, after a change of the chart.
  for (const [name, text] of written()) t.equal(text, wanted.get(name), name)
})

t.test('they say what the chart says, less what is of Helm', async (t) => {
  const args = ['template', 'shop', service, '--kube-version', oldest, '--values', join(folder, 'values.yaml')]
  const { stdout } = await helm(args)
  const rendered = stdout.split(/^---$/m).map((text) => parse(text) as Manifest | null).filter((one) => one !== null)
  const own = byKind([...written().values()].map((text) => parse(text) as Manifest))
  t.strictSame([...own.keys()].toSorted(), ['Deployment', 'PodDisruptionBudget', 'Service', 'ServiceAccount'])
  for (const manifest of rendered) {
    const { namespace: _namespace, ...metadata } = manifest.metadata as Manifest['metadata'] & { namespace: string }
    const lean = JSON.parse(JSON.stringify({ ...manifest, metadata }, (key, value: unknown) =>
      ['helm.sh/chart', 'app.kubernetes.io/managed-by'].includes(key) ? undefined : value)) as Manifest
    t.strictSame(own.get(manifest.kind), lean, manifest.kind)
  }
  t.notMatch(JSON.stringify([...own.values()]), /helm/i)
})

t.test('Kubernetes takes them', async (t) => {
  const all = [...written().values()].map((text) => parse(text) as Manifest)
  t.strictSame(await typeErrors([{ version: oldest, manifests: all }, { version: '1.36', manifests: all }]), [])
  t.strictSame(await schemaErrors(all), [])
  t.strictSame(await droppedFields(all), [])
})

/** The grace period, as the kubelet and as the application have it. */
const times = (some: readonly Manifest[]): unknown[] =>
  [podOf(some).terminationGracePeriodSeconds, environmentOf(some, '')['TERMINATION_GRACE_PERIOD_SECONDS']]

t.test('kustomize takes them, and the overlay changes what it says', async (t) => {
  const [base, over] = await Promise.all([built(folder), built(join(folder, '..', 'overlays', 'production'))])
  const own = byKind([...written().values()].map((text) => parse(text) as Manifest))
  for (const manifest of base) t.strictSame(manifest, own.get(manifest.kind), `${manifest.kind} as it is`)
  t.equal(base.length, own.size, 'each is a resource')
  t.strictSame(times(base), [30, '30'])
  t.strictSame(times(over), [60, '60'], 'the grace period is one number, and a text in the environment')
  t.match(only(over, 'Deployment'), { metadata: { namespace: 'production' }, spec: { replicas: 4 } })
  t.equal(podOf(over).containers[0]?.image, 'registry.example/shop:1.2.4')
  const { matchLabels } = (only(over, 'Deployment')['spec'] as { selector: Values }).selector
  t.strictSame(matchLabels, (only(base, 'Deployment')['spec'] as { selector: Values }).selector['matchLabels'])
})

t.test('what is changed by hand is seen', async (t: Test) => {
  const copy = mkdtempSync(join(tmpdir(), 'graceful-plain-'))
  t.teardown(() => rmSync(copy, { recursive: true, force: true }))
  cpSync(folder, copy, { recursive: true })
  const file = join(copy, 'deployment.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replace('terminationGracePeriodSeconds: 30', 'terminationGracePeriodSeconds: 45'))
  t.strictSame(times(await built(copy)), [45, '45'], 'and told to the application')
})
