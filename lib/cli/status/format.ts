/** Milliseconds for a reader: `340 ms`, `4.2 s`, `3 min 12 s`, `3 h 12 min`, `2 d 3 h`. */
export function duration (milliseconds: number | undefined): string {
  if (milliseconds === undefined || !Number.isFinite(milliseconds)) return '-'
  const time = Math.max(0, milliseconds)
  if (time < 1000) return `${Math.round(time)} ms`
  if (time < 59_950) return `${Number((time / 1000).toFixed(1))} s`
  const seconds = Math.round(time / 1000)
  const pair = (large: number, small: number, names: [string, string]): string => {
    const rest = Math.floor(seconds % large / small)
    return `${Math.floor(seconds / large)} ${names[0]}${rest === 0 ? '' : ` ${rest} ${names[1]}`}`
  }
  if (seconds < 3600) return pair(60, 1, ['min', 's'])
  return seconds < 86_400 ? pair(3600, 60, ['h', 'min']) : pair(86_400, 3600, ['d', 'h'])
}

/** How much of a whole is over, in ASCII, `width` characters wide. */
export function bar (part: number, whole: number, width: number): string {
  const share = whole <= 0 ? 1 : part / whole
  // Of what is no number, as one endless time in another, nothing is known.
  const filled = Number.isNaN(share) ? 0 : Math.round(width * Math.min(1, Math.max(0, share)))
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]`
}

const zeroWidth = /[\p{Mn}\p{Me}\p{Cf}\p{Cc}]/u
/** East Asian wide and fullwidth characters (Unicode's UAX #11, in whole blocks), and emoji drawn as pictures. */
const doubleWidth = new RegExp([
  String.raw`[\u1100-\u115F\u2329\u232A\u2E80-\u303E\u3041-\uA4CF\uA960-\uA97C\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F]`,
  String.raw`[\uFF00-\uFF60\uFFE0-\uFFE6\u{17000}-\u{18CFF}\u{1B000}-\u{1B2FF}\u{20000}-\u{3FFFD}]`,
  String.raw`\p{Emoji_Presentation}`
].join('|'), 'u')
// oxlint-disable-next-line no-control-regex -- the text that is shown in no other way
const printableAscii = /^[\u0020-\u007e]*$/

const cellsOf = (character: string): number => zeroWidth.test(character) ? 0 : doubleWidth.test(character) ? 2 : 1

/** How many cells of a terminal a text takes: an ideograph takes two, a combining accent none. */
export function textWidth (text: string): number {
  if (printableAscii.test(text)) return text.length
  let cells = 0
  for (const character of text) cells += cellsOf(character)
  return cells
}

/** Cells in columns, each as wide as its widest; the last one is not padded. */
export function columns (rows: string[][]): string[] {
  const widths: number[] = []
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, textWidth(cell))
  }
  const padded = (cell: string, index: number): string => cell + ' '.repeat((widths[index] ?? 0) - textWidth(cell))
  return rows.map((row) => row.map(padded).join('  ').trimEnd())
}

/** Numbers that count as digits: whole ones, others with one. */
export function amount (value: number | undefined): string {
  return value === undefined ? '-' : String(Number(value.toFixed(1)))
}

/** Text cut to a width in cells, with a sign that it was cut. */
export function fit (text: string, width: number): string {
  if (textWidth(text) <= width) return text
  if (width < 1) return ''
  let shown = ''
  let left = width - 1
  for (const character of text) {
    left -= cellsOf(character)
    if (left < 0) break
    shown += character
  }
  return `${shown}…`
}

/** So many are named in one line. */
const mostNamed = 10

/** Items of the same name: their number, and the first of them. `label` is the name, with the number of several. */
export interface Group<T> { items: number, first: T, label: string }

/** Items by their names, in the order in which these come. */
export function grouped<T> (all: T[], nameOf: (item: T) => string): Array<Group<T>> {
  const groups = new Map<string, Group<T>>()
  for (const item of all) {
    const name = nameOf(item)
    const group = groups.get(name)
    const items = (group?.items ?? 0) + 1
    groups.set(name, {
      items,
      first: group === undefined ? item : group.first,
      label: items > 1 ? `${name} x${items}` : name
    })
  }
  return [...groups.values()]
}

/** Parts in one line: the first ten, and how many there are besides. A part may stand for several items. */
export function enumerate (parts: Array<string | { text: string, items: number }>, separator = ', '): string {
  const shown = parts.slice(0, mostNamed).map((part) => typeof part === 'string' ? part : part.text)
  const more = parts.slice(mostNamed).reduce((sum, part) => sum + (typeof part === 'string' ? 1 : part.items), 0)
  return more === 0 ? shown.join(separator) : `${shown.join(separator)} and ${more} more`
}
