// What the screen shows of an update, as lines of text. Knows nothing of terminals.
import { stripVTControlCharacters, styleText } from 'node:util'

// Each phase has a shape of its own as well as a colour, so that it can be told without colour.
const looks = {
  starting: { shape: '·', style: 'gray' },
  running: { shape: '█', style: 'green' },
  announcing: { shape: '▓', style: 'yellow' },
  closing: { shape: '┃', style: 'magenta' },
  draining: { shape: '▒', style: 'cyan' },
  terminated: { shape: ' ', style: 'gray' }
}

const out = { shape: '×', style: 'bold' }

export const titles = {
  graceful: 'Rolling update with fastify-graceful',
  plain: 'The same update with plain app.close() on SIGTERM'
}

const label = 8
const figures = 31
const finest = 250 // milliseconds to a cell

/**
 * @param update as `rollingUpdate` hands it over
 * @param {{ columns: number, colour: boolean, now: number }} view
 * @returns {string[]} lines, none wider than `columns`
 */
export function frame (update, { columns, colour, now }) {
  const paint = (style, text) => colour ? styleText(style, text, { validateStream: false }) : text
  const until = update.ended ?? now
  const cells = Math.max(10, columns - label - figures - 1)
  const scale = Math.max(finest, (until - update.begun) / cells)
  const bar = (replica) => {
    const line = looksOf(replica, { from: update.begun, scale, cells: Math.ceil((until - update.begun) / scale) })
    return line.map((look) => look === undefined ? ' ' : paint(look.style, look.shape)).join('') + ' '.repeat(cells - line.length)
  }
  return [
    '',
    `${paint('bold', titles[update.shutdown])}${`${((until - update.begun) / 1000).toFixed(1)} s`.padStart(columns - titles[update.shutdown].length - 1)}`,
    `${legend(paint, label + cells)}${'state'.padStart(12)}${'in flight'.padStart(11)}${'conns'.padStart(7)}`,
    ...update.replicas.map((replica) => `${replica.name.padEnd(label)}${bar(replica)} ${row(replica, update)}`),
    ...totals(update, paint, until)
  ].map((line) => clip(line, columns))
}

// One phase further per cell at most: closing takes milliseconds, and is shown all the same.
function looksOf ({ history, removed }, { from, scale, cells }) {
  let shown = -1
  return Array.from({ length: cells }, (_, cell) => {
    const [begins, ends] = [from + cell * scale, from + (cell + 1) * scale]
    if (removed >= begins && removed < ends) return out
    if (history[shown + 1]?.at < ends) shown++
    return looks[history[shown]?.phase]
  })
}

function row (replica, update) {
  const state = replica.phase === 'running' && !update.inRotation(replica) ? 'ready' : replica.phase
  const shown = replica.exit === undefined ? state : `exit ${replica.exit}`
  return `${shown.padStart(11)}${String(replica.inFlight).padStart(11)}${String(replica.connections).padStart(7)}`
}

function legend (paint, width) {
  const names = ['running', 'announcing', 'closing', 'draining']
  const bare = names.map((name) => `${looks[name].shape} ${name}`).join('  ')
  if (bare.length > width) return ' '.repeat(width)
  return names.map((name) => `${paint(looks[name].style, looks[name].shape)} ${name}`).join('  ') + ' '.repeat(width - bare.length)
}

function totals ({ tally, loaded }, paint, until) {
  const rate = loaded === undefined ? 0 : Math.round(tally.requests / Math.max(1, (until - loaded) / 1000))
  const kinds = Object.entries(tally.byKind).filter(([, count]) => count > 0).map(([kind, count]) => `${count} ${kind}`).join(', ')
  return [
    `${tally.requests} requests, ${rate} a second, ${paint(tally.lost > 0 ? 'red' : 'green', `${tally.lost} lost`)}${kinds && `: ${kinds}`}`,
    `${out.shape} out of rotation: the balancer sends it no new connection`
  ]
}

function clip (line, columns) {
  const bare = stripVTControlCharacters(line)
  // Only the list of losses can be too long, and it may lose its colour.
  return bare.length <= columns ? line : bare.slice(0, columns)
}
