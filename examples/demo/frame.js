// What the screen shows of an update, as lines of text. Knows nothing of terminals.
import { styleText } from 'node:util'
import { blank, clip, pad } from './text.js'

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
const widest = 1000 // cells to a bar

/**
 * @param update as `rollingUpdate` hands it to its observer
 * @param {{ columns: number, colour: boolean, now: number }} view
 * @returns {string[]} lines, none wider than `columns`, whatever the moment and the width are
 */
export function frame (update, { columns, colour, now }) {
  const paint = (style, text) => colour ? styleText(style, text, { validateStream: false }) : text
  const elapsed = Math.max(0, (update.drill.endedAt ?? now) - update.drill.begunAt)
  const cells = barCells(columns)
  const title = titles[update.shutdown]
  const time = `${(elapsed / 1000).toFixed(1)} s`
  const bar = (replica) => looksOf(replica, { from: update.drill.begunAt, elapsed, cells })
    .map((look) => look === undefined ? ' ' : paint(look.style, look.shape)).join('')
  return [
    '',
    `${paint('bold', title)}${blank(columns - title.length - time.length - 1)} ${time}`,
    `${legend(paint, label + cells)}${'state'.padStart(12)}${'in flight'.padStart(11)}${'conns'.padStart(7)}`,
    ...update.drill.replicas.map((replica) =>
      `${pad(clip(replica.name, label - 1), label)}${bar(replica)} ${row(replica, update)}`),
    ...totals(update.drill, paint, elapsed)
  ].map((line) => clip(line, columns))
}

/** @returns {number} how many cells a bar has in a terminal of this width; at least 10, also for what is no number */
export function barCells (columns) {
  const given = Number.isFinite(columns) ? Math.floor(columns) : 0
  return Math.min(widest, Math.max(10, given - label - figures - 1))
}

/**
 * What each cell of a bar shows, undefined for what has not come yet. The number of cells is given, and which of
 * them are filled follows from the time at which each begins: no sum of rounded times can exceed it.
 */
export function looksOf ({ history, removedAt }, { from, elapsed, cells }) {
  const scale = Math.max(finest, elapsed / cells)
  let shown = -1
  return Array.from({ length: cells }, (_, cell) => {
    if (cell * scale >= elapsed) return undefined
    const [begins, ends] = [from + cell * scale, from + (cell + 1) * scale]
    if (removedAt >= begins && removedAt < ends) return out
    // One phase further per cell at most: closing takes milliseconds, and is shown all the same.
    if (history[shown + 1]?.at < ends) shown++
    return looks[history[shown]?.phase]
  })
}

function row (replica, { drill, figuresOf }) {
  const { inFlight, connections } = figuresOf(replica)
  const state = replica.phase === 'running' && !drill.front.has(replica) ? 'ready' : replica.phase
  const shown = replica.exit === undefined ? state : `exit ${replica.exit}`
  return `${shown.padStart(11)}${String(inFlight).padStart(11)}${String(connections).padStart(7)}`
}

function legend (paint, width) {
  const names = ['running', 'announcing', 'closing', 'draining']
  const bare = names.map((name) => `${looks[name].shape} ${name}`).join('  ')
  if (bare.length > width) return blank(width)
  return names.map((name) => `${paint(looks[name].style, looks[name].shape)} ${name}`).join('  ')
    + blank(width - bare.length)
}

function totals ({ tally, loadedAt, begunAt }, paint, elapsed) {
  const rate = loadedAt === undefined
    ? 0
    : Math.round(tally.requests / Math.max(1, (begunAt + elapsed - loadedAt) / 1000))
  const kinds = Object.entries(tally.byKind).filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`).join(', ')
  return [
    `${tally.requests} requests, ${rate} a second, `
      + `${paint(tally.lost > 0 ? 'red' : 'green', `${tally.lost} lost`)}${kinds && `: ${kinds}`}`,
    `${out.shape} out of rotation: the balancer sends it no new connection`
  ]
}
