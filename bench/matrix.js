// What happens when a process ends, for every peer and every way: `npm run matrix`. Each cell is a process of its own.
//   node bench/matrix.js [--only name,name] [--ways 1,4] [--at-once 3]
//   --print   writes the cells to standard output, as JSON, and nowhere else
//   --check   measures nothing: says whether the page is that of what was measured
// What was measured is kept in matrix/cells.json, and docs/others.md is written from that.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { play } from './matrix/cell.js'
import { withTables } from './matrix/page.js'
import { ways } from './matrix/ways.js'
import { contenders, titleOf } from './launch.js'
import { here, installPeers, machine } from './support.js'

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(contenders).join(',') },
    ways: { type: 'string', default: ways.map((_way, index) => index + 1).join(',') },
    'at-once': { type: 'string', default: '3' },
    print: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false }
  }
})

const names = options.only.split(',')
const numbers = options.ways.split(',').map(Number)
const unknown = [
  ...names.filter(name => !(name in contenders)), ...numbers.filter(number => ways[number - 1] === undefined)
]
if (unknown.length > 0) {
  console.error(`no peer or way: ${unknown.join(', ')}; peers are ${Object.keys(contenders).join(', ')}`)
  process.exit(64)
}

const file = here('matrix/cells.json')
const page = here('../docs/others.md')
const read = () => JSON.parse(readFileSync(file, 'utf8'))

if (options.check) {
  const kept = read()
  const absent = names.filter(name => numbers.some(number => kept[name]?.cells[number] === undefined))
  if (absent.length > 0) console.error(`not measured: ${absent.join(', ')}`)
  const text = readFileSync(page, 'utf8')
  const isFresh = withTables(text, kept) === text
  if (!isFresh) console.error('docs/others.md: the tables are not those of bench/matrix: npm run matrix')
  process.exit(isFresh && absent.length === 0 ? 0 : 1)
}

if (names.some(name => contenders[name].package)) installPeers()
// Whoever breaks the run off leaves no service behind.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
const measured = {}
const queue = names.flatMap(name => numbers.map(number => ({ name, number })))

async function work () {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { name, number } = next
    const cell = await play(name, ways[number - 1]).catch(error => { console.error(`${name}, way ${number}:`, error) })
    if (cell === undefined) {
      process.exitCode = 1
      continue
    }
    console.error(`${name}: ${ways[number - 1].title}: ${cell.good ? 'good' : 'not good'}: ${cell.text}`)
    measured[name] ??= {}
    measured[name][number] = cell
  }
}
await Promise.all(Array.from({ length: Number(options['at-once']) }, work))

if (options.print) {
  console.log(JSON.stringify(measured))
} else {
  const kept = read()
  const date = new Date().toISOString().slice(0, 10)
  for (const [name, cells] of Object.entries(measured)) {
    kept[name] = { title: titleOf(name), date, machine: machine(), cells: { ...kept[name]?.cells, ...cells } }
  }
  writeFileSync(file, `${JSON.stringify(kept, undefined, 1)}\n`)
  writeFileSync(page, withTables(readFileSync(page, 'utf8'), kept))
}
