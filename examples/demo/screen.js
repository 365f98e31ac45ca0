// Shows the update in a terminal, redrawn in place, without any package for it.
import { frame } from './frame.js'

const hideCursor = '\x1b[?25l'
const showCursor = '\x1b[?25h'
const wrapOff = '\x1b[?7l' // a frame drawn in the moment the window shrinks would otherwise leave its rest behind
const wrapOn = '\x1b[?7h'
const clearRight = '\x1b[K'
const clearBelow = '\x1b[J'
const clearAll = '\x1b[2J\x1b[H'

/** An observer of updates that draws them. `restore` gives the terminal back, and may be called at any time. */
export function createScreen (output) {
  let timer
  let drawn = 0
  let shown
  const draw = (update) => {
    shown = update
    // A terminal that does not know its size says 0.
    const { columns, rows } = { columns: output.columns || 80, rows: output.rows || 24 }
    const lines = frame(update, { columns, colour: process.env.NO_COLOR === undefined, now: Date.now() })
      .slice(0, Math.max(1, rows - 1))
    const back = drawn > 0 ? `\x1b[${drawn}A\r` : ''
    // Written over line by line: a screen that is emptied first flickers.
    output.write(`${back}${lines.map((line) => `${line}${clearRight}\n`).join('')}${clearBelow}`)
    drawn = lines.length
  }
  // The terminal has broken the old lines anew, and how is its own business.
  const resized = () => {
    output.write(clearAll)
    drawn = 0
    draw(shown)
  }
  const restore = () => {
    clearInterval(timer)
    output.off('resize', resized)
    output.write(wrapOn + showCursor)
  }
  return {
    begin (update) {
      drawn = 0
      shown = update
      output.write(hideCursor + wrapOff)
      output.on('resize', resized)
      timer = setInterval(draw, 100, update)
    },
    event () {},
    end (update) {
      draw(update)
      restore()
    },
    restore
  }
}

/** @returns {boolean} whether the output is a terminal that is large enough */
export function canDraw (output) {
  return output.isTTY === true && output.columns >= 60 && output.rows >= 14 && process.env.TERM !== 'dumb'
}
