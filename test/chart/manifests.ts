import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { apiTypes, kubectl, modelFolder } from './tools.ts'

/** An object as it goes to the API server. */
export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string, labels?: Record<string, string>, annotations?: Record<string, string> }
  [field: string]: unknown
}

/** What a version of Kubernetes would say of some manifests. */
export interface Subject { version: string, manifests: Manifest[] }

/** Where the types of an API group lie in kubernetes-types: `networking.k8s.io/v1` in `networking/v1`. */
function modulePath (apiVersion: string): string {
  const [group = '', version] = apiVersion.split('/')
  return version === undefined ? `core/${group}` : `${group.split('.')[0]}/${version}`
}

/** Custom resources, by the package that has their types and schemas. */
const customs: Record<string, string> = {
  'gateway.networking.k8s.io': '@kubernetes-models/gateway-api',
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator'
}

const groupOf = ({ apiVersion }: Manifest): string => apiVersion.includes('/') ? apiVersion.split('/')[0] ?? '' : ''

/** The package of models that has a manifest's type in this version of Kubernetes; undefined where there is none. */
function modelPackage (version: string, manifest: Manifest): string | undefined {
  return customs[groupOf(manifest)] ?? (Number(version.split('.')[1]) >= 36 ? 'kubernetes-models' : undefined)
}

/** How the packages of models name the schemas of a group. */
const schemaNames: Record<string, string> = {
  '': 'IoK8sApiCore',
  apps: 'IoK8sApiApps',
  autoscaling: 'IoK8sApiAutoscaling',
  'networking.k8s.io': 'IoK8sApiNetworking',
  policy: 'IoK8sApiPolicy',
  batch: 'IoK8sApiBatch',
  'rbac.authorization.k8s.io': 'IoK8sApiRbac',
  'gateway.networking.k8s.io': 'IoK8sSigsGatewayApiApis',
  'monitoring.coreos.com': 'ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoring'
}

interface Validate {
  (manifest: Manifest): boolean
  errors?: Array<{ instancePath: string, keyword: string, params: object }> | null
}

/**
 * Checks manifests against the schemas of Kubernetes 1.36 and of custom resources, with their bounds and patterns, which
 * types know nothing of. Unknown fields are for `typeErrors`.
 *
 * @returns one line per error
 */
export async function schemaErrors (manifests: readonly Manifest[]): Promise<string[]> {
  const folder = join(await modelFolder(), 'node_modules')
  const validators = new Map<string, Validate>()
  const found: string[] = []
  for (const manifest of manifests) {
    const group = groupOf(manifest)
    const version = manifest.apiVersion.slice(group === '' ? 0 : group.length + 1)
    const name = `${schemaNames[group]}${version.replace('v', 'V')}${manifest.kind}.js`
    const file = join(folder, modelPackage('1.36', manifest) ?? '', '_schemas', name)
    const validate = validators.get(file)
      ?? (await import(pathToFileURL(file).href) as { validate: Validate }).validate
    validators.set(file, validate)
    if (validate(manifest)) continue
    for (const { instancePath, keyword, params } of validate.errors ?? []) {
      found.push(`${manifest.kind} ${manifest.metadata.name}${instancePath}: ${keyword} ${JSON.stringify(params)}`)
    }
  }
  return found
}

/**
 * Checks manifests against the API of their Kubernetes version: the compiler refuses wrong types, missing fields and,
 * in object literals, unknown ones. Custom resources are held against the newest types there are.
 *
 * @returns one line per error
 */
export async function typeErrors (subjects: Subject[]): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'graceful-manifests-'))
  try {
    symlinkSync(join(await modelFolder(), 'node_modules'), join(folder, 'node_modules'))
    /** What has been held against which types. */
    const known = new Map<string, Set<Manifest>>()
    for (const [index, { version, manifests }] of subjects.entries()) {
      const types = `types-${version}`
      const source = await apiTypes(version)
      symlinkSync(source, join(folder, `${types}-${index}`))
      const fresh = manifests.filter((manifest) => {
        const seen = known.get(modelPackage(version, manifest) ?? source) ?? new Set()
        known.set(modelPackage(version, manifest) ?? source, seen)
        return !seen.has(manifest) && seen.add(manifest)
      })
      const lines = fresh.map((manifest, position) => {
        const { apiVersion, kind } = manifest
        const models = modelPackage(version, manifest)
        const type = models === undefined
          ? `import('./${types}-${index}/${modulePath(apiVersion)}').${kind}`
          : `import('${models}/${apiVersion}/${kind}').I${kind}`
        return `export const m${position}: ${type} = ${JSON.stringify(manifest)}`
      })
      writeFileSync(join(folder, `kubernetes-${version}-${index}.ts`), lines.join('\n'))
    }
    // So that a package above the folder for temporary files has no say.
    writeFileSync(join(folder, 'package.json'), '{}')
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
      compilerOptions: {
        noEmit: true,
        strict: true,
        skipLibCheck: true,
        module: 'preserve',
        types: [],
        preserveSymlinks: true,
        exactOptionalPropertyTypes: true
      },
      include: ['kubernetes-*.ts']
    }))
    const compiler = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url))
    // The test runner sets its loaders again for each child, and the compiler trips over them.
    const output = await new Promise<string>((resolve) => {
      execFile(
        'env',
        ['-u', 'NODE_OPTIONS', compiler, '-p', folder, '--pretty', 'false'],
        { maxBuffer: 2 ** 28 },
        (_error, stdout, stderr) => resolve(stdout + stderr)
      )
    })
    return output.split('\n').filter((line) => line !== '')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The paths of fields that kubectl drops as it decodes pods, deployments and services: unknown to Kubernetes 1.35. */
export async function droppedFields (manifests: Manifest[]): Promise<string[]> {
  const workloads = manifests.filter(({ kind }) => kind === 'Deployment' || kind === 'Pod')
  const services = manifests.filter(({ kind }) => kind === 'Service')
  return [
    ...await dropped(workloads, ['set', 'env', '--local', '-f', '-', 'CHECKED=yes', '-o', 'json']),
    ...await dropped(services, ['set', 'selector', '--local', '-f', '-', 'checked=yes', '-o', 'json'])
  ]
}

async function dropped (manifests: Manifest[], command: string[]): Promise<string[]> {
  if (manifests.length === 0) return []
  const { code, stdout, stderr } = await kubectl(
    command,
    manifests.map((manifest) => JSON.stringify(manifest)).join('\n---\n')
  )
  if (code !== 0) return [stderr]
  // One object after the other, not a list.
  const decoded = JSON.parse(`[${stdout.replaceAll(/^\}\n\{/gm, '},{')}]`) as Manifest[]
  return manifests.flatMap((manifest, index) =>
    lost(manifest, decoded[index], `${manifest.kind} ${manifest.metadata.name}`))
}

function lost (given: unknown, found: unknown, path: string): string[] {
  if (typeof given !== 'object' || given === null) return []
  return Object.entries(given).flatMap(([key, value]) => {
    const inside = typeof found === 'object' && found !== null ? (found as Record<string, unknown>)[key] : undefined
    // The command that makes kubectl decode a Service puts its own selector there.
    if (path.startsWith('Service ') && path.endsWith('.spec') && key === 'selector') return []
    return inside === undefined && !empty(value) ? [`${path}.${key}`] : lost(value, inside, `${path}.${key}`)
  })
}

/** What Kubernetes leaves out when it writes. */
const empty = (value: unknown): boolean => value === '' || value === false || value === 0
  || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
