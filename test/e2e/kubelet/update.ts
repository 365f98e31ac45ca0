import { setTimeout as sleep } from 'node:timers/promises'
import type { Front } from '../../../lib/drill/fronts.ts'
import { startLoad } from '../../../lib/drill/load.ts'
import type { Load, LoadResult } from '../../../lib/drill/load.ts'
import { countByKind, traced } from '../../../lib/drill/losses.ts'
import type { RequestProfile } from '../../../lib/drill/profiles.ts'
import { startHaproxy } from '../haproxy.ts'
import { prefer } from '../replicas.ts'
import { longestIdle } from '../users.ts'
import type { Image } from './image.ts'
import type { Manifest } from './manifest.ts'
import { Pod } from './pod.ts'
import type { Departure } from './pod.ts'

/** One rolling update of a Deployment. */
export interface UpdateOptions {
  manifest: Manifest
  image: Image
  profiles: readonly RequestProfile[]
  /** Requests per second over all pods. */
  rate: number
  /** Pods in service, all of which are replaced. */
  replicas: number
  /** Ms from a pod's deletion until the balancer gives it no new connections. */
  endpointAfter: number
  /** Ms of load before the first deletion. */
  warmUp: number
}

/** What an update did. */
export interface UpdateResult extends LoadResult {
  byKind: ReturnType<typeof countByKind>
  departures: Departure[]
  /** What would have made a kubelet restart a container, over all pods. */
  restarts: string[]
}

/** A Deployment behind its Service: pods, and a balancer that learns of them as kube-proxy does. */
class Cluster {
  readonly #options: UpdateOptions
  readonly #front: Front
  readonly #pods: Pod[] = []
  #started = 0
  readonly #leaving = new Set<Pod>()
  readonly #orders: Promise<void>[] = []

  constructor (options: UpdateOptions, front: Front) {
    this.#options = options
    this.#front = front
  }

  /** A new pod that is available: in rotation, and ready for `minReadySeconds`. */
  async add (): Promise<Pod> {
    const { manifest, image } = this.#options
    const { metadata, spec } = manifest.deployment
    const pod = await Pod.start(
      { name: `${metadata.name}-${++this.#started}`, manifest, image, onChange: (pod) => this.#follow(pod) }
    )
    this.#pods.push(pod)
    if (pod.isReady) this.#follow(pod)
    await pod.untilReady()
    await sleep((spec.minReadySeconds ?? 0) * 1000)
    if (!pod.isReady) throw new Error(`${pod.name} did not stay ready: ${JSON.stringify(pod.probes.slice(-5))}`)
    return pod
  }

  async remove (pod: Pod): Promise<Departure> {
    const departure = await pod.delete()
    await Promise.all(this.#orders)
    return departure
  }

  restarts (): string[] {
    return this.#pods.flatMap((pod) => pod.restarts.map((restart) => `${pod.name}: ${restart}`))
  }

  async stop (): Promise<void> {
    await Promise.all(this.#pods.map((pod) => pod.destroy()))
    await Promise.allSettled(this.#orders)
    await this.#front.close()
  }

  /** A deleted pod is no endpoint, whatever its readiness says; any other is one while it is ready. */
  #follow (pod: Pod): void {
    if (this.#leaving.has(pod)) return
    if (pod.isDeleted) this.#leaving.add(pod)
    const order = this.#tell(pod)
    order.catch(() => {})
    this.#orders.push(order)
  }

  async #tell (pod: Pod): Promise<void> {
    if (pod.isDeleted) await sleep(this.#options.endpointAfter)
    else if (pod.isReady) return await this.#front.add(pod)
    await this.#front.remove(pod)
  }
}

/**
 * As a Deployment's controller with `maxSurge: 1` and `maxUnavailable: 0`: a new pod, then an old one less, whose end
 * is not waited for.
 */
async function replaceAll (cluster: Cluster, old: Pod[]): Promise<Departure[]> {
  const departures: Promise<Departure>[] = []
  for (const pod of old) {
    await cluster.add()
    const departure = cluster.remove(pod)
    departure.catch(() => {})
    departures.push(departure)
  }
  return await Promise.all(departures)
}

function checkStrategy ({ deployment: { spec } }: Manifest): void {
  const { type, rollingUpdate: { maxSurge, maxUnavailable } = {} } = spec.strategy ?? {}
  if (type !== 'RollingUpdate' || maxSurge !== 1 || maxUnavailable !== 0) {
    throw new Error(
      `expected a RollingUpdate with maxSurge 1 and maxUnavailable 0, got ${JSON.stringify(spec.strategy)}`
    )
  }
}

/**
 * Runs a Deployment behind HAProxy, puts load on it, and replaces its pods. Clusters share nothing: several may run
 * at a time.
 *
 * @throws Error when a pod or the balancer does not start; losses are no error but the result
 */
export async function update (options: UpdateOptions): Promise<UpdateResult> {
  checkStrategy(options.manifest)
  prefer(process.pid, -10)
  const front = await startHaproxy({ slots: 2 * options.replicas, check: false })
  const cluster = new Cluster(options, front)
  let load: Load | undefined
  try {
    const old = await Promise.all(Array.from({ length: options.replicas }, () => cluster.add()))
    const { rate, profiles } = options
    load = startLoad({ port: front.port, rate, profiles, idle: longestIdle })
    await sleep(options.warmUp)
    const departures = await replaceAll(cluster, old)
    await sleep(500)
    const seen = await load.stop()
    const losses = seen.losses.map((loss) =>
      loss.localPort === undefined ? loss : traced(loss, front.trace(loss.localPort, loss.failedAt)))
    return { ...seen, losses, byKind: countByKind(losses), departures, restarts: cluster.restarts() }
  } finally {
    await load?.stop()
    await cluster.stop()
  }
}
