import {
  drill, drillWithFault, ImpossibleFault, observers as composed, probe, recordRun, startFront
} from '../../drill/index.ts'
import type { DrillObserver, DrillOptions, DrillRecord, RunRecord } from '../../drill/index.ts'
import { wrong } from './option.ts'
import { platformEnvironment } from './service-options.ts'
import type { DrillSettings } from './settings.ts'

/** What the engine is asked for. */
function drillOptions (settings: DrillSettings): DrillOptions {
  const { service, preset, update, load, replicas, replace, warmUp, coolDown } = settings
  const { readyPath, probe: ask = probe } = service
  return {
    ...update, ...load, replicas, replace, warmUp, coolDown,
    service: { ...service, env: platformEnvironment(settings, service.env ?? process.env) },
    startFront: (notice) =>
      startFront(preset, { path: readyPath ?? '/readyz', isOptional: readyPath === undefined, ask }, notice)
  }
}

/** @throws UsageError where the service cannot have the fault */
async function rehearseOnce (options: DrillOptions, { fault: plan }: DrillSettings): Promise<RunRecord> {
  if (plan === undefined) return recordRun(await drill(options))
  try {
    const { result, fault } = await drillWithFault(options, plan)
    return { ...recordRun(result), fault }
  } catch (error) {
    throw error instanceof ImpossibleFault ? wrong(error.message) : error
  }
}

/**
 * Rehearses the update as often as it is asked for.
 * @param observers hear of each of them
 * @throws Error where a replica does not get ready
 */
export async function rehearse (
  settings: DrillSettings, observers: readonly DrillObserver[]
): Promise<DrillRecord> {
  const { label, front, update, load, replicas, runs, maxLost, fault } = settings
  const records: RunRecord[] = []
  while (records.length < runs) {
    records.push(await rehearseOnce({ ...drillOptions(settings), observer: composed(observers) }, settings))
  }
  return {
    version: 1, service: label, front, fault: fault?.name, replicas, grace: update.grace, rate: load.rate, maxLost,
    runs: records
  }
}
