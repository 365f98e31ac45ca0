import { lossKinds } from './losses.ts'
import type { Loss, LossKind } from './losses.ts'

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
