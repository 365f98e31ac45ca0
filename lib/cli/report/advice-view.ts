import { duration } from '../../status/words.ts'
import { counted } from '../../util/counted.ts'
import type { Line } from '../status/sections.ts'
import type { Cause, Value } from './advice.ts'
import { wrap } from './layout.ts'
import type { Summary } from './summary.ts'

/** What to change, and why. */
export function adviceLines ({ reports, advice: { values, others } }: Summary, width: number): Line[] {
  const title = values.length === 0
    ? 'advice: no time has to be changed'
    : values.every(({ isEnough }) => isEnough)
      ? `advice: values that would have been enough for ${reports === 1 ? 'the report' : `all ${reports} reports`}`
      : 'advice: values to begin with; who was cut would have taken longer, and nobody knows how long'
  return [
    ...lines(title, width).map((line): Line => ({ ...line, tone: 'strong' })),
    ...values.flatMap((value) => valueLines(value, width)),
    ...others.length === 0 ? [] : lines('  no time helps with', width),
    ...others.flatMap((cause) => causeLines(cause, width))
  ]
}

function valueLines ({ option, value, variable, chart, isEnough, causes }: Value, width: number): Line[] {
  const seconds = value / 1000
  const least = isEnough ? '' : 'at least '
  return [
    ...lines(`  ${option} ${least}${duration(value)}: ${variable}=${seconds}, chart ${chart}: ${seconds}`, width),
    ...causes.flatMap((cause) => causeLines(cause, width))
  ]
}

function causeLines ({ text, reports }: Cause, width: number): Line[] {
  return lines(`    ${counted(reports, 'end')}: ${text}`, width, '      ')
}

function lines (text: string, width: number, indent = '    '): Line[] {
  return wrap(text, width, indent).map((line) => ({ text: line }))
}
