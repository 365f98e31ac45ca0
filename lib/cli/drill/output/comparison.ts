import type { DrillRecord, LossKind, RunRecord } from '../../../drill/index.ts'
import type { Compared } from './result.ts'
import { milliseconds, subject } from './words.ts'

/** What of a drill is compared, over all of its runs. Times are milliseconds. */
interface Figures {
  requests: number
  lost: number
  /** Ways in which none was lost are absent. */
  byKind: Partial<Record<LossKind, number>>
  /** Of the worst run. */
  p99: number
  /** The longest answer. */
  max: number
}

/** Two drills, as all forms of the result show them. */
export interface Comparison {
  /** The file of the other drill. */
  name: string
  /** What the other drill has rehearsed. */
  subject: string
  before: Figures
  now: Figures
}

function figuresOf ({ runs }: DrillRecord): Figures {
  const sum = (count: (run: RunRecord) => number): number => runs.reduce((total, run) => total + count(run), 0)
  const kinds = [...new Set(runs.flatMap(({ byKind }) => Object.keys(byKind) as LossKind[]))]
  return {
    requests: sum(({ requests }) => requests),
    lost: sum(({ lost }) => lost),
    byKind: Object.fromEntries(kinds.map((kind) => [kind, sum(({ byKind }) => byKind[kind] ?? 0)])),
    p99: Math.max(...runs.map(({ latency }) => latency.p99)),
    max: Math.max(...runs.map(({ latency }) => latency.max))
  }
}

/** A drill beside another one. */
export function compareWith ({ name, record: other }: Compared, record: DrillRecord): Comparison {
  return { name, subject: subject(other), before: figuresOf(other), now: figuresOf(record) }
}

/** The figures of two drills side by side: what each row is, and its value in both. */
export function sideBySide (one: DrillRecord, other: DrillRecord): Array<[name: string, one: string, other: string]> {
  return rowsOf(figuresOf(one), figuresOf(other))
}

/** The rows of {@link sideBySide}. */
export function rowsOf (one: Figures, other: Figures): Array<[name: string, one: string, other: string]> {
  const kinds = [...new Set([one, other].flatMap(({ byKind }) => Object.keys(byKind) as LossKind[]))]
  const count = (of: (figures: Figures) => number): [string, string] => [`${of(one)}`, `${of(other)}`]
  return [
    ['requests', ...count(({ requests }) => requests)],
    ['lost', ...count(({ lost }) => lost)],
    ...kinds.map((kind): [string, string, string] => [`  ${kind}`, ...count(({ byKind }) => byKind[kind] ?? 0)]),
    ['p99 in ms', milliseconds(one.p99), milliseconds(other.p99)],
    ['longest answer in ms', milliseconds(one.max), milliseconds(other.max)]
  ]
}
