import { variablesOf } from '../../../drill/index.ts'
import type { Advice, DrillRecord } from '../../../drill/index.ts'
import { messageOf } from '../../../errors.ts'
import type { DrillSettings } from '../settings.ts'
import type { Trial } from './result.ts'

/** The variable of the grace period, which the drill keeps to, too. */
const graceVariable = 'TERMINATION_GRACE_PERIOD_SECONDS'

/** Rehearses again with what is advised, as far as variables can say it. */
export async function tryAdvice (
  advice: readonly Advice[], settings: DrillSettings, rehearse: (settings: DrillSettings) => Promise<DrillRecord>
): Promise<Trial> {
  const variables = variablesOf(advice)
  const untried = advice.flatMap(({ action, settings: all }) =>
    all.length === 0 ? [action] : all.flatMap(({ option, variable }) => variable === undefined ? [option] : []))
  if (Object.keys(variables).length === 0) return { variables, untried, record: undefined }
  try {
    return { variables, untried, record: await rehearse(advised(settings, variables)) }
  } catch (error) {
    return { variables, untried, record: undefined, failure: messageOf(error) }
  }
}

/** The same drill with these variables. */
function advised (settings: DrillSettings, variables: Readonly<Record<string, string>>): DrillSettings {
  const { service, update } = settings
  const grace = Math.max(update.grace, Number(variables[graceVariable] ?? 0) * 1000)
  return {
    ...settings,
    service: { ...service, env: { ...service.env ?? process.env, ...variables } },
    update: { ...update, grace }
  }
}
