import { faults, readAddress } from '../../drill/index.ts'
import type { FaultName, FaultPlan } from '../../drill/index.ts'
import { unfit, wrong } from './option.ts'
import type { DrillOption, Given } from './option.ts'

const names = Object.keys(faults) as FaultName[]

/** What goes wrong during the update. */
export const faultOptions: readonly DrillOption[] = [
  { flag: 'fault', value: '<name>', text: `what goes wrong meanwhile: ${names.join(', ')}`, default: 'nothing' },
  { flag: 'dependency', value: '<variable>', text: 'which variable says where the dependency is, for dependency-down' }
]

/** Reads the fault from what was typed; undefined where there is none. @throws UsageError */
export function readFault (given: Given, env: NodeJS.ProcessEnv): FaultPlan | undefined {
  const typed = given.text('fault')
  const dependency = given.text('dependency')
  const name = names.find((one) => one === typed)
  if (typed !== undefined && name === undefined) throw unfit('fault', `one of ${names.join(', ')}`, typed)
  if (name !== 'dependency-down') {
    if (dependency !== undefined) throw wrong("option '--dependency' needs '--fault dependency-down'")
    return name && { name }
  }
  if (dependency === undefined) throw wrong("option '--fault dependency-down' needs '--dependency <variable>'")
  const value = env[dependency]
  if (value === undefined) throw wrong(`option '--dependency' must be a variable that is set, got '${dependency}'`)
  if (readAddress(value) === undefined) {
    // It may hold a password.
    throw wrong(`option '--dependency' must be a variable with a URL or host:port, but ${dependency} holds neither`)
  }
  return { name, dependency }
}
