// Shows the update as a line per event, for a log.
import { titles } from './frame.js'

/** An observer of updates that prints them. */
export function createLog (output) {
  return {
    begin ({ shutdown }) {
      output.write(`\n${titles[shutdown]}\n`)
    },
    event ({ drill, figuresOf }, replica, what) {
      const { name, exit } = replica
      const { inFlight, connections } = figuresOf(replica)
      const time = ((Date.now() - drill.begunAt) / 1000).toFixed(1).padStart(5)
      const detail = exit === undefined
        ? `${inFlight} in flight, ${connections} ${connections === 1 ? 'connection' : 'connections'}`
        : `exit ${exit}`
      output.write(`${time} s  replica ${name}  ${what.padEnd(16)} ${detail}\n`)
    },
    end ({ drill: { tally } }) {
      output.write(`${tally.requests} requests, ${tally.lost} lost\n`)
    },
    restore () {}
  }
}
