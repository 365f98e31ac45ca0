/** What is read of the API of Kubernetes: whatever the cluster leaves out is undefined. */

interface Metadata {
  name: string
  uid?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  annotations?: Record<string, string>
  labels?: Record<string, string>
}

interface Condition { type: string, status: string, reason?: string, message?: string, lastTransitionTime?: string }

export interface Selector {
  matchLabels?: Record<string, string>
  matchExpressions?: Array<{ key: string, operator: string, values?: string[] }>
}

interface SecurityContext { runAsUser?: number, runAsGroup?: number }

export interface Container {
  name: string
  image?: string
  imagePullPolicy?: string
  command?: string[]
  args?: string[]
  workingDir?: string
  securityContext?: SecurityContext
}

export interface PodSpec {
  containers: Container[]
  terminationGracePeriodSeconds?: number
  imagePullSecrets?: Array<{ name?: string }>
  nodeSelector?: Record<string, string>
  tolerations?: object[]
  securityContext?: SecurityContext
}

export interface Deployment {
  metadata: Metadata
  spec: {
    replicas?: number
    paused?: boolean
    selector: Selector
    strategy?: { type?: string }
    template: { metadata?: Partial<Metadata>, spec: PodSpec }
  }
  status?: {
    observedGeneration?: number, replicas?: number, updatedReplicas?: number, readyReplicas?: number
  }
}

export interface Service {
  metadata: Metadata
  spec: {
    type?: string
    clusterIP?: string
    selector?: Record<string, string>
    ports?: Array<{ name?: string, port: number, protocol?: string }>
  }
}

interface Terminated {
  exitCode: number
  signal?: number
  reason?: string
  message?: string
  finishedAt?: string
}

export interface ContainerStatus {
  name: string
  restartCount?: number
  state?: {
    running?: { startedAt?: string }
    waiting?: { reason?: string, message?: string }
    terminated?: Terminated
  }
}

export interface Pod {
  metadata: Metadata
  spec: PodSpec
  status?: {
    phase?: string
    reason?: string
    message?: string
    conditions?: Condition[]
    containerStatuses?: ContainerStatus[]
  }
}

export interface List<T> { items: T[] }

/** One event of `kubectl get --watch --output-watch-events`. */
export interface WatchEvent { type: string, object: Pod }

export interface KubeConfig {
  contexts?: Array<{ name?: string, context?: { cluster?: string, namespace?: string } }>
  clusters?: Array<{ name?: string, cluster?: { server?: string } }>
}

export interface Versions {
  clientVersion?: { gitVersion?: string, minor?: string }
  serverVersion?: { gitVersion?: string, minor?: string }
}

export interface EventList {
  items: Array<{ type?: string, reason?: string, message?: string, involvedObject?: { name?: string } }>
}
