import { drill, recordRun } from '../../drill/index.ts'
import type { DrillObserver, DrillRecord, RunRecord } from '../../drill/index.ts'
import type { DrillSettings } from './settings.ts'

/** Rehearses the update as often as it is asked for. @throws Error where a replica does not get ready */
export async function rehearse (settings: DrillSettings, observer: DrillObserver): Promise<DrillRecord> {
  const { label, service, front, update, load, replicas, runs, maxLost, warmUp, coolDown } = settings
  const records: RunRecord[] = []
  while (records.length < runs) {
    records.push(recordRun(await drill({ service, ...update, ...load, replicas, warmUp, coolDown, observer })))
  }
  return {
    version: 1, service: label, front, fault: undefined, replicas, grace: update.grace, rate: load.rate, maxLost,
    runs: records
  }
}
