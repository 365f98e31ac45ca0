import type { Trace } from './fronts.ts'
import type { Replica } from './replicas.ts'

/** The ways to lose a request, as its client sees them, each with what it means. */
export const lossKinds = {
  refused: 'no connection: nobody listened',
  'reset-new': 'a new connection ended unanswered',
  'reset-reused': 'a kept-alive connection ended unanswered',
  'answered-5xx': 'answered with a status of 500 or more',
  truncated: 'the answer was cut short',
  timeout: 'no complete answer in time',
  'wrong-answer': 'another answer than the expected one',
  dropped: 'a connection that was to stay was dropped',
  'not-sent': 'not sent: the load had no socket, port or connection left'
} as const

/** One of the ways to lose a request. */
export type LossKind = keyof typeof lossKinds

/** What ended a request, before anybody asks which connection it was on. */
export type Cause = 'ended' | Exclude<LossKind, 'reset-new' | 'reset-reused'>

/** One request that got no complete, correct answer. Nothing is ever retried. */
export interface Loss {
  kind: LossKind
  /** The client's own words: an error code, `socket hang up`, a status. */
  detail: string
  /** Whether the connection had carried a request before. */
  isReused: boolean
  method: string
  path: string
  /** The name of the request's profile. */
  profile: string
  /** Milliseconds since 1970 of sending and of failing. */
  sentAt: number
  failedAt: number
  /** The client's port of the connection, by which the front knows it. */
  localPort: number | undefined
  /** The name of the replica, as far as the front knows. */
  replica: string | undefined
}

/** A loss, with what its replica was doing then. */
export interface PlacedLoss extends Loss {
  /** The phase of the replica when the request was lost. */
  phase: string | undefined
  /**
   * Milliseconds from the replica's signal to the loss; undefined where it had none by then. In a cluster, where nobody
   * says whose it was, from the last signal of any pod.
   */
  sinceSignal: number | undefined
}

/** The kind of a loss, from its cause and from its connection. */
export function kindOf (cause: Cause, isReused: boolean, trace?: Trace): LossKind {
  if (cause !== 'ended') return cause
  if (trace?.isRefused === true) return 'refused'
  return trace?.isReused ?? isReused ? 'reset-reused' : 'reset-new'
}

/** A loss with what a front says of its connection, for fronts that say so only when all is over. */
export function traced (loss: Loss, trace: Trace | undefined): Loss {
  const kind = loss.kind === 'reset-new' || loss.kind === 'reset-reused'
    ? kindOf('ended', loss.isReused, trace)
    : loss.kind
  return { ...loss, kind, replica: trace?.endpoint ?? loss.replica }
}

/** A loss with what its replica was doing then. */
export function place (loss: Loss, replicas: ReadonlyArray<Pick<Replica, 'name' | 'signalledAt' | 'phaseAt'>>):
PlacedLoss {
  const replica = replicas.find(({ name }) => name === loss.replica)
  const since = replica?.signalledAt === undefined ? -1 : loss.failedAt - replica.signalledAt
  return { ...loss, phase: replica?.phaseAt(loss.failedAt), sinceSignal: since < 0 ? undefined : since }
}

/** Counts requests and losses. A request counts when it is over; one that is lost is never repeated. */
export class Tally {
  requests = 0
  lost = 0
  readonly byKind: Record<LossKind, number> = Object.fromEntries(
    Object.keys(lossKinds).map((kind) => [kind, 0])
  ) as Record<LossKind, number>

  /** Losses by the name of the replica that they were for, as far as the front knows at once. */
  readonly byReplica: Map<string, number> = new Map()

  /**
   * @param kind how it was lost; absent where it was answered
   * @param replica the name of the replica that it was for
   */
  count (kind?: LossKind, replica?: string): void {
    this.requests++
    if (kind === undefined) return
    this.lost++
    this.byKind[kind]++
    if (replica !== undefined) this.byReplica.set(replica, (this.byReplica.get(replica) ?? 0) + 1)
  }
}

/** How many were lost in each way; ways in which none was lost are absent. */
export function countByKind (losses: ReadonlyArray<Pick<Loss, 'kind'>>): Partial<Record<LossKind, number>> {
  const counts: Partial<Record<LossKind, number>> = {}
  for (const { kind } of losses) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}
