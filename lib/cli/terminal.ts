import { writeSync } from 'node:fs'
import { fit } from './cells.ts'
import type { Line, Tone } from './status/sections.ts'

/** As much of a terminal or file as is written to. */
export type Output = Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns' | 'rows' | 'on' | 'off'> & { fd?: number }

/** Whether escape codes mean something to whoever reads. */
export function isTerminal ({ isTTY }: Pick<Output, 'isTTY'>, env: NodeJS.ProcessEnv): boolean {
  return isTTY && env['TERM'] !== 'dumb'
}

/** Whether colours are wanted: not with `NO_COLOR` set to anything, see no-color.org. */
export function wantsColours (output: Output, env: NodeJS.ProcessEnv): boolean {
  return isTerminal(output, env) && (env['NO_COLOR'] ?? '') === ''
}

const codes = {
  bold: [1, 22], dim: [2, 22], gray: [90, 39], green: [32, 39], yellow: [33, 39], magenta: [35, 39], cyan: [36, 39],
  red: [31, 39]
} as const

/** A colour or weight of a terminal. */
export type Style = keyof typeof codes

/** A text in a colour or weight. */
export function painted (style: Style, text: string): string {
  const [on, off] = codes[style]
  return `\u001b[${on}m${text}\u001b[${off}m`
}

const styles: Readonly<Record<Tone, Style>> = { good: 'green', bad: 'red', strong: 'bold', dim: 'dim' }

/** Lines as text that fits into a width and a height, in the colours of their tones where these are wanted. */
export function paint (
  lines: readonly Line[],
  { colours, width = Infinity, height = Infinity }: { colours: boolean, width?: number, height?: number }
): string[] {
  const isCut = lines.length > height
  const whole = isCut ? lines.slice(0, Math.max(0, height - 1)) : lines
  const rest: Line[] = isCut ? [{ text: `… ${lines.length - whole.length} more lines`, tone: 'dim' }] : []
  return [...whole, ...rest].map(({ text, tone }) => {
    const shown = fit(text, width)
    return colours && tone !== undefined ? painted(styles[tone], shown) : shown
  })
}

const hideCursor = '\u001b[?25l'
const showCursor = '\u001b[?25h'
/**
 * The terminal cuts lines that are wider than assumed (ideographs) or than it has become meanwhile, so that the count
 * of lines stays right.
 */
const wrapOff = '\u001b[?7l'
const wrapOn = '\u001b[?7h'
const clearRight = '\u001b[K'
const clearBelow = '\u001b[J'
const clearAll = '\u001b[2J\u001b[H'

/** Signals that end a process without its `exit` event, where nobody listens for them. */
const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** What a terminal shows at once. */
export interface Size { columns: number, rows: number }

/** The lines of a frame for a terminal of this size: no wider, and fewer than its rows. */
export type Frame = (size: Size) => readonly string[]

/**
 * Draws frames over each other at the end of a terminal's text, and anew when its size changes. Whatever ends the
 * process meanwhile, the terminal gets its cursor back.
 */
export class Terminal {
  /** Whether frames may have colours. */
  readonly colours: boolean
  readonly #output: Output
  #frame: Frame | undefined
  #height = 0

  constructor (output: Output, env: NodeJS.ProcessEnv) {
    this.#output = output
    this.colours = wantsColours(output, env)
  }

  /** Shows a frame in the place of the one before. */
  draw (frame: Frame): void {
    if (this.#frame === undefined) this.#open()
    this.#frame = frame
    // A terminal that does not know its size says 0.
    const [columns, rows] = [this.#output.columns || 80, this.#output.rows || 24]
    // The line below the last one has the cursor.
    const lines = frame({ columns, rows }).slice(0, Math.max(1, rows - 1))
    // Written over line by line: a screen that is emptied first flickers.
    this.#output.write(`${this.#back()}${lines.map((line) => `${line}${clearRight}\n`).join('')}${clearBelow}`)
    this.#height = lines.length
  }

  /**
   * Gives the terminal back, and may be called at any time. What is drawn afterwards stands below.
   * @param lines stay in the place of the last frame, as wide and as many as they are
   */
  close (lines?: readonly string[]): void {
    if (this.#frame === undefined) return
    const last = lines === undefined ? '' : `${this.#back()}${clearBelow}`
    const text = (lines ?? []).map((line) => `${line}\n`).join('')
    this.#output.write(`${last}${wrapOn}${text}${showCursor}`)
    this.#frame = undefined
    this.#height = 0
    this.#output.off('resize', this.#resized)
    process.off('exit', this.#restore)
    for (const signal of endings) process.off(signal, this.#signalled)
  }

  #open (): void {
    this.#output.write(hideCursor + wrapOff)
    this.#output.on('resize', this.#resized)
    process.on('exit', this.#restore)
    // Before listeners that hear once: they count as long as they have not heard.
    for (const signal of endings) process.prependListener(signal, this.#signalled)
  }

  /** The terminal has broken the old lines anew, and how is its own business. */
  readonly #resized = (): void => {
    if (this.#frame === undefined) return
    this.#output.write(clearAll)
    this.#height = 0
    this.draw(this.#frame)
  }

  /** Where somebody else listens, the signal is theirs. */
  readonly #signalled = (signal: NodeJS.Signals): void => {
    if (process.listenerCount(signal) > 1) return
    this.#restore()
    process.off(signal, this.#signalled)
    process.kill(process.pid, signal)
  }

  readonly #restore = (): void => {
    try {
      writeSync(this.#output.fd ?? 1, wrapOn + showCursor)
    } catch {
      // The terminal is gone.
    }
  }

  #back (): string {
    return this.#height === 0 ? '\r' : `\u001b[${this.#height}A\r`
  }
}
