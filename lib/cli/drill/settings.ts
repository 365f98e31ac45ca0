import { kubernetesOptions } from './kubernetes/options.ts'
import { faultOptions, readFault } from './fault-options.ts'
import { loadOptions, readLoad } from './load-options.ts'
import type { FaultPlan } from '../../drill/index.ts'
import type { LoadPlan } from './load-options.ts'
import { wrong } from './option.ts'
import type { DrillOption } from './option.ts'
import { outputOptions, readOutput } from './output/outputs.ts'
import type { OutputPlan } from './output/outputs.ts'
import type { Typed } from './parse.ts'
import { readService, serviceOptions } from './service-options.ts'
import type { ServicePlan } from './service-options.ts'
import { readUpdate, updateOptions } from './update-options.ts'
import type { UpdateSettings } from './update-options.ts'

/** The options by what they are about, as the help and the docs show them. */
export const optionGroups: ReadonlyArray<readonly [title: string, options: readonly DrillOption[]]> = [
  ['Service', serviceOptions],
  ['Update', updateOptions],
  ['Load', loadOptions],
  ['Fault', faultOptions],
  ['Kubernetes', kubernetesOptions],
  ['Output', outputOptions]
]

/** All that a drill needs to know. */
export interface DrillSettings extends ServicePlan, UpdateSettings {
  load: LoadPlan
  fault: FaultPlan | undefined
  output: OutputPlan
}

/** Puts together what was typed. @throws UsageError */
export function readSettings (typed: Typed): DrillSettings {
  const { given } = typed
  const [fault, output] = [readFault(given, process.env), readOutput(given)]
  if (fault !== undefined && output.tryAdvice) throw wrong("option '--try-advice' goes without '--fault'")
  return { ...readService(typed), ...readUpdate(given), load: readLoad(given), fault, output }
}
