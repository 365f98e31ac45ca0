// The end of the demo: both updates side by side.
import { lossKinds } from '../../dist/drill/index.js'

/** @returns {string[]} the table as lines */
export function summary (ours, plain) {
  const lines = [
    row('', 'fastify-graceful', 'plain close()'),
    row('requests', ours.tally.requests, plain.tally.requests),
    row('lost', ours.tally.lost, plain.tally.lost)
  ]
  for (const [kind, label] of Object.entries(lossKinds)) {
    const [left, right] = [ours.tally.byKind[kind], plain.tally.byKind[kind]]
    if (left + right > 0) lines.push(row(`  ${label}`, left, right))
  }
  lines.push(row('SIGTERM to exit, mean of three', leaving(ours), leaving(plain)))
  return lines
}

/** @returns {string} what the demo is for, in one line */
export function verdict ({ tally }) {
  return `${tally.lost} of ${tally.requests} requests lost`
}

function row (label, left, right) {
  return `  ${label.padEnd(44)}${String(left).padStart(16)}${String(right).padStart(18)}`
}

function leaving ({ departures }) {
  return `${(departures.reduce((sum, { took }) => sum + took, 0) / departures.length / 1000).toFixed(1)} s`
}
