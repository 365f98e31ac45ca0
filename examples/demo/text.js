// Text as a terminal shows it: escape codes take no room, ideographs and most emoji take two cells.

// oxlint-disable-next-line no-control-regex -- that is what is meant
const escape = /\x1b\[[\d;?]*[a-zA-Z]/y
const zero = /[\p{Mn}\p{Me}\p{Cf}\p{Cc}]/u
const double =
  /[\u1100-\u115F\u2329\u232A\u2E80-\u303E\u3041-\uA4CF\uA960-\uA97C\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{17000}-\u{18CFF}\u{1B000}-\u{1B2FF}\u{20000}-\u{3FFFD}]|\p{Emoji_Presentation}/u

/** @returns {number} how many cells of a terminal the text takes */
export function width (text) {
  return parts(text).reduce((sum, { cells }) => sum + cells, 0)
}

/** @returns {string} the text with spaces behind it up to this many cells */
export function pad (text, cells) {
  return text + blank(cells - width(text))
}

/** @returns {string} the beginning of the text that fits into this many cells, with the colours put back at its end */
export function clip (text, cells) {
  let left = Number.isFinite(cells) ? cells : 0
  let shown = ''
  let painted = false
  for (const part of parts(text)) {
    left -= part.cells
    if (left < 0) return painted ? `${shown}\x1b[0m` : shown
    shown += part.text
    painted ||= part.text.startsWith('\x1b')
  }
  return shown
}

/** @returns {string} this many spaces, none where the number is no number of cells */
export function blank (cells) {
  return ' '.repeat(Number.isFinite(cells) ? Math.max(0, Math.floor(cells)) : 0)
}

function parts (text) {
  const found = []
  for (let at = 0; at < text.length; at += found.at(-1).text.length) {
    escape.lastIndex = at
    const code = escape.exec(text)?.[0]
    const part = code ?? String.fromCodePoint(text.codePointAt(at))
    found.push({ text: part, cells: code !== undefined || zero.test(part) ? 0 : double.test(part) ? 2 : 1 })
  }
  return found
}
