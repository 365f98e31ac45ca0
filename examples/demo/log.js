// Shows the update as a line per event, for a log.
import { titles } from './frame.js'

/** An observer of updates that prints them. */
export function createLog (output) {
  let begun
  return {
    begin (update) {
      begun = update.begun
      output.write(`\n${titles[update.shutdown]}\n`)
    },
    event ({ name, inFlight, connections, exit }, what) {
      const time = ((Date.now() - begun) / 1000).toFixed(1).padStart(5)
      const detail = exit === undefined
        ? `${inFlight} in flight, ${connections} ${connections === 1 ? 'connection' : 'connections'}`
        : `exit ${exit}`
      output.write(`${time} s  replica ${name}  ${what.padEnd(16)} ${detail}\n`)
    },
    end ({ tally }) {
      output.write(`${tally.requests} requests, ${tally.lost} lost\n`)
    },
    restore () {}
  }
}
