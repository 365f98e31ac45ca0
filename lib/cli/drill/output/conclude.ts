import { adviseOn } from '../../../drill/index.ts'
import type { DrillRecord } from '../../../drill/index.ts'
import { paint, wantsColours } from '../../terminal.ts'
import type { DrillSettings } from '../settings.ts'
import type { Format } from '../output-options.ts'
import { htmlOf } from './html.ts'
import { jsonOf } from './json.ts'
import { junitOf, junitOfFailure } from './junit.ts'
import type { Outputs } from './outputs.ts'
import { tableOf } from './table.ts'
import type { DrillReport } from './result.ts'
import { tryAdvice } from './trial.ts'

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
  const { text } = outputs
  const width = text.columns || widthOfFiles
  const lines = paint(tableOf(report, width), { colours: wantsColours(text, process.env) })
  text.write(`${lines.join('\n')}\n`)
  for (const [format, write] of writers) if (outputs.wants(format)) outputs.write(format, write(report))
}
