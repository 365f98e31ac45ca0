import { writeSync } from 'node:fs'
import { fit } from './format.ts'
import type { Line, Tone } from './sections.ts'

const codes: Readonly<Record<Tone, number>> = { good: 32, bad: 31, strong: 1, dim: 2 }

/** As much of a terminal or file as is written to. */
export type Output = Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns' | 'rows' | 'on' | 'off'> & { fd?: number }

/** Whether escape codes mean something to whoever reads. */
export function isTerminal ({ isTTY }: Pick<Output, 'isTTY'>, env: NodeJS.ProcessEnv): boolean {
  return isTTY && env['TERM'] !== 'dumb'
}

/** Lines as text, with colours where they are wanted: not with `NO_COLOR` set to anything, see no-color.org. */
export function paint (
  lines: readonly Line[],
  { colours, width = Infinity }: { colours: boolean, width?: number }
): string[] {
  return lines.map(({ text, tone }) => {
    const shown = fit(text, width)
    return colours && tone !== undefined ? `\u001b[${codes[tone]}m${shown}\u001b[0m` : shown
  })
}

export function wantsColours (output: Output, env: NodeJS.ProcessEnv): boolean {
  return isTerminal(output, env) && (env['NO_COLOR'] ?? '') === ''
}

const hideCursor = '\u001b[?25l'
const showCursor = '\u001b[?25h'
/** The terminal cuts lines that are wider than assumed (ideographs), so that the count of lines stays right. */
const noWrap = '\u001b[?7l'
const wrap = '\u001b[?7h'
const clearBelow = '\u001b[J'
const clearAll = '\u001b[2J\u001b[H'

/** Draws frames over each other at the end of a terminal's text. */
export class Screen {
  readonly #output: Output
  readonly #colours: boolean
  #height = 0
  #lines: readonly Line[] = []
  #open = false

  constructor (output: Output, env: NodeJS.ProcessEnv) {
    this.#output = output
    this.#colours = wantsColours(output, env)
  }

  /** Shows these lines in the place of those before. */
  draw (lines: readonly Line[]): void {
    if (!this.#open) this.#begin()
    this.#lines = lines
    // The line below the last one has the cursor.
    const rows = Math.max(1, (this.#output.rows || 24) - 1)
    const shown = lines.length <= rows
      ? lines
      : [...lines.slice(0, rows - 1), { text: `… ${lines.length - rows + 1} more lines`, tone: 'dim' as const }]
    this.#output.write(this.#back() + noWrap + this.#text(shown, this.#output.columns || 80) + wrap)
    this.#height = shown.length
  }

  /** Leaves the last frame, whole, and the terminal as it was. */
  finish (): void {
    if (!this.#open) return
    // Here a long line may take two: nothing is drawn over it.
    this.#output.write(this.#back() + this.#text(this.#lines, Infinity) + showCursor)
    this.#end()
  }

  #begin (): void {
    this.#open = true
    this.#output.write(hideCursor)
    this.#output.on('resize', this.#resized)
    // Whatever ends the process, the cursor comes back.
    process.on('exit', this.#restore)
  }

  #end (): void {
    this.#open = false
    this.#output.off('resize', this.#resized)
    process.off('exit', this.#restore)
  }

  /** The terminal has broken the old lines anew, and how is its own business. */
  readonly #resized = (): void => {
    this.#output.write(clearAll)
    this.#height = 0
    this.draw(this.#lines)
  }

  readonly #restore = (): void => {
    try {
      writeSync(this.#output.fd ?? 1, wrap + showCursor)
    } catch {
      // The terminal is gone.
    }
  }

  #back (): string {
    return `${this.#height === 0 ? '' : `\u001b[${this.#height}A`}\r${clearBelow}`
  }

  #text (lines: readonly Line[], width: number): string {
    return paint(lines, { colours: this.#colours, width }).map((text) => `${text}\n`).join('')
  }
}
