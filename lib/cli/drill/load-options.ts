import type { RequestProfile } from '../../drill/index.ts'
import { unfit } from './option.ts'
import type { DrillOption, Given } from './option.ts'

/** The load. */
export const loadOptions: readonly DrillOption[] = [
  { flag: 'path', value: '<[METHOD ]path>', text: 'what is asked for; may be given several times', default: '/' },
  { flag: 'rate', value: '<number>', text: 'requests per second', default: '100' },
  { flag: 'timeout', value: '<time>', text: 'how long an answer may take', default: '15s' }
]

/** What is sent, and how often. */
export interface LoadPlan {
  rate: number
  profiles: readonly RequestProfile[]
  /** Milliseconds. */
  timeout: number
}

/** Reads the load from what was typed. @throws UsageError */
export function readLoad (given: Given): LoadPlan {
  const paths = given.all('path')
  return {
    rate: given.count('rate', 100, [1, 10_000]),
    profiles: (paths.length === 0 ? ['/'] : paths).map(profileOf),
    timeout: given.time('timeout', 15_000, [10, 600_000])
  }
}

function profileOf (text: string): RequestProfile {
  const [, method = 'GET', path] = /^(?:([A-Z]+) )?(\/\S*)$/.exec(text) ?? []
  if (path === undefined) throw unfit('path', 'a path such as /orders, or with its method: POST /orders', text)
  return { name: text, method, path }
}
