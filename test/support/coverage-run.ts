// Holds what tap has just measured against the floor; with `--raise` it becomes the floor, as far as it is higher, and
// with `--files` it only says which tests to measure. See coverage.ts.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { compare, floorOf, measurementOf, raised, readJson, testFiles, written } from './coverage.ts'
import type { Floor, Measurement } from './coverage.ts'

const floorFile = 'test/support/coverage-floor.json'
const summaryFile = '.tap/report/coverage-summary.json'

function fail (...lines: string[]): never {
  console.error(lines.join('\n'))
  process.exit(1)
}

if (process.argv.includes('--files')) {
  console.log(testFiles().join('\n'))
} else {
  const isRaising = process.argv.includes('--raise')
  const lib = resolve('lib')
  const summary = readJson(summaryFile) as Measurement | undefined ?? fail(`nothing was measured: ${summaryFile} is missing`)
  const floor = readJson(floorFile) as Floor | undefined
  if (floor === undefined && !isRaising) fail(`${floorFile} is missing: npm run coverage -- --raise`)
  const names = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  const sources = Object.fromEntries(names.map((name) => [name, readFileSync(join(lib, name), 'utf8')]))
  const now = floorOf(measurementOf(summary, lib, sources, floor))
  const { isBelow, lines } = floor === undefined ? { isBelow: false, lines: [] } : compare(now, floor)
  if (isBelow) fail(...lines)
  console.log(lines.join('\n'))
  if (isRaising && floor !== undefined && floor.node !== now.node) fail(`only Node ${floor.node} raises the floor`)
  if (isRaising) writeFileSync(floorFile, written(raised(now, floor)))
}
