import type { DrillObserver, DrillState } from '../../drill/index.ts'
import { printable } from '../printable.ts'

/** An observer that prints a line per event, for what is no terminal. @param titleOf the title of the next rehearsal */
export function plainObserver (print: (line: string) => void, titleOf: () => string): DrillObserver {
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
