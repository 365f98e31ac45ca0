// Shows the update in a terminal, redrawn in place, without any package for it.
import { frame } from './frame.js'

const hideCursor = '\x1b[?25l'
const showCursor = '\x1b[?25h'
const wrapOff = '\x1b[?7l' // a frame drawn in the moment the window shrinks would otherwise leave its rest behind
const wrapOn = '\x1b[?7h'
const clearRight = '\x1b[K'
const clearBelow = '\x1b[J'

/** An observer of updates that draws them. `restore` gives the terminal back, and may be called at any time. */
export function createScreen (output) {
  let timer
  let drawn = 0
  const draw = (update) => {
    const lines = frame(update, { columns: output.columns, colour: process.env.NO_COLOR === undefined, now: Date.now() })
    const back = drawn > 0 ? `\x1b[${drawn}A\r` : ''
    // Written over line by line: a screen that is emptied first flickers.
    output.write(`${back}${lines.map((line) => `${line}${clearRight}\n`).join('')}${clearBelow}`)
    drawn = lines.length
  }
  const restore = () => {
    clearInterval(timer)
    output.write(wrapOn + showCursor)
  }
  return {
    begin (update) {
      drawn = 0
      output.write(hideCursor + wrapOff)
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
