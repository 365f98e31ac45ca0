import type { DrillObserver } from '../../drill/index.ts'
import { printable } from '../printable.ts'
import type { Output } from '../status/screen.ts'
import { canDraw, drawLive } from './live.ts'
import { plainObserver } from './plain.ts'
import type { DrillSettings } from './settings.ts'

/** What shows a drill while it runs. */
export interface DrillView {
  observer: DrillObserver
  /** Gives a terminal back. */
  close: () => void
}

/** A time line in a terminal, a line per event elsewhere. @param titleOf the title of the next rehearsal */
export function showDrills (output: Output, env: NodeJS.ProcessEnv, titleOf: () => string): DrillView {
  if (canDraw(output, env)) {
    const live = drawLive(output, env, titleOf)
    return { observer: live, close: live.restore }
  }
  return { observer: plainObserver((line) => { output.write(`${line}\n`) }, titleOf), close: () => {} }
}

/** Shows what the command rehearses. */
export function viewOf (
  output: Output, env: NodeJS.ProcessEnv, { label, preset, replace, runs }: DrillSettings
): DrillView {
  let run = 0
  const what = replace === 0 ? 'Load without an update' : 'Rolling update'
  return showDrills(output, env, () => {
    run++
    return `${what}: ${printable(label)} behind ${preset.title}${runs === 1 ? '' : `, run ${run} of ${runs}`}`
  })
}
