import { setTimeout as sleep } from 'node:timers/promises'
import type { Front } from './fronts.ts'
import { drawn } from './profiles.ts'
import type { Span } from './profiles.ts'
import type { Departure, Replica, ReplicaObserver } from './replicas.ts'

/** How a platform replaces replicas. */
export interface UpdatePlan {
  /**
   * Milliseconds from the end of a replica until the front sends no new connection; below 0: it is told so long before.
   * Absent: it never is, or sees for itself.
   */
  lag?: number | Span
  /**
   * The old one goes first, and its successor takes its port: machines that stay, in front of which a list of addresses
   * stands. Else the successor is ready and in rotation before, as a Deployment does it.
   */
  inPlace?: boolean
  /** Milliseconds from the end of a replica, which begins with the preStop hook, to SIGKILL. */
  grace: number
  /** Milliseconds of a preStop hook, before SIGTERM; `lag` begins with it. @default 0 */
  preStop?: number
  /**
   * Milliseconds for which the next replacement waits until a front that finds out by itself sends nothing more to a
   * replica that has gone. @default 0
   */
  noticeWithin?: number
  /** Awaited when the successor is in rotation, before the old replica of this index is told to go. */
  beforeEnd?: (replica: Replica, index: number) => Promise<void>
  /** Whether a successor that failed with this ends the update, and nothing else: the old replicas stay. */
  endsWhere?: (error: unknown) => boolean
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

/** Shortest grace period behind a preStop hook, as a kubelet has it. */
const leastGrace = 2000
/** Milliseconds from look to look at a front that finds out by itself. */
const lookEvery = 50

async function takeOut (replica: Replica, { front, observer }: Update): Promise<void> {
  const isIn = front.has(replica)
  await front.remove(replica)
  if (!isIn) return
  replica.removedAt = Date.now()
  observer?.changed?.(replica, 'out of rotation')
}

/** Where the front has found out by itself, it is not waited for any longer than the replica lives. */
async function takeOutLater (replica: Replica, lag: number, update: Update): Promise<void> {
  const until = performance.now() + lag
  for (;;) {
    const rest = until - performance.now()
    if (rest <= 0 || (replica.exit !== undefined && !update.front.has(replica))) break
    await sleep(Math.min(rest, lookEvery))
  }
  await takeOut(replica, update)
}

async function terminate (replica: Replica, { grace, preStop = 0, observer }: Update): Promise<Departure> {
  if (preStop === 0) return await replica.terminate(grace)
  observer?.changed?.(replica, 'preStop hook')
  await sleep(preStop)
  return await replica.terminate(Math.max(leastGrace, grace - preStop))
}

/** Waits until a front that finds out by itself has taken out a replica that has gone. */
async function untilNoticed (replica: Replica, { front, noticeWithin = 0 }: Update): Promise<void> {
  const latest = performance.now() + noticeWithin
  while (front.has(replica) && performance.now() < latest) await sleep(lookEvery)
}

async function end (replica: Replica, update: Update): Promise<Departure> {
  const { lag: given } = update
  const lag = typeof given === 'object' ? drawn(given) : given
  if (lag === undefined) {
    const departure = await terminate(replica, update)
    await untilNoticed(replica, update)
    return departure
  }
  if (lag < 0) {
    await takeOut(replica, update)
    await sleep(-lag)
    return await terminate(replica, update)
  }
  const [departure] = await Promise.all([terminate(replica, update), takeOutLater(replica, lag, update)])
  return departure
}

async function replace (index: number, update: Update): Promise<Departure> {
  const replica = update.old[index]!
  const departure = update.inPlace === true ? await end(replica, update) : undefined
  await update.front.add(await update.successor(index))
  if (departure !== undefined) return departure
  await update.beforeEnd?.(replica, index)
  return await end(replica, update)
}

/** Replaces replicas one after the other. @throws Error where a successor does not get ready */
export async function rollingUpdate (update: Update): Promise<Departure[]> {
  const departures: Array<Promise<Departure>> = []
  const isEnd = (error: unknown): boolean => {
    if (update.endsWhere?.(error) !== true) throw error
    return true
  }
  for (const index of update.old.keys()) {
    const departure = replace(index, update)
    // It is awaited below, when all others are under way.
    departure.catch(() => {})
    departures.push(departure)
    const pause = update.stagger === undefined ? departure.then(() => false, isEnd) : sleep(update.stagger, false)
    const isOver = await pause
    if (isOver) break
  }
  const seen = await Promise.allSettled(departures)
  return seen.flatMap((one) => {
    if (one.status === 'fulfilled') return one.value
    if (isEnd(one.reason)) return []
    throw one.reason
  })
}
