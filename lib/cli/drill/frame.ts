import type { DrillState, Replica, Tally } from '../../drill/index.ts'
import { printable } from '../printable.ts'
import { painted } from '../terminal.ts'
import type { Size, Style } from '../terminal.ts'
import { blank, clip, pad, width } from './text.ts'

/** What a bar shows of a replica. */
type Course = Pick<Replica, 'history' | 'removedAt' | 'signalledAt'>

/** A replica, as far as it is shown. */
export type ShownReplica = Course & Pick<Replica, 'name' | 'host' | 'port' | 'phase' | 'exit'>

/** A rehearsal, as far as it is shown. */
export interface Shown {
  title: string
  drill: {
    begunAt: number
    loadedAt?: number | undefined
    endedAt?: number | undefined
    replicas: readonly ShownReplica[]
    front: Pick<DrillState['front'], 'has' | 'connections'>
    tally: Pick<Tally, 'requests' | 'lost' | 'byKind' | 'byReplica'>
  }
}

/** A terminal, and the moment, in milliseconds since 1970. */
export interface View extends Size { colour: boolean, now: number }

type Paint = (style: Style, text: string) => string

/** How something is shown: a shape as well as a colour, so that it can be told without colour. */
interface Look { shape: string, style: Style }

/** The looks of the phases. `signalled` is that of a replica that tells no phase. */
const looks: Readonly<Record<string, Look>> = {
  starting: { shape: '·', style: 'gray' },
  running: { shape: '█', style: 'green' },
  announcing: { shape: '▓', style: 'yellow' },
  closing: { shape: '┃', style: 'magenta' },
  draining: { shape: '▒', style: 'cyan' },
  signalled: { shape: '▒', style: 'yellow' },
  terminated: { shape: ' ', style: 'gray' }
}

/** Out of rotation. */
const out: Look = { shape: '×', style: 'bold' }

const finest = 250 // milliseconds to a cell
const widest = 1000 // cells to a bar

const label = 8
const figures = 31
/** Lines besides those of the replicas. */
const frameLines = 5

/** A rehearsal as lines, none wider than the terminal, whatever the moment and the width are. */
export function frame ({ title, drill }: Shown, { columns, rows, colour, now }: View): string[] {
  const paint: Paint = (style, text) => colour ? painted(style, text) : text
  const elapsed = Math.max(0, (drill.endedAt ?? now) - drill.begunAt)
  const cells = barCells(columns, label + figures + 1)
  const time = `${(elapsed / 1000).toFixed(1)} s`
  const head = clip(title, columns - time.length - 1)
  const bar = (replica: ShownReplica): string => looksOf(replica, { from: drill.begunAt, elapsed, cells })
    .map((look) => look === undefined ? ' ' : paint(look.style, look.shape)).join('')
  const shown = choose(drill.replicas, rows - 1 - frameLines)
  return [
    '',
    `${paint('bold', head)}${blank(columns - width(head) - time.length - 1)} ${time}`,
    legend(drill.replicas, paint, label + cells) + 'state'.padStart(12) + 'conns'.padStart(11) + 'lost'.padStart(7),
    ...shown.map((replica) =>
      `${pad(clip(printable(replica.name), label - 1), label)}${bar(replica)} ${row(replica, drill)}`),
    ...shown.length < drill.replicas.length ? [`… ${drill.replicas.length - shown.length} more replicas`] : [],
    ...totals(drill, paint, elapsed)
  ].map((line) => clip(line, columns))
}

/** Those that there is room for: whoever has gone makes room first. */
function choose (replicas: readonly ShownReplica[], room: number): readonly ShownReplica[] {
  if (replicas.length <= room || room < 2) return replicas
  const hasGone = ({ exit }: ShownReplica): number => exit === undefined ? 0 : 1
  const chosen = new Set(replicas.toSorted((one, other) => hasGone(one) - hasGone(other)).slice(0, room - 1))
  return replicas.filter((replica) => chosen.has(replica))
}

function row (replica: ShownReplica, { front, tally }: Shown['drill']): string {
  const { name, phase, exit } = replica
  const state = isSilent(replica) ? 'signalled' : phase === 'running' && !front.has(replica) ? 'ready' : phase
  const shown = exit === undefined ? state : `exit ${exit}`
  const connections = exit === undefined ? front.connections?.(replica) ?? 0 : 0
  return `${shown.padStart(11)}${String(connections).padStart(11)}${String(tally.byReplica.get(name) ?? 0).padStart(7)}`
}

function legend (replicas: readonly ShownReplica[], paint: Paint, cells: number): string {
  const names = replicas.some(isSilent) ? ['running', 'signalled'] : ['running', 'announcing', 'closing', 'draining']
  const bare = names.map((name) => `${looks[name]!.shape} ${name}`).join('  ')
  if (bare.length > cells) return blank(cells)
  return names.map((name) => `${paint(looks[name]!.style, looks[name]!.shape)} ${name}`).join('  ')
    + blank(cells - bare.length)
}

function totals ({ tally, loadedAt, begunAt }: Shown['drill'], paint: Paint, elapsed: number): string[] {
  const rate = loadedAt === undefined
    ? 0
    : Math.round(tally.requests / Math.max(1, (begunAt + elapsed - loadedAt) / 1000))
  const kinds = Object.entries(tally.byKind).filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`).join(', ')
  return [
    `${tally.requests} requests, ${rate} a second, `
      + `${paint(tally.lost > 0 ? 'red' : 'green', `${tally.lost} lost`)}${kinds && `: ${kinds}`}`,
    `${out.shape} out of rotation: what is in front sends it nothing new`
  ]
}

/** Whether it got its signal, and has told no phase since. */
function isSilent ({ history, signalledAt }: Course): boolean {
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
