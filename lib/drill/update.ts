import { setTimeout as sleep } from 'node:timers/promises'
import type { Front } from './fronts.ts'
import { drawn } from './profiles.ts'
import type { Span } from './profiles.ts'
import type { Departure, Replica, ReplicaObserver } from './replicas.ts'

/** How a platform replaces replicas. */
export interface UpdatePlan {
  /**
   * Milliseconds from SIGTERM until the front sends no new connection; absent: never, or a front that sees for itself.
   */
  lag?: number | Span
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

async function takeOut (replica: Replica, { lag, front, observer }: Update): Promise<void> {
  if (lag === undefined) return
  await sleep(typeof lag === 'number' ? lag : drawn(lag))
  await front.remove(replica)
  replica.removedAt = Date.now()
  observer?.changed?.(replica, 'out of rotation')
}

/** As a Deployment does it: the successor is ready and in rotation before the old one is told to go. */
async function replace (index: number, update: Update): Promise<Departure> {
  const replica = update.old[index]!
  const successor = await update.successor(index)
  await update.front.add(successor)
  const [departure] = await Promise.all([replica.terminate(update.grace), takeOut(replica, update)])
  return departure
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
