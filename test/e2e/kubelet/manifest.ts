import { parseAllDocuments } from 'yaml'

/** What a probe or a hook calls. */
export interface HttpGet {
  path?: string
  port: number | string
  host?: string
  scheme?: string
  httpHeaders?: Array<{ name: string, value: string }>
}

/** A probe, as a manifest has it: what is absent has the API server's default. */
export interface ProbeSpec {
  httpGet?: HttpGet
  initialDelaySeconds?: number
  periodSeconds?: number
  timeoutSeconds?: number
  successThreshold?: number
  failureThreshold?: number
  terminationGracePeriodSeconds?: number
}

/** What runs before SIGTERM: one of these. */
export interface PreStop {
  httpGet?: HttpGet
  sleep?: { seconds: number }
  exec?: { command: string[] }
}

/** A variable, or where its value comes from. */
export interface EnvVar {
  name: string
  value?: string
  valueFrom?: {
    fieldRef?: { fieldPath: string }
    secretKeyRef?: { name: string, key: string, optional?: boolean }
    resourceFieldRef?: { resource: string, divisor?: string }
  }
}

/** A container. */
export interface Container {
  name: string
  image: string
  command?: string[]
  args?: string[]
  env?: EnvVar[]
  envFrom?: unknown[]
  ports?: Array<{ name?: string, containerPort: number }>
  startupProbe?: ProbeSpec
  livenessProbe?: ProbeSpec
  readinessProbe?: ProbeSpec
  lifecycle?: { preStop?: PreStop, postStart?: unknown, stopSignal?: string }
  terminationMessagePath?: string
  volumeMounts?: Array<{ name: string, mountPath: string }>
  resources?: { limits?: Record<string, string | number>, requests?: Record<string, string | number> }
}

/** A folder of the pod: an empty one, or the keys of a Secret as files. */
interface Volume {
  name: string
  emptyDir?: object
  secret?: { secretName: string, defaultMode?: number, items?: Array<{ key: string, path: string }> }
}

/** A pod's specification. */
export interface PodSpec {
  containers: Container[]
  initContainers?: unknown[]
  terminationGracePeriodSeconds?: number
  serviceAccountName?: string
  volumes?: Volume[]
}

/** A Deployment. */
interface Deployment {
  kind: 'Deployment'
  metadata: { name: string, namespace?: string }
  spec: {
    replicas?: number
    minReadySeconds?: number
    strategy?: { type?: string, rollingUpdate?: { maxSurge?: number | string, maxUnavailable?: number | string } }
    template: { metadata?: { labels?: Record<string, string>, annotations?: Record<string, string> }, spec: PodSpec }
  }
}

/** A Secret; only what is written in clear text. */
interface Secret {
  kind: 'Secret'
  metadata: { name: string }
  stringData?: Record<string, string>
  data?: Record<string, string>
}

/** What of a rendered manifest concerns a kubelet. */
export interface Manifest { deployment: Deployment, secrets: Secret[] }

/**
 * Reads what `helm template` has rendered, or one Deployment.
 *
 * @throws Error where the text is no YAML, or has not exactly one Deployment, or one with parts that this kubelet
 * would have to leave out
 */
export function readManifest (text: string): Manifest {
  const objects = parseAllDocuments(text).map((document) => {
    if ('errors' in document && document.errors.length > 0) throw document.errors[0]!
    return document.toJS() as { kind?: string } | null
  })
  const deployments = objects.filter((object): object is Deployment => object?.kind === 'Deployment')
  const [deployment] = deployments
  if (deployment === undefined || deployments.length > 1) {
    throw new Error(`expected one Deployment, got ${deployments.length}`)
  }
  refuseUnknown(deployment)
  return { deployment, secrets: objects.filter((object): object is Secret => object?.kind === 'Secret') }
}

/** A pod that runs without a part of its specification would prove nothing about the rest. */
function refuseUnknown ({ spec: { template: { spec } } }: Deployment): void {
  const container = onlyContainer(spec)
  const unknown = [
    spec.initContainers !== undefined && 'initContainers',
    container.envFrom !== undefined && 'envFrom',
    container.lifecycle?.postStart !== undefined && 'postStart',
    container.lifecycle?.stopSignal !== undefined && 'stopSignal',
    ...[container.startupProbe, container.livenessProbe, container.readinessProbe].map((probe) =>
      probe !== undefined && probe.httpGet === undefined && 'a probe without httpGet'),
    container.lifecycle?.preStop !== undefined
      && Object.keys(container.lifecycle.preStop).some((key) => !['httpGet', 'sleep', 'exec'].includes(key))
      && 'this preStop'
  ].filter((part) => part !== false)
  if (unknown.length > 0) throw new Error(`this kubelet does not know ${unknown.join(', ')}`)
}

/** The pod's container. @throws Error where there is not exactly one */
export function onlyContainer (spec: PodSpec): Container {
  const [container] = spec.containers
  if (container === undefined || spec.containers.length > 1) {
    throw new Error(`expected one container, got ${spec.containers.length}`)
  }
  return container
}
