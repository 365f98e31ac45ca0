import { lossKinds } from './losses.ts'
import type { Loss, LossKind } from './losses.ts'

/** Counts requests and losses. A request counts when it is over; one that is lost is never repeated. */
export class Tally {
  requests = 0
  lost = 0
  readonly byKind: Record<LossKind, number> = Object.fromEntries(
    Object.keys(lossKinds).map((kind) => [kind, 0])
  ) as Record<LossKind, number>

  /** @param kind how it was lost; absent where it was answered */
  count (kind?: LossKind): void {
    this.requests++
    if (kind === undefined) return
    this.lost++
    this.byKind[kind]++
  }
}

/** How many were lost in each way; ways in which none was lost are absent. */
export function countByKind (losses: ReadonlyArray<Pick<Loss, 'kind'>>): Partial<Record<LossKind, number>> {
  const counts: Partial<Record<LossKind, number>> = {}
  for (const { kind } of losses) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}
