import { setTimeout as sleep } from 'node:timers/promises'
import type { Report } from '../../lib/lifecycle/report.ts'
import { startLoad } from './client.ts'
import type { Load, LoadResult, Loss } from './client.ts'
import { startHaproxy } from './haproxy.ts'
import type { Balancer } from './haproxy.ts'
import { ensureBuilt, prefer, probe, startReplica } from './replicas.ts'
import type { LogLine, Replica, Shutdown } from './replicas.ts'

/** How a replica leaves rotation. */
export interface Removal {
  /** Ms after SIGTERM until the balancer gives it no more new connections, whatever its readiness; absent: never. */
  endpointAfter?: number
  /** The balancer probes `/readyz` itself and obeys what it hears. */
  check?: boolean
  /** So many ms lie between two replacements; absent: the next waits until the one before has exited. */
  stagger?: number
}

/** The manners of removal, by name. */
export const removals = {
  /** As EndpointSlices and kube-proxy do on pod deletion. */
  endpoint: { endpointAfter: 2000 },
  /** As balancers do that probe the pods themselves. */
  check: { check: true },
  /** As behind slow cloud balancers. Staggered, like a Deployment's controller: it waits for no old pod's end. */
  late: { endpointAfter: 16_000, stagger: 4000 },
  /** For thin traffic, where silence proves nothing. */
  sparse: { endpointAfter: 10_000, stagger: 4000 },
  /** A broken balancer. */
  never: {}
} as const satisfies Record<string, Removal>

/** One rolling update. */
export interface RolloutOptions {
  removal: Removal
  /** Requests per second over all replicas. */
  rate: number
  shutdown?: Shutdown
  /** Replicas in service. @default 3 */
  replicas?: number
  /** How many of them are replaced. @default all */
  replace?: number
  /** @default 30 */
  graceSeconds?: number
  /**
   * Ms of load before the first SIGTERM. Evidence is measured against the traffic that there was, over whole spans
   * of five seconds: a replica that is younger waits longer.
   * @default 16000
   */
  warmUp?: number
  /**
   * Stops the process that is replaced, so many ms after SIGTERM and for so long: a throttled CPU, a long turn of
   * the event loop.
   */
  pause?: { after: number, duration: number } | undefined
}

/** How one replica went. */
export interface Departure {
  name: string
  terminatedAt: number
  /** Ms from SIGTERM to the end of the process. */
  took: number
  code: number | null
  signal: NodeJS.Signals | null
  /** Ms from SIGTERM to the first failing readiness probe. */
  unreadyAfter: number | undefined
  /** What its `graceful.report` log line says; undefined where there is none. */
  report: Report | undefined
  warnings: LogLine[]
}

/** A loss, with the replica that it happened at, as far as the balancer knows. */
export type Attributed = Loss & { replica: string | undefined, state: string | undefined }

/** What one update did. */
export interface RolloutResult extends Omit<LoadResult, 'losses'> {
  losses: Attributed[]
  /** Losses counted by kind, new or reused connection, and method. */
  byKind: Record<string, number>
  departures: Departure[]
}

interface Cluster {
  balancer: Balancer
  load: Load
  options: Required<RolloutOptions>
  /** By slot, from 1: also those that have gone. */
  replicas: Replica[]
}

async function watchReadiness (replica: Replica, from: number): Promise<number> {
  while (await probe(replica.port, '/readyz') === 200) await sleep(100)
  return Date.now() - from
}

async function takeOut (cluster: Cluster, slot: number): Promise<void> {
  const { endpointAfter } = cluster.options.removal
  if (endpointAfter === undefined) return
  await sleep(endpointAfter)
  await cluster.balancer.drain(slot)
}

async function pause (replica: Replica, when: RolloutOptions['pause']): Promise<void> {
  if (when === undefined) return
  await sleep(when.after)
  replica.kill('SIGSTOP')
  await sleep(when.duration)
  replica.kill('SIGCONT')
}

