import type { DrillObserver, DrillState } from '../../drill/index.ts'
import { printable } from '../printable.ts'
import { isTerminal, Terminal } from '../terminal.ts'
import type { Output } from '../terminal.ts'
import { frame } from './frame.ts'
import type { DrillSettings } from './settings.ts'

/** What shows a drill while it runs. */
export interface DrillView {
  observer: DrillObserver
  /** Gives a terminal back. */
  close: () => void
}

/** Milliseconds from frame to frame. */
const drawEvery = 100
/** Less says nothing. */
const [fewestColumns, fewestRows] = [20, 6]

/** A terminal that does not know its size says 0. */
const isLarge = (size: number, fewest: number): boolean => !size || size >= fewest

/** Shows what the command rehearses: a time line in a terminal, a line per event elsewhere. */
export function viewOf (
  output: Output, env: NodeJS.ProcessEnv, { label, preset, replace, runs }: DrillSettings
): DrillView {
  let run = 0
  const what = replace === 0 ? 'Load without an update' : 'Rolling update'
  const titleOf = (): string => {
    run++
    return `${what}: ${printable(label)} behind ${preset.title}${runs === 1 ? '' : `, run ${run} of ${runs}`}`
  }
  const { columns, rows } = output
  if (isTerminal(output, env) && isLarge(columns, fewestColumns) && isLarge(rows, fewestRows)) {
    return drawn(new Terminal(output, env), titleOf)
  }
  return { observer: printed((line) => { output.write(`${line}\n`) }, titleOf), close: () => {} }
}

/** Draws each rehearsal below the one before. @param titleOf the title of the next one */
function drawn (terminal: Terminal, titleOf: () => string): DrillView {
  let title = ''
  let timer: NodeJS.Timeout | undefined
  const draw = (drill: DrillState): void => terminal.draw((size) =>
    frame({ title, drill }, { ...size, colour: terminal.colours, now: Date.now() }))
  const close = (): void => {
    clearInterval(timer)
    terminal.close()
  }
  const observer: DrillObserver = {
    begin (drill) {
      title = titleOf()
      draw(drill)
      timer = setInterval(draw, drawEvery, drill)
    },
    ended (drill) {
      draw(drill)
      close()
    }
  }
  return { observer, close }
}

/** Prints a line per event. @param titleOf the title of the next rehearsal */
function printed (print: (line: string) => void, titleOf: () => string): DrillObserver {
  let drill: DrillState
  return {
    begin (state) {
      drill = state
      print(titleOf())
    },
    changed ({ name, exit }, what) {
      // What is left is killed, which is no part of the rehearsal.
      if (drill.endedAt !== undefined) return
      const time = ((Date.now() - drill.begunAt) / 1000).toFixed(1).padStart(6)
      print(`${time} s  replica ${name}  ${printable(what)}${what === 'terminated' ? `, exit ${exit}` : ''}`)
    },
    ended ({ tally }) { print(`${tally.requests} requests, ${tally.lost} lost`) }
  }
}
