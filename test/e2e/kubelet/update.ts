import { setTimeout as sleep } from 'node:timers/promises'
import { startLoad } from '../client.ts'
import type { Load, LoadResult, Manner } from '../client.ts'
import { startHaproxy } from '../haproxy.ts'
import type { Balancer } from '../haproxy.ts'
import { prefer } from '../replicas.ts'
import { countByKind } from '../rollout.ts'
import type { Attributed } from '../rollout.ts'
import type { Image } from './image.ts'
import type { Manifest } from './manifest.ts'
import { Pod } from './pod.ts'
import type { Departure } from './pod.ts'

/** One rolling update of a Deployment. */
export interface UpdateOptions {
  manifest: Manifest
  image: Image
  manners: Manner[]
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
export interface UpdateResult extends Omit<LoadResult, 'losses'> {
  losses: Attributed[]
  /** Losses counted by kind, new or reused connection, and method. */
  byKind: Record<string, number>
  departures: Departure[]
  /** What would have made a kubelet restart a container, over all pods. */
  restarts: string[]
}

/** A Deployment behind its Service: pods, and a balancer that learns of them as kube-proxy does. */
class Cluster {
  readonly #options: UpdateOptions
  readonly #balancer: Balancer
  readonly #pods: Pod[] = []
  #started = 0
  readonly #leaving = new Set<Pod>()
  readonly #orders: Promise<void>[] = []

  constructor (options: UpdateOptions, balancer: Balancer) {
    this.#options = options
    this.#balancer = balancer
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
    await this.#settle()
    await this.#balancer.remove(this.#slotOf(pod))
    return departure
  }

  restarts (): string[] {
    return this.#pods.flatMap((pod) => pod.restarts.map((restart) => `${pod.name}: ${restart}`))
  }

  nameOf (slot: string): string | undefined {
    return this.#pods[Number(slot.slice('slot'.length)) - 1]?.name
  }

  async stop (): Promise<void> {
    await Promise.all(this.#pods.map((pod) => pod.destroy()))
    await Promise.allSettled(this.#orders)
    await this.#balancer.stop()
  }

  #slotOf (pod: Pod): number {
    return this.#pods.indexOf(pod) + 1
  }

  /** A deleted pod is no endpoint, whatever its readiness says; any other is one while it is ready. */
  #follow (pod: Pod): void {
    if (this.#leaving.has(pod)) return
    if (pod.isDeleted) this.#leaving.add(pod)
    const slot = this.#slotOf(pod)
    const order = pod.isDeleted
      ? sleep(this.#options.endpointAfter).then(() => this.#balancer.drain(slot))
      : pod.isReady ? this.#balancer.add(slot, pod.port) : this.#balancer.drain(slot)
    order.catch(() => {})
    this.#orders.push(order)
  }

  async #settle (): Promise<void> {
    await Promise.all(this.#orders)
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
  const balancer = await startHaproxy({ ports: [], spare: 2 * options.replicas, check: false })
  const cluster = new Cluster(options, balancer)
  let load: Load | undefined
  try {
    const old = await Promise.all(Array.from({ length: options.replicas }, () => cluster.add()))
    load = startLoad(balancer.port, options.rate, options.manners)
    await sleep(options.warmUp)
    const departures = await replaceAll(cluster, old)
    await sleep(500)
    const seen = await load.stop()
    const losses = seen.losses.map((loss) => {
      const end = loss.localPort === undefined ? undefined : balancer.endOf(loss.localPort, loss.failedAt)
      return { ...loss, replica: end === undefined ? undefined : cluster.nameOf(end.slot), state: end?.state }
    })
    return { ...seen, losses, byKind: countByKind(losses), departures, restarts: cluster.restarts() }
  } finally {
    await load?.stop()
    await cluster.stop()
  }
}
