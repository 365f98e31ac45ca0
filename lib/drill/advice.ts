import { causeOf } from './causes.ts'
import type { CauseName, Explained } from './causes.ts'
import type { DrillRecord } from './record.ts'
import { remediesFor, remediesOfReplicas } from './remedies.ts'
import type { Remedy } from './remedies.ts'

/** What to change, why, and how many of the losses it would have saved. */
export interface Advice extends Remedy {
  cause: CauseName | 'report' | 'boot'
  /** Losses of all runs that have this cause. */
  saves: number
}

/** Losses of all runs, with their causes. Those whose cause the record does not tell are left out. */
function explain (record: DrillRecord): Explained[] {
  return record.runs.flatMap(({ losses, replicas }) => losses.flatMap((loss) => {
    const replica = replicas.find(({ name }) => name === loss.replica)
    const cause = causeOf(loss, replica, record)
    return cause === undefined ? [] : [{ loss, replica, cause }]
  }))
}

/** What to change after a drill, most losses first. Nothing is advised whose cause is not in the record. */
export function adviseOn (record: DrillRecord): Advice[] {
  // What was planted is a cause of its own.
  if (record.fault !== undefined) return []
  const groups = new Map<CauseName, Explained[]>()
  for (const one of explain(record)) groups.set(one.cause, [...groups.get(one.cause) ?? [], one])
  return [
    ...[...groups].map(([cause, losses]) => ({ cause, saves: losses.length, ...remediesFor(cause, losses, record) })),
    ...remediesOfReplicas(record, new Set(groups.keys())).map((advice) => ({ ...advice, saves: 0 }))
  ].toSorted((a, b) => b.saves - a.saves)
}

/** The variables that try an advice; options that have none cannot be tried by way of the environment. */
export function variablesOf (advice: readonly Advice[]): Record<string, string> {
  const found: Record<string, string> = {}
  for (const { variable, value } of advice.flatMap(({ settings }) => settings)) {
    if (variable === undefined) continue
    const text = String(typeof value === 'number' ? value / 1000 : value)
    // Of two times the longer one has room for both.
    found[variable] = found[variable] === undefined || Number(text) > Number(found[variable]) ? text : found[variable]
  }
  return found
}
