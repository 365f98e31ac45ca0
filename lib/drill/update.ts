import { setTimeout as sleep } from 'node:timers/promises'
import type { Front } from './fronts.ts'
import { drawn } from './profiles.ts'
import type { Span } from './profiles.ts'
import type { Departure, Replica, ReplicaObserver } from './replicas.ts'

/** How a platform replaces replicas. */
export interface UpdatePlan {
  /**
   * Milliseconds from SIGTERM until the front sends no new connection; below 0: it is told so long before. Absent: it
   * never is, or sees for itself.
   */
  lag?: number | Span
  /**
   * The old one goes first, and its successor takes its port: machines that stay, in front of which a list of addresses
   * stands. Else the successor is ready and in rotation before, as a Deployment does it.
   */
  inPlace?: boolean
  /** Milliseconds from SIGTERM to SIGKILL. */
  grace: number
  /** Milliseconds between two replacements; absent: the next one waits until the one before has left. */
  stagger?: number
}

/** A rolling update. */
export interface Update extends UpdatePlan {
  /** The replicas to be replaced, in their order. */
  old: readonly Replica[]
  /** Starts the successor of the replica at this index, and resolves when it is ready. */
  successor: (index: number) => Promise<Replica>
  front: Front
  observer?: ReplicaObserver
}

async function takeOut (replica: Replica, { front, observer }: Update): Promise<void> {
  await front.remove(replica)
  replica.removedAt = Date.now()
  observer?.changed?.(replica, 'out of rotation')
}

async function takeOutLater (replica: Replica, lag: number, update: Update): Promise<void> {
  await sleep(lag)
  await takeOut(replica, update)
}

async function end (replica: Replica, update: Update): Promise<Departure> {
  const { lag: given, grace } = update
  const lag = typeof given === 'object' ? drawn(given) : given
  if (lag === undefined) return await replica.terminate(grace)
  if (lag < 0) {
    await takeOut(replica, update)
    await sleep(-lag)
    return await replica.terminate(grace)
  }
  const [departure] = await Promise.all([replica.terminate(grace), takeOutLater(replica, lag, update)])
  return departure
}

async function replace (index: number, update: Update): Promise<Departure> {
  const replica = update.old[index]!
  const departure = update.inPlace === true ? await end(replica, update) : undefined
  await update.front.add(await update.successor(index))
  return departure ?? await end(replica, update)
}

/** Replaces replicas one after the other. @throws Error where a successor does not get ready */
export async function rollingUpdate (update: Update): Promise<Departure[]> {
  const departures: Array<Promise<Departure>> = []
  for (const index of update.old.keys()) {
    const departure = replace(index, update)
    // It is awaited below, when all others are under way.
    departure.catch(() => {})
    departures.push(departure)
    await (update.stagger === undefined ? departure : sleep(update.stagger))
  }
  return await Promise.all(departures)
}
