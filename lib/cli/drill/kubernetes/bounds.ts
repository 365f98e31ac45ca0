import type { LoadPlan } from '../load-options.ts'
import { readLoad } from '../load-options.ts'
import { unfit } from '../option.ts'
import type { Given } from '../option.ts'

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
