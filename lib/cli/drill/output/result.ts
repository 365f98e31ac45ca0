import type { Advice, DrillRecord } from '../../../drill/index.ts'

/** An advice; `saves` is undefined where nobody knows what each loss comes from. */
export type GivenAdvice = Omit<Advice, 'saves'> & { saves: number | undefined }

/** What a drill has shown, and what follows from it. */
export interface DrillReport {
  record: DrillRecord
  advice: readonly GivenAdvice[]
  /** The same drill with what was advised; undefined where it was not tried. */
  trial: Trial | undefined
  /** Another drill, beside which this one is shown. */
  compared?: Compared | undefined
}

/** The result of another drill, and the file that it is from. */
export interface Compared { name: string, record: DrillRecord }

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
