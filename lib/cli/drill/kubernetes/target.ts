import type { Container, Deployment, List, PodSpec, Selector, Service } from './api.ts'
import { KubectlError } from './kubectl.ts'
import type { Kubectl } from './kubectl.ts'

type Labels = Readonly<Record<string, string>>

/** What is drilled. */
export interface Target {
  /** The name of the deployment. */
  deployment: string
  replicas: number
  /** Milliseconds from the end of a pod to SIGKILL. */
  grace: number
  /** Its pods, as kubectl selects them. */
  selector: string
  pod: PodSpec
  container: Container
  /** What is to be known before it begins. */
  notes: string[]
}

const usualGrace = 30

/** Reads the deployment, and whether it can be restarted now. @throws KubectlError */
export async function findTarget (
  kubectl: Kubectl, name: string, container: string | undefined, signal: AbortSignal
): Promise<Target & { labels: Labels }> {
  const text = await kubectl.run(['get', 'deployments.apps', name, '-o', 'json'], { signal })
  const { metadata, spec, status = {} } = JSON.parse(text) as Deployment
  const { replicas = 1, paused, strategy, template } = spec
  const busy = (status.observedGeneration ?? 0) < (metadata.generation ?? 0) || status.updatedReplicas !== replicas
    || status.replicas !== replicas
  if (replicas === 0) throw new KubectlError(`deployment ${name} has no replicas: at least one is needed`)
  if (paused === true) throw new KubectlError(`deployment ${name} is paused: kubectl rollout resume deployment/${name}`)
  if (busy) throw new KubectlError(`deployment ${name} is being updated or scaled: wait until that is over`)
  return {
    deployment: name,
    replicas,
    grace: (template.spec.terminationGracePeriodSeconds ?? usualGrace) * 1000,
    selector: textOf(spec.selector),
    labels: template.metadata?.labels ?? {},
    pod: template.spec,
    container: containerOf(template, container),
    notes: strategy?.type === 'Recreate' ? ['strategy Recreate: nobody serves until the new pods are ready'] : []
  }
}

/** By name, else by the annotation that kubectl goes by, else the first one. */
function containerOf ({ metadata, spec }: Deployment['spec']['template'], given: string | undefined): Container {
  const name = given ?? metadata?.annotations?.['kubectl.kubernetes.io/default-container']
  const found = name === undefined ? spec.containers[0] : spec.containers.find((one) => one.name === name)
  if (found !== undefined) return found
  throw new KubectlError(`there is no container '${name}': ${spec.containers.map((one) => one.name).join(', ')}`)
}

/** A selector as kubectl takes it. */
function textOf ({ matchLabels = {}, matchExpressions = [] }: Selector): string {
  const forms: Readonly<Record<string, (key: string, values: string) => string>> = {
    In: (key, values) => `${key} in (${values})`,
    NotIn: (key, values) => `${key} notin (${values})`,
    Exists: (key) => key,
    DoesNotExist: (key) => `!${key}`
  }
  return [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.flatMap(({ key, operator, values = [] }) => forms[operator]?.(key, values.join(',')) ?? [])
  ].join(',')
}

/** Where the load goes. */
export interface Goal {
  /** The name of the Service with its port, as it is shown. */
  name: string
  url: string
}

const selects = ({ spec: { selector = {} } }: Service, labels: Labels): boolean =>
  Object.keys(selector).length > 0 && Object.entries(selector).every(([key, value]) => labels[key] === value)

/** Whether something stands in front of the pods: without an address of its own, its name is that of each pod. */
const isInFront = ({ spec: { type, clusterIP } }: Service): boolean => type !== 'ExternalName' && clusterIP !== 'None'

/** Finds the Service of the pods. @param given its name, with a port or without @throws KubectlError */
export async function findService (
  kubectl: Kubectl, labels: Labels, given: string | undefined, { namespace, signal }:
  { namespace: string, signal: AbortSignal }
): Promise<Goal> {
  const [name, port] = given?.split(':') ?? []
  const service = name === undefined
    ? theOnly(JSON.parse(await kubectl.run(['get', 'services', '-o', 'json'], { signal })) as List<Service>, labels)
    : JSON.parse(await kubectl.run(['get', 'services', name, '-o', 'json'], { signal })) as Service
  const own = service.metadata.name
  if (!selects(service, labels)) throw new KubectlError(`service ${own} does not select the pods of the deployment`)
  if (!isInFront(service)) throw new KubectlError(`service ${own} has no address of its own: nothing is in front`)
  const number = portOf(service, port)
  return { name: `${own}:${number}`, url: `http://${own}.${namespace}.svc:${number}` }
}

function theOnly ({ items }: List<Service>, labels: Labels): Service {
  const [one, ...others] = items.filter((service) => isInFront(service) && selects(service, labels))
  if (one === undefined) throw new KubectlError('no service in front selects the pods of the deployment')
  if (others.length === 0) return one
  const names = [one, ...others].map(({ metadata }) => metadata.name).join(', ')
  throw new KubectlError(`several services select the pods of the deployment: choose one with --service: ${names}`)
}

function portOf ({ metadata, spec: { ports = [] } }: Service, given: string | undefined): number {
  const all = ports.filter(({ protocol = 'TCP' }) => protocol === 'TCP')
  const known = given === undefined
    ? all.length === 1 ? all[0] : all.find(({ name }) => name === 'http')
    : all.find(({ name, port }) => name === given || String(port) === given)
  if (known !== undefined) return known.port
  const list = all.map(({ name, port }) => name === undefined ? port : `${port} (${name})`).join(', ')
  throw new KubectlError(`which port? --service ${metadata.name}:<port>, of ${list || 'none'}`)
}
