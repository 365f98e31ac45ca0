import type { UpdatePlan } from '../../drill/index.ts'
import type { DrillOption, Given } from './option.ts'

/** The update, and what is in front of the service. */
export const updateOptions: readonly DrillOption[] = [
  { flag: 'replicas', value: '<number>', text: 'replicas in service', default: '3' },
  { flag: 'grace', value: '<time>', text: 'from SIGTERM to SIGKILL', default: '30s' },
  { flag: 'lag', value: '<time>', text: 'from SIGTERM to the last new connection', default: '1s' },
  { flag: 'runs', value: '<number>', text: 'how many updates are rehearsed', default: '1' },
  { flag: 'max-lost', value: '<number>', text: 'how many requests of an update may be lost', default: '0' }
]

/** How replicas are replaced. Times are milliseconds. */
export interface UpdateSettings {
  replicas: number
  /** The name of what is in front. */
  front: string
  update: UpdatePlan
  warmUp: number
  coolDown: number
  runs: number
  maxLost: number
}

/** Reads the update from what was typed. @throws UsageError */
export function readUpdate (given: Given): UpdateSettings {
  return {
    replicas: given.count('replicas', 3, [1, 100]),
    front: given.text('lag') ?? '1s',
    update: {
      grace: given.time('grace', 30_000, [100, 3_600_000]),
      lag: given.time('lag', 1000, [0, 3_600_000])
    },
    warmUp: 1000,
    coolDown: 500,
    runs: given.count('runs', 1, [1, 1000]),
    maxLost: given.count('max-lost', 0, [0, Number.MAX_SAFE_INTEGER])
  }
}
