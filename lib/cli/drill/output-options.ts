import { wrong } from './option.ts'
import type { DrillOption, Given } from './option.ts'

/** What is written besides the table. */
export const formats = ['json', 'junit', 'html'] as const

/** One of the forms in which a result is written. */
export type Format = typeof formats[number]

/** What becomes of the result. */
export const outputOptions: readonly DrillOption[] = [
  { flag: 'json', value: '<file>', text: 'the result as JSON, with the advice; - is standard output' },
  { flag: 'junit', value: '<file>', text: 'as JUnit XML, with a test case for each replica and each run' },
  { flag: 'html', value: '<file>', text: 'as one page: time line, losses, latency, advice' },
  { flag: 'try-advice', text: 'rehearses again with what is advised, as far as variables can say it' }
]

/** Where the result goes. */
export interface OutputPlan {
  /** The paths; `-` is standard output. */
  paths: Partial<Record<Format, string>>
  tryAdvice: boolean
}

/** Reads from what was typed where the result goes. @throws UsageError */
export function readOutput (given: Given): OutputPlan {
  const paths: Partial<Record<Format, string>> = {}
  for (const format of formats) {
    const path = given.text(format)
    if (path === undefined) continue
    if (path === '') throw wrong(`option '--${format}' must be the path of a file, or - for standard output, got ''`)
    const other = formats.find((one) => paths[one] === path)
    if (other !== undefined) {
      throw wrong(`options '--${other}' and '--${format}' must be different files, got '${path}'`)
    }
    paths[format] = path
  }
  return { paths, tryAdvice: given.has('try-advice') }
}
