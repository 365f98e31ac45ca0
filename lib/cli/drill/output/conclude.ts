import { adviseOn, variablesOf } from '../../../drill/index.ts'
import type { Advice, DrillRecord } from '../../../drill/index.ts'
import { messageOf } from '../../../errors.ts'
import { paint, wantsColours } from '../../terminal.ts'
import type { Format, Outputs } from './outputs.ts'
import type { DrillSettings } from '../settings.ts'
import { compareWith } from './comparison.ts'
import { htmlOf } from './html.ts'
import { junitOf, junitOfFailure } from './junit.ts'
import type { DrillReport, Trial } from './result.ts'
import { tableOf } from './table.ts'

const writers: ReadonlyArray<readonly [Format, (report: DrillReport) => string]> =
  [['json', jsonOf], ['junit', junitOf], ['html', htmlOf]]

/** Says of a drill that could not be run why, to whoever reads JUnit XML. */
export function concludeFailure (message: string, { label }: { label: string }, outputs: Outputs): void {
  if (outputs.wants('junit')) outputs.write('junit', junitOfFailure(label, message))
}

/** Columns where there is no terminal. */
const widthOfFiles = 120

/**
 * Says what a drill has shown, and what follows from it.
 * @param rehearse runs the drill again, where the advice is tried
 * @throws Error where a file takes nothing more
 */
export async function conclude (
  record: DrillRecord, settings: DrillSettings, outputs: Outputs,
  rehearse: (settings: DrillSettings) => Promise<DrillRecord>
): Promise<void> {
  const advice = adviseOn(record)
  const trial = settings.output.tryAdvice && advice.length > 0 ? await tryAdvice(advice, settings, rehearse) : undefined
  show({ record, advice, trial }, outputs)
}

/** Writes all forms of a result. @throws Error where a file takes nothing more */
export function show (report: DrillReport, outputs: Outputs): void {
  const { text, compared } = outputs
  const whole = { ...report, compared }
  const width = text.columns || widthOfFiles
  const lines = paint(tableOf(whole, width), { colours: wantsColours(text, process.env) })
  text.write(`${lines.join('\n')}\n`)
  for (const [format, write] of writers) if (outputs.wants(format)) outputs.write(format, write(whole))
}

/**
 * The result as JSON: the record, with `advice`, with `trial` where the advice was tried, and with
 * `compared` where another drill was given.
 */
export function jsonOf ({ record, advice, trial, compared }: DrillReport): string {
  const comparison = compared && compareWith(compared, record)
  return `${JSON.stringify({ ...record, advice, trial, compared: comparison }, undefined, 2)}\n`
}

/** The variable of the grace period, which the drill keeps to, too. */
const graceVariable = 'TERMINATION_GRACE_PERIOD_SECONDS'

/** Rehearses again with what is advised, as far as variables can say it. */
async function tryAdvice (
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
