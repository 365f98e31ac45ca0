import { cellsOf } from '../cells.ts'

// oxlint-disable-next-line no-control-regex -- that is what is meant
const escape = /\u001b\[[\d;?]*[a-zA-Z]/y

/** How many cells of a terminal a text takes: escape codes take none, ideographs and most emoji take two. */
export function width (text: string): number {
  return parts(text).reduce((sum, { cells }) => sum + cells, 0)
}

/** The text with spaces behind it up to this many cells. */
export function pad (text: string, cells: number): string {
  return text + blank(cells - width(text))
}

/** The beginning of the text that fits into this many cells, with the colours put back at its end. */
export function clip (text: string, cells: number): string {
  let left = Number.isFinite(cells) ? cells : 0
  let shown = ''
  let isPainted = false
  for (const part of parts(text)) {
    left -= part.cells
    if (left < 0) return isPainted ? `${shown}\u001b[0m` : shown
    shown += part.text
    isPainted ||= part.text.startsWith('\u001b')
  }
  return shown
}

/** This many spaces, none where the number is no number of cells. */
export function blank (cells: number): string {
  return ' '.repeat(Number.isFinite(cells) ? Math.max(0, Math.floor(cells)) : 0)
}

interface Part { text: string, cells: number }

function parts (text: string): Part[] {
  const found: Part[] = []
  for (let at = 0; at < text.length; at += found.at(-1)!.text.length) {
    escape.lastIndex = at
    const code = escape.exec(text)?.[0]
    const part = code ?? String.fromCodePoint(text.codePointAt(at)!)
    found.push({ text: part, cells: code === undefined ? cellsOf(part) : 0 })
  }
  return found
}
