import type { Manifest } from './manifests.ts'

/** A probe, as the charts render it. */
interface Probe {
  httpGet: { path: string, port: number, scheme?: string }
  initialDelaySeconds?: number
  periodSeconds: number
  timeoutSeconds: number
  failureThreshold: number
  terminationGracePeriodSeconds?: number
}

/** The application's container, as the charts render it. */
export interface Container {
  name: string
  image: string
  ports: Array<{ name: string, containerPort: number }>
  env: Array<{
    name: string
    value?: string
    valueFrom?: { fieldRef?: { fieldPath: string }, secretKeyRef?: { name: string, key: string } }
  }>
  startupProbe?: Probe
  livenessProbe?: Probe
  readinessProbe?: Probe
  lifecycle?: {
    preStop: {
      sleep?: { seconds: number }
      exec?: { command: string[] }
      httpGet?: { path: string, port: number, scheme?: string, httpHeaders: Array<{ name: string, value: string }> }
    }
  }
  terminationMessagePath: string
  [field: string]: unknown
}

/** The pod of a Deployment, as the charts render it. */
export interface Pod { terminationGracePeriodSeconds: number, containers: Container[], [field: string]: unknown }

/** The one manifest of this kind, hooks left out. */
export function only (manifests: readonly Manifest[], kind: string): Manifest {
  const found = manifests.filter(
    (manifest) => manifest.kind === kind && manifest.metadata.annotations?.['helm.sh/hook'] === undefined
  )
  if (found[0] === undefined || found.length > 1) throw new Error(`expected one ${kind}, got ${found.length}`)
  return found[0]
}

/** The pod of the Deployment. */
export function podOf (manifests: readonly Manifest[]): Pod {
  return (only(manifests, 'Deployment')['spec'] as { template: { spec: Pod } }).template.spec
}

/** The application's container. */
export function containerOf (manifests: readonly Manifest[]): Container {
  const found = podOf(manifests).containers.find(({ name }) => name === 'app')
  if (found === undefined) throw new Error('the pod has no container app')
  return found
}

/**
 * Its environment as the kubelet makes it, with this text for what comes from Secrets, and the field's name for what
 * comes from the pod. What a mounted file holds stands here as the variable that says the same: there is no such file
 * on this machine.
 */
export function environmentOf (manifests: readonly Manifest[], secret: string): Record<string, string> {
  return Object.fromEntries(containerOf(manifests).env.map(({ name, value, valueFrom }) => {
    if (name === 'GRACEFUL_ADMIN_TOKEN_FILE') return ['GRACEFUL_ADMIN_TOKEN', secret]
    return [name, value ?? valueFrom?.fieldRef?.fieldPath ?? secret]
  }))
}
