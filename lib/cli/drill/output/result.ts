import type { Advice, DrillRecord } from '../../../drill/index.ts'

/** What a drill has shown, and what follows from it. */
export interface DrillReport {
  record: DrillRecord
  advice: readonly Advice[]
  /** The same drill with what was advised; undefined where it was not tried. */
  trial: Trial | undefined
}

/** An advice that was tried. */
export interface Trial {
  /** What the replicas were told. */
  variables: Readonly<Record<string, string>>
  /** Options that no variable sets. */
  untried: readonly string[]
  /** Undefined where nothing could be tried, or it failed. */
  record: DrillRecord | undefined
  /** Why no replica got ready then. */
  failure?: string
}
