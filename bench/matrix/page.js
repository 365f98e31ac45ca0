// The tables of docs/others.md.
import { contenders } from '../launch.js'
import { head, row } from '../support.js'
import { ways } from './ways.js'

const begin = '<!-- matrix: npm run matrix -->'
const end = '<!-- end of matrix -->'
/** How many ways stand side by side. */
const width = 6

const mark = cell => cell === undefined ? '' : `${cell.good ? '✓' : '✗'} ${cell.text}`

/** The tables of what was measured: `cells.json`. */
function tables (kept) {
  const names = Object.keys(contenders).filter(name => name in kept)
  const numbers = ways.map((_way, index) => index + 1)
  const goods = name => numbers.filter(number => kept[name].cells[number]?.good === true)
  const parts = [[
    head(['', 'way', 'a good end']),
    ...ways.map(({ title, good }, index) => row([index + 1, title, good]))
  ], [
    head(['', 'good ends', ...numbers, 'measured']),
    ...names.map(name => row([
      kept[name].title,
      `${goods(name).length} of ${Object.keys(kept[name].cells).length}`,
      ...numbers.map(number => mark(kept[name].cells[number]).slice(0, 1)),
      kept[name].date
    ]))
  ]]
  for (let first = 0; first < ways.length; first += width) {
    const columns = numbers.slice(first, first + width)
    parts.push([
      head(['', ...columns.map(number => `${number}. ${ways[number - 1].title}`)]),
      ...names.map(name => row([kept[name].title, ...columns.map(number => mark(kept[name].cells[number]))]))
    ])
  }
  const machines = [...new Set(names.map(name => kept[name].machine))]
  return `${parts.map(lines => lines.join('\n')).join('\n\n')}\n\nMeasured on: ${machines.join('; ')}.`
}

/** The page with these tables in place of those that it has. */
export function withTables (page, kept) {
  const [before, rest] = page.split(begin)
  const [, after] = rest.split(end)
  return `${before}${begin}\n\n${tables(kept)}\n\n${end}${after}`
}
