import type { Image } from './image.ts'
import { onlyContainer } from './manifest.ts'
import type { Container, EnvVar, Manifest } from './manifest.ts'

/** Where a pod lies on this machine. */
export interface Place {
  podName: string
  image: Image
  /** Ports of this machine, by port of the pod. */
  ports: Map<number, number>
  /** Files and folders of this machine, by path in the container. */
  paths: Map<string, string>
}

/** The variables that a kubelet puts into every container for the Service of the API server. */
const serviceVariables = {
  KUBERNETES_SERVICE_HOST: '10.0.0.1',
  KUBERNETES_SERVICE_PORT: '443',
  KUBERNETES_PORT: 'tcp://10.0.0.1:443'
}

/**
 * The environment of the pod's container, in the kubelet's order: image, services, container.
 * Ports and paths are those of this machine: a pod has its own network and its own file system.
 *
 * @throws Error where a value comes from something that is not in the manifest
 */
export function environmentOf (manifest: Manifest, place: Place): Record<string, string> {
  const container = onlyContainer(manifest.deployment.spec.template.spec)
  const environment: Record<string, string> = {
    ...folderVariables(place),
    ...place.image.env,
    HOSTNAME: place.podName,
    ...serviceVariables
  }
  for (const variable of container.env ?? []) {
    const value = valueOf(variable, container, manifest, place)
    if (value !== undefined) environment[variable.name] = here(variable.name, expand(value, environment), place)
  }
  return { ...environment, ...portVariables(container, place) }
}

/** Every image reads the port to listen on from PORT; the manifest must agree with it. */
function portVariables (container: Container, { ports }: Place): Record<string, string> {
  const [first] = container.ports ?? []
  const told = container.env?.find(({ name }) => name === 'PORT')?.value
  if (first === undefined) throw new Error('the container has no port')
  if (told !== undefined && Number(told) !== first.containerPort) {
    throw new Error(`PORT is ${told}, the container's port ${first.containerPort}`)
  }
  return { HOST: '127.0.0.1', PORT: String(ports.get(first.containerPort)) }
}

/** Where a container finds by itself what lies elsewhere on this machine. */
function folderVariables ({ paths }: Place): Record<string, string> {
  const found = { TMPDIR: paths.get('/tmp'), GRACEFUL_TERMINATION_MESSAGE_PATH: paths.get('/dev/termination-log') }
  return Object.fromEntries(Object.entries(found).filter((entry): entry is [string, string] => entry[1] !== undefined))
}

function here (name: string, value: string, { ports, paths }: Place): string {
  if (/(^|_)PORT$/.test(name)) return String(ports.get(Number(value)) ?? value)
  for (const [path, local] of paths) {
    if (value === path || value.startsWith(`${path}/`)) return local + value.slice(path.length)
  }
  return value
}

/** `$(NAME)` is a variable that came before; `$$` is `$`; anything else stays. */
export function expand (text: string, environment: Record<string, string>): string {
  return text.replaceAll(
    /\$\$|\$\(([^)]+)\)/g,
    (whole, name?: string) => name === undefined ? '$' : environment[name] ?? whole
  )
}

function valueOf (
  { name, value, valueFrom }: EnvVar,
  container: Container,
  manifest: Manifest,
  place: Place
): string | undefined {
  if (valueFrom === undefined) return value ?? ''
  if (valueFrom.fieldRef !== undefined) return fieldOf(valueFrom.fieldRef.fieldPath, manifest, place)
  if (valueFrom.secretKeyRef !== undefined) return secretOf(valueFrom.secretKeyRef, manifest)
  if (valueFrom.resourceFieldRef !== undefined) return resourceOf(valueFrom.resourceFieldRef, container)
  throw new Error(`this kubelet does not know where ${name} comes from: ${JSON.stringify(valueFrom)}`)
}

function fieldOf (path: string, { deployment }: Manifest, { podName }: Place): string {
  const { metadata = {}, spec } = deployment.spec.template
  const [, group = '', key = ''] = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path) ?? []
  if (group === 'labels' || group === 'annotations') return metadata[group]?.[key] ?? ''
  const fields: Record<string, string> = {
    'metadata.name': podName,
    'metadata.namespace': deployment.metadata.namespace ?? 'default',
    'metadata.uid': '00000000-0000-4000-8000-000000000000',
    'spec.nodeName': 'node-1',
    'spec.serviceAccountName': spec.serviceAccountName ?? 'default',
    'status.podIP': '127.0.0.1',
    'status.podIPs': '127.0.0.1',
    'status.hostIP': '127.0.0.1'
  }
  const field = fields[path]
  if (field === undefined) throw new Error(`this kubelet does not know the field ${path}`)
  return field
}

/** A key of a Secret. */
interface SecretKey { name: string, key: string, optional?: boolean }

/** What a Secret of the manifest holds. @throws Error where it is not there, and has to be */
export function secretOf ({ name, key, optional = false }: SecretKey, { secrets }: Manifest): string | undefined {
  const secret = secrets.find(({ metadata }) => metadata.name === name)
  const encoded = secret?.data?.[key]
  const found = secret?.stringData?.[key]
    ?? (encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString())
  if (found === undefined && !optional) throw new Error(`there is no ${key} in a Secret ${name}`)
  return found
}

const units: Record<string, number> = { '': 1, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3 }

function quantity (text: string | number): number {
  const [, number = '', unit = ''] = /^([\d.]+)(\D*)$/.exec(String(text)) ?? []
  const factor = units[unit]
  if (number === '' || factor === undefined) throw new Error(`this kubelet does not know the quantity ${text}`)
  return Number(number) * factor
}

/** Without a limit the whole machine is the limit: any large number does. */
function resourceOf (
  { resource, divisor = '1' }: { resource: string, divisor?: string },
  { resources = {} }: Container
): string {
  const [kind = '', name = ''] = resource.split('.')
  const amount = (kind === 'limits' ? resources.limits : resources.requests)?.[name]
  const divisorOf = quantity(divisor === '0' ? '1' : divisor)
  return String(Math.ceil(quantity(amount ?? (name === 'cpu' ? '2' : '2Gi')) / divisorOf))
}
