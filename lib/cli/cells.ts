import { share } from '../status/words.ts'

/** How much of a whole is over, in ASCII, `width` characters wide. */
export function bar (part: number, whole: number, width: number): string {
  const filled = Math.round(width * share(part, whole))
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

/** How many cells of a terminal a character takes. */
export function cellsOf (character: string): number {
  return zeroWidth.test(character) ? 0 : doubleWidth.test(character) ? 2 : 1
}

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