/** SIGTERM, SIGKILL when the grace period is over: what the kubelet does. */
async function terminate (cluster: Cluster, slot: number): Promise<Departure> {
  const replica = cluster.replicas[slot - 1]!
  const terminatedAt = Date.now()
  replica.kill('SIGTERM')
  const kubelet = setTimeout(() => replica.kill('SIGKILL'), cluster.options.graceSeconds * 1000)
  const takenOut = takeOut(cluster, slot)
  void pause(replica, cluster.options.pause)
  const readiness = replica.shutdown === 'graceful' ? watchReadiness(replica, terminatedAt) : undefined
  const { code, signal, at } = await replica.exited
  clearTimeout(kubelet)
  // A balancer that never learns goes on sending to where nobody is; so does a late one.
  if (!cluster.options.removal.check && cluster.options.removal.endpointAfter === undefined) await sleep(2000)
  await takenOut
  await cluster.balancer.remove(slot)
  return {
    name: replica.name,
    terminatedAt,
    took: at - terminatedAt,
    code,
    signal,
    unreadyAfter: await readiness,
    report: replica.log.find((line) => line.event === 'graceful.report')?.report,
    warnings: replica.log.filter((line) => (line.level ?? 0) >= 40 || line.event === 'replica.output')
  }
}

/** Surge of one: the successor is ready and in rotation before the old one is told to go. */
async function replace (cluster: Cluster, slot: number): Promise<Departure> {
  const { options, replicas, balancer } = cluster
  const successor = await startReplica({
    name: `new-${slot}`,
    shutdown: options.shutdown,
    graceSeconds: options.graceSeconds
  })
  replicas.push(successor)
  await balancer.add(replicas.length, successor.port)
  return await terminate(cluster, slot)
}

async function update (cluster: Cluster): Promise<Departure[]> {
  const { stagger } = cluster.options.removal
  const departures: Promise<Departure>[] = []
  for (let slot = 1; slot <= cluster.options.replace; slot++) {
    const departure = replace(cluster, slot)
    departures.push(departure)
    departure.catch(() => {})
    await (stagger === undefined ? departure : sleep(stagger))
  }
  return await Promise.all(departures)
}

function attribute (cluster: Cluster, losses: Loss[]): Attributed[] {
  return losses.map((loss) => {
    const end = loss.localPort === undefined ? undefined : cluster.balancer.endOf(loss.localPort, loss.failedAt)
    const replica = end === undefined ? undefined : cluster.replicas[Number(end.slot.slice('slot'.length)) - 1]?.name
    return { ...loss, replica, state: end?.state }
  })
}

/**
 * Whether no process has seen the connection: it was refused, or in the kernel's queue when the listener closed,
 * which ends it then. To a balancer that is a connection like those that were accepted.
 *
 * @param closed epoch ms between which the listener closed
 */
export function wasUnseen ({ reused, state, failedAt }: Attributed, closed: { from: number, to: number }): boolean {
  return state === 'SC' || (!reused && failedAt >= closed.from && failedAt <= closed.to + 50)
}

/** Counts losses by kind, connection and method. */
export function countByKind (losses: Loss[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { kind, reused, method } of losses) {
    const key = `${kind}, ${reused ? 'reused' : 'new'} connection, ${method}`
    counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}

async function startCluster (options: Required<RolloutOptions>): Promise<Cluster> {
  const replicas = await Promise.all(Array.from({ length: options.replicas }, (_, index) =>
    startReplica({ name: `old-${index + 1}`, shutdown: options.shutdown, graceSeconds: options.graceSeconds })))
  const balancer = await startHaproxy({
    ports: replicas.map((replica) => replica.port),
    spare: options.replace,
    check: options.removal.check ?? false
  })
  return { balancer, replicas, options, load: startLoad(balancer.port, options.rate) }
}

/**
 * Starts replicas behind HAProxy, puts load on them, and replaces them. Clusters share nothing: several may run
 * at a time.
 * @throws Error when a replica or the balancer does not start; losses are no error but the result
 */
export async function rollout (given: RolloutOptions): Promise<RolloutResult> {
  const options = {
    shutdown: 'graceful',
    replicas: 3,
    replace: given.replicas ?? 3,
    graceSeconds: 30,
    warmUp: 16_000,
    pause: undefined,
    ...given
  } as const
  if (options.shutdown === 'graceful') ensureBuilt()
  prefer(process.pid, -10)
  const cluster = await startCluster(options)
  try {
    await sleep(options.warmUp)
    const departures = await update(cluster)
    await sleep(500)
    const seen = await cluster.load.stop()
    return { ...seen, losses: attribute(cluster, seen.losses), byKind: countByKind(seen.losses), departures }
  } finally {
    await cluster.load.stop()
    for (const replica of cluster.replicas) replica.kill('SIGKILL')
    await Promise.all(cluster.replicas.map((replica) => replica.exited))
    await cluster.balancer.stop()
  }
}
