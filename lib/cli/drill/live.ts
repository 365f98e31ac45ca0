import { writeSync } from 'node:fs'
import type { DrillObserver } from '../../drill/index.ts'
import { isTerminal, wantsColours } from '../status/screen.ts'
import type { Output } from '../status/screen.ts'
import { frame } from './frame.ts'
import type { Shown } from './frame.ts'

const hideCursor = '\u001b[?25l'
const showCursor = '\u001b[?25h'
/** A frame drawn in the moment the window shrinks would otherwise leave its rest behind. */
const wrapOff = '\u001b[?7l'
const wrapOn = '\u001b[?7h'
const clearRight = '\u001b[K'
const clearBelow = '\u001b[J'
const clearAll = '\u001b[2J\u001b[H'
/** Milliseconds from frame to frame. */
const drawEvery = 100
/** Less says nothing. */
const [fewestColumns, fewestRows] = [20, 6]

/** Draws rehearsals in a terminal. `restore` gives the terminal back, and may be called at any time. */
export interface Live extends DrillObserver { restore: () => void }

/** A terminal that does not know its size says 0. */
const isLarge = (size: number, fewest: number): boolean => !size || size >= fewest

/** Whether a rehearsal can be drawn there. */
export function canDraw (output: Output, env: NodeJS.ProcessEnv): boolean {
  return isTerminal(output, env) && isLarge(output.columns, fewestColumns) && isLarge(output.rows, fewestRows)
}

/** Draws each rehearsal below the one before. @param titleOf the title of the next one */
export function drawLive (output: Output, env: NodeJS.ProcessEnv, titleOf: () => string): Live {
  const colour = wantsColours(output, env)
  let timer: NodeJS.Timeout | undefined
  let drawn = 0
  let shown: Shown | undefined
  const draw = (): void => {
    if (shown === undefined) return
    const [columns, rows] = [output.columns || 80, output.rows || 24]
    const lines = frame(shown, { columns, rows, colour, now: Date.now() }).slice(0, Math.max(1, rows - 1))
    const back = drawn > 0 ? `\u001b[${drawn}A\r` : ''
    // Written over line by line: a screen that is emptied first flickers.
    output.write(`${back}${lines.map((line) => `${line}${clearRight}\n`).join('')}${clearBelow}`)
    drawn = lines.length
  }
  // The terminal has broken the old lines anew, and how is its own business.
  const resized = (): void => {
    output.write(clearAll)
    drawn = 0
    draw()
  }
  // Whatever ends the process, the cursor comes back.
  const atExit = (): void => {
    try {
      writeSync(output.fd ?? 1, wrapOn + showCursor)
    } catch {
      // The terminal is gone.
    }
  }
  const restore = (): void => {
    if (timer === undefined) return
    clearInterval(timer)
    timer = undefined
    output.off('resize', resized)
    process.off('exit', atExit)
    output.write(wrapOn + showCursor)
  }
  return {
    begin (drill) {
      drawn = 0
      shown = { title: titleOf(), drill }
      output.write(hideCursor + wrapOff)
      output.on('resize', resized)
      process.on('exit', atExit)
      timer = setInterval(draw, drawEvery)
    },
    ended () {
      draw()
      restore()
    },
    restore
  }
}
