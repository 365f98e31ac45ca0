import { setTimeout as sleep } from 'node:timers/promises'
import { drill } from '../../lib/drill/drill.ts'
import type { DrillResult } from '../../lib/drill/drill.ts'
import type { LogLine } from '../../lib/drill/processes.ts'
import type { Loss } from '../../lib/drill/losses.ts'
import { probe } from '../../lib/drill/processes.ts'
import type { Departure as Leave, Replica } from '../../lib/drill/replicas.ts'
import { startHaproxy } from './haproxy.ts'
import { ensureBuilt, prefer, serviceOf } from './replicas.ts'
import type { Shutdown } from './replicas.ts'
import { longestIdle, replicaUsers } from './users.ts'

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
export interface Departure extends Leave {
  /** Ms from SIGTERM to the first failing readiness probe. */
  unreadyAfter: number | undefined
  warnings: LogLine[]
}

/** What one update did. */
export interface RolloutResult extends Omit<DrillResult, 'departures'> {
  departures: Departure[]
}

/** Ms of load after the last end. A balancer that never learns goes on sending to where nobody is. */
const coolDownOf = ({ check, endpointAfter }: Removal): number => !check && endpointAfter === undefined ? 2500 : 500

async function watchReadiness (replica: Replica): Promise<number> {
  while (await probe(replica, '/readyz') === 200) await sleep(100)
  return Date.now() - replica.signalledAt!
}

async function pause (replica: Replica, when: RolloutOptions['pause']): Promise<void> {
  if (when === undefined) return
  await sleep(when.after)
  replica.kill('SIGSTOP')
  await sleep(when.duration)
  replica.kill('SIGCONT')
}

/**
 * Whether no process has seen the connection: it was refused, or in the kernel's queue when the listener closed,
 * which ends it then. To a balancer that is a connection like those that were accepted. One without a port was none
 * that the balancer could know of.
 *
 * @param closed epoch ms between which the listener closed
 */
export function wasUnseen (
  { kind, isReused, failedAt, localPort }: Loss,
  closed: { from: number, to: number }
): boolean {
  if (kind === 'refused' && localPort !== undefined) return true
  return !isReused && failedAt >= closed.from && failedAt <= closed.to + 50
}

/**
 * Starts replicas behind HAProxy, puts load on them, and replaces them. Clusters share nothing: several may run
 * at a time.
 * @throws Error when a replica or the balancer does not start; losses are no error but the result
 */
export async function rollout ({
  removal, rate, shutdown = 'graceful', replicas = 3, replace = replicas,
  graceSeconds = 30, warmUp = 16_000, pause: when
}: RolloutOptions): Promise<RolloutResult> {
  const { endpointAfter, stagger, check = false } = removal
  if (shutdown === 'graceful') ensureBuilt()
  prefer(process.pid, -10)
  const unready = new Map<string, Promise<number>>()
  const result = await drill({
    service: serviceOf({ shutdown, graceSeconds }),
    replicas,
    replace,
    rate,
    profiles: replicaUsers,
    idle: longestIdle,
    ...endpointAfter === undefined ? {} : { lag: endpointAfter },
    ...stagger === undefined ? {} : { stagger },
    grace: graceSeconds * 1000,
    warmUp,
    coolDown: coolDownOf(removal),
    nameOf: (index, isSuccessor) => `${isSuccessor ? 'new' : 'old'}-${index + 1}`,
    startFront: () => startHaproxy({ slots: replicas + replace, check }),
    observer: {
      started: ({ pid }) => prefer(pid, 0),
      changed (replica, what) {
        if (what !== 'signalled') return
        if (shutdown === 'graceful') unready.set(replica.name, watchReadiness(replica))
        void pause(replica, when)
      }
    }
  })
  const departures = await Promise.all(result.departures.map(async (departure): Promise<Departure> => {
    const { log } = result.replicas.find(({ name }) => name === departure.name)!
    return {
      ...departure,
      unreadyAfter: await unready.get(departure.name),
      warnings: log.filter(({ level = 0, event }) => level >= 40 || event === 'output')
    }
  }))
  return { ...result, departures }
}
