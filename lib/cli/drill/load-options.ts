import type { RequestProfile } from '../../drill/index.ts'
import { unfit } from './option.ts'
import type { DrillOption, Given } from './option.ts'
import { readRequest } from './path-option.ts'
import { readSources } from './sources.ts'

/** The load. */
export const loadOptions: readonly DrillOption[] = [
  {
    flag: 'path',
    value: '<[METHOD ]path[ name:value][ body]>',
    text: 'what is asked for; may be given several times',
    default: '/'
  },
  { flag: 'header', value: '<name:value>', text: 'a header of the --path before it; before the first one, of all' },
  { flag: 'data', value: '<body or @file>', text: 'the body of the --path before it' },
  { flag: 'status', value: '<200|2xx|200-404>', text: 'the right status of the --path before it', default: '200-399' },
  { flag: 'weight', value: '<number>', text: 'the share of the --path before it', default: '1' },
  { flag: 'rate', value: '<number>', text: 'requests per second, whatever the answers do', default: '100' },
  { flag: 'connections', value: '<number>', text: 'most connections at a time', default: 'as many as it takes' },
  { flag: 'keep-alive', value: '<0-100%>', text: 'share of requests on connections that are kept', default: '80%' },
  { flag: 'timeout', value: '<time>', text: 'how long an answer may take', default: '15s' }
]

/** What is sent, and how often. */
export interface LoadPlan {
  rate: number
  profiles: readonly RequestProfile[]
  connections?: number
  /** Milliseconds. */
  timeout: number
}

/** Milliseconds for which a user thinks at most between two requests: so connections of all ages are open. */
const longestThought = 1000

/** Reads the load from what was typed. @throws UsageError */
export function readLoad (given: Given): LoadPlan {
  const share = readShare(given.text('keep-alive') ?? '80%')
  const connections = given.count('connections', 0, [1, 4000])
  return {
    rate: given.count('rate', 100, [1, 10_000]),
    profiles: readSources(given).map(readRequest).flatMap((profile) => mix(profile, share)),
    timeout: given.time('timeout', 15_000, [10, 600_000]),
    ...connections === 0 ? {} : { connections }
  }
}

/** A share from 0 to 1. */
function readShare (text: string): number {
  const share = /^\d{1,3}%?$/.test(text) ? Number.parseInt(text, 10) / 100 : 2
  if (share > 1) throw unfit('keep-alive', 'a share from 0% to 100%', text)
  return share
}

/** A request as those send it who keep their connection, and as others do. */
function mix (profile: RequestProfile, share: number): RequestProfile[] {
  const { weight = 1 } = profile
  return [
    { ...profile, weight: weight * share, group: 'kept', think: longestThought },
    { ...profile, weight: weight * (1 - share), group: 'fresh', keepAlive: false }
  ].filter((one) => one.weight > 0)
}
