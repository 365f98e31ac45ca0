import { defaults } from '../../drill/index.ts'
import type { Endpoint, Traffic } from '../../drill/index.ts'
import { printable } from '../printable.ts'
import { typedTime } from '../usage.ts'
import { unfit } from './option.ts'
import type { DrillOption, Given } from './option.ts'
import { readSources } from './sources.ts'
import { readTraffic } from './traffic.ts'

/** The load. */
export const loadOptions: readonly DrillOption[] = [
  {
    flag: 'path',
    value: '<[METHOD ]path[ name:value][ body]>',
    text: 'what is asked for; may be given several times',
    default: defaults.path
  },
  { flag: 'har', value: '<file>', text: 'requests that a browser has recorded' },
  { flag: 'origin', value: '<url>', text: 'which requests of the --har before it', default: 'the most frequent' },
  { flag: 'openapi', value: '<file or route>', text: 'GET operations of an OpenAPI document in JSON' },
  { flag: 'websocket', value: '<path>', text: 'clients that keep a WebSocket open' },
  { flag: 'events', value: '<path>', text: 'clients that keep an event stream open' },
  { flag: 'header', value: '<name:value>', text: 'a header of those before it; before the first of them, of all' },
  { flag: 'data', value: '<body or @file>', text: 'the body of the --path before it' },
  {
    flag: 'status', value: '<200|2xx|200-404>', default: defaults.status.join('-'),
    text: 'the right status of those before it'
  },
  {
    flag: 'weight', value: '<number>', default: String(defaults.weight),
    text: 'the share of those before it'
  },
  {
    flag: 'rate', value: '<number>', default: String(defaults.rate),
    text: 'requests per second, whatever the answers do'
  },
  { flag: 'connections', value: '<number>', text: 'most connections at a time', default: 'as many as it takes' },
  {
    flag: 'keep-alive', value: '<0-100%>', default: defaults.keepAlive,
    text: 'share of requests on connections that are kept'
  },
  {
    flag: 'clients', value: '<number>', default: String(defaults.clients),
    text: 'clients on each --websocket and --events'
  },
  { flag: 'timeout', value: '<time>', text: 'how long an answer may take', default: typedTime(defaults.timeout) }
]

/** What is sent, and how often. */
export interface LoadPlan extends Partial<Traffic> {
  rate: number
  connections?: number
  /** Milliseconds. */
  timeout: number
  /** In place of what is known at once. */
  readTraffic?: (replica: Endpoint) => Promise<Traffic>
}

const toStandardError = (text: string): void => { process.stderr.write(`${printable(text)}\n`) }

/** Reads the load from what was typed. @param note hears what was left out @throws UsageError */
export function readLoad (given: Given, note: (text: string) => void = toStandardError): LoadPlan {
  const connections = given.count('connections', 0, [1, 4000])
  const numbers = {
    rate: given.count('rate', defaults.rate, [1, 10_000]),
    timeout: given.time('timeout', defaults.timeout, [10, 600_000]),
    ...connections === 0 ? {} : { connections }
  }
  const keepAlive = readShare(given.text('keep-alive') ?? defaults.keepAlive)
  const clients = given.count('clients', defaults.clients, [1, 1000])
  const traffic = readTraffic(readSources(given), { keepAlive, clients, note })
  return { ...numbers, ...typeof traffic === 'function' ? { readTraffic: traffic } : traffic }
}

/** A share from 0 to 1. */
function readShare (text: string): number {
  const share = /^\d{1,3}%?$/.test(text) ? Number.parseInt(text, 10) / 100 : 2
  if (share > 1) throw unfit('keep-alive', 'a share from 0% to 100%', text)
  return share
}
