import type { DrillReport } from './result.ts'

/** The result as JSON: the record, with `advice`, and with `trial` where the advice was tried. */
export function jsonOf ({ record, advice, trial }: DrillReport): string {
  return `${JSON.stringify({ ...record, advice, ...trial === undefined ? {} : { trial } }, undefined, 2)}\n`
}
