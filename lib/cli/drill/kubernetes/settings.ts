import { defaults } from '../../../drill/index.ts'
import { readLoad } from '../load-options.ts'
import type { LoadPlan } from '../load-options.ts'
import { unfit, wrong } from '../option.ts'
import type { Given } from '../option.ts'
import { readOutput } from '../output/outputs.ts'
import type { OutputPlan } from '../output/outputs.ts'

/** The most that is put on a Service: requests a second, connections, and milliseconds of load. */
export const bounds = { rate: 1000, connections: 500, clients: 100, duration: 3_600_000 } as const
/** Connections at a time, where nobody has said how many. */
const usualConnections = 100

/** Reads the load on a Service, which others use as well. @param note hears what was left out @throws UsageError */
export function readBoundedLoad (given: Given, note?: (text: string) => void): LoadPlan {
  const file = given.all('data').find((data) => data.startsWith('@'))
  if (file !== undefined) throw unfit('data', 'a body, for there is no file of this machine in a cluster', file)
  const document = given.all('openapi').find((value) => !value.startsWith('/'))
  if (document !== undefined) throw unfit('openapi', 'a route of the service such as /documentation/json', document)
  const load = readLoad(given, note)
  for (const flag of ['rate', 'connections', 'clients'] as const) given.count(flag, 1, [1, bounds[flag]])
  return { ...load, connections: load.connections ?? usualConnections }
}

/** A drill in a cluster, as it was typed. Times are milliseconds. */
export interface ClusterPlan {
  deployment: string
  context: string | undefined
  namespace: string | undefined
  /** The path of kubectl. */
  program: string
  isAllowed: boolean
  updates: number
  within: number
  warmUp: number
  coolDown: number
  /** How long the Job may take to begin. */
  boot: number
  maxLost: number
  load: LoadPlan
  output: OutputPlan
  /** The options themselves, as far as the Job is given them. */
  given: Given
}

/** Names of Kubernetes: none of them is an option of kubectl. */
const aName = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/
/** The most that may be asked for. */
const [mostUpdates, hour] = [20, 3_600_000]

/** Reads what was typed. @throws UsageError */
export function readClusterPlan (given: Given): ClusterPlan {
  const typed = given.text('kubernetes')
  if (typed === undefined) throw wrong("expected '--kubernetes deployment/<name>'")
  const deployment = /^(?:deployment(?:s|\.apps)?|deploy)\/(.+)$/.exec(typed)?.[1] ?? ''
  if (!aName.test(deployment)) throw unfit('kubernetes', 'deployment/<name>', typed)
  const namespace = given.text('namespace')
  if (namespace !== undefined && !aName.test(namespace)) throw unfit('namespace', 'the name of a namespace', namespace)
  const service = given.text('service')
  if (service !== undefined && !/^[a-z0-9][-a-z0-9.]*(?::[a-z0-9][-a-z0-9]*)?$/.test(service)) {
    throw unfit('service', 'the name of a Service, with a port or without', service)
  }
  const program = given.text('kubectl') ?? defaults.kubectl
  if (program === '') throw unfit('kubectl', 'the path of kubectl', program)
  return {
    deployment, namespace, program, given,
    context: given.text('context'),
    isAllowed: given.has('yes'),
    updates: given.count('updates', defaults.restarts, [0, mostUpdates]),
    within: given.time('within', defaults.within, [1000, hour]),
    warmUp: given.time('warm-up', defaults.warmUp, [0, hour]),
    coolDown: given.time('cool-down', defaults.coolDown, [0, hour]),
    boot: given.time('boot', defaults.boot, [1000, hour]),
    maxLost: given.count('max-lost', defaults.maxLost, [0, Number.MAX_SAFE_INTEGER]),
    load: readBoundedLoad(given),
    output: readOutput(given)
  }
}
