import type { Replica } from '../../drill/index.ts'

/** How something is shown: a shape as well as a colour, so that it can be told without colour. */
export interface Look { shape: string, style: Style }

/** A colour or weight of a terminal. */
export type Style = keyof typeof codes

const codes = {
  bold: [1, 22], gray: [90, 39], green: [32, 39], yellow: [33, 39], magenta: [35, 39], cyan: [36, 39], red: [31, 39]
} as const

/** The looks of the phases. `signalled` is that of a replica that tells no phase. */
export const looks: Readonly<Record<string, Look>> = {
  starting: { shape: '·', style: 'gray' },
  running: { shape: '█', style: 'green' },
  announcing: { shape: '▓', style: 'yellow' },
  closing: { shape: '┃', style: 'magenta' },
  draining: { shape: '▒', style: 'cyan' },
  signalled: { shape: '▒', style: 'yellow' },
  terminated: { shape: ' ', style: 'gray' }
}

/** Out of rotation. */
export const out: Look = { shape: '×', style: 'bold' }

const finest = 250 // milliseconds to a cell
const widest = 1000 // cells to a bar

/** A text in a colour or weight. */
export function painted (style: Style, text: string): string {
  const [on, off] = codes[style]
  return `\u001b[${on}m${text}\u001b[${off}m`
}

/** What a bar shows of a replica. */
export type Course = Pick<Replica, 'history' | 'removedAt' | 'signalledAt'>

/** Whether it got its signal, and has told no phase since. */
export function isSilent ({ history, signalledAt }: Course): boolean {
  return signalledAt !== undefined
    && !history.some(({ phase }) => !['starting', 'running', 'terminated'].includes(phase))
}

/**
 * How many cells a bar has beside so many others in a terminal of this width; at least 10, also for what is no number.
 */
export function barCells (columns: number, others: number): number {
  const given = Number.isFinite(columns) ? Math.floor(columns) : 0
  return Math.min(widest, Math.max(10, given - others))
}

/**
 * What each cell of a bar shows, undefined for what has not come yet. The number of cells is given, and which of
 * them are filled follows from the time at which each begins: no sum of rounded times can exceed it.
 */
export function looksOf (
  course: Course, { from, elapsed, cells }: { from: number, elapsed: number, cells: number }
): Array<Look | undefined> {
  const scale = Math.max(finest, elapsed / cells)
  const { removedAt } = course
  const history = historyOf(course)
  let shown = -1
  return Array.from({ length: cells }, (_, cell) => {
    if (cell * scale >= elapsed) return undefined
    const [begins, ends] = [from + cell * scale, from + (cell + 1) * scale]
    if (removedAt !== undefined && removedAt >= begins && removedAt < ends) return out
    // One phase further per cell at most: closing takes milliseconds, and is shown all the same.
    if ((history[shown + 1]?.at ?? Infinity) < ends) shown++
    return looks[history[shown]?.phase ?? '']
  })
}

const isEnd = ({ phase }: { phase: string }): boolean => phase === 'terminated'

/** The phases, with the signal for one that tells none. */
function historyOf (course: Course): Course['history'] {
  const { history, signalledAt: at } = course
  if (at === undefined || !isSilent(course)) return history
  return [
    ...history.filter((entry) => !isEnd(entry)), { phase: 'signalled', at }, ...history.filter(isEnd)
  ]
}
