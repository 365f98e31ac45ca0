import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { compare, floorOf, measurementOf, raised, readJson, testFiles, written } from './coverage.ts'
import type { Measurement } from './coverage.ts'

const lib = '/clone/lib'
const sources = {
  'lifecycle/phase.ts': 'export const one = 1\n',
  'lifecycle/budget.ts': 'export const two = 2\n',
  'lifecycle/types.ts': '// Types.\nimport type { one } from \'./phase.ts\'\nexport type Two = typeof one\n'
}

/** Of a thousand each. */
const figures = (lines: number, branches = lines, functions = lines): Measurement[string] => ({
  lines: { total: 1000, covered: lines },
  branches: { total: 1000, covered: branches },
  functions: { total: 1000, covered: functions }
})
const summary = (phase: Measurement[string], budget: Measurement[string]): Measurement => ({
  total: figures(0), '/clone/test/x.ts': figures(0), [`${lib}/lifecycle/phase.ts`]: phase, [`${lib}/lifecycle/budget.ts`]: budget
})
const floor = floorOf(measurementOf(summary(figures(900), figures(800)), lib, sources))
const sums = 'lines: 85 %, the floor is 85 %'

t.same(floor, {
  node: process.versions.node.split('.')[0],
  sums: { lines: 85, branches: 85, functions: 85 },
  files: { 'lifecycle/budget.ts': [200, 200, 200], 'lifecycle/phase.ts': [100, 100, 100] }
}, 'sums of the files of lib; what has only types is left out')

const cases: [string, Measurement[string], Measurement[string], boolean, string | undefined][] = [
  ['equal', figures(900), figures(800), false, undefined],
  ['within the tolerance', figures(898), figures(800), false, undefined],
  ['below', figures(900), figures(797), true, '  lib/lifecycle/budget.ts: 3'],
  ['branches within theirs', figures(900, 894), figures(800), false, undefined],
  ['branches below', figures(900, 893), figures(800), true, '  lib/lifecycle/phase.ts: 7'],
  ['functions below, lines above', figures(950, 900, 890), figures(800), true, '  lib/lifecycle/phase.ts: 10'],
  ['a little above', figures(906), figures(800), false, undefined],
  ['above', figures(907), figures(800), false, 'the floor can rise: npm run coverage -- --raise']
]
for (const [name, phase, budget, isBelow, last] of cases) {
  t.test(name, async (t) => {
    const compared = compare(floorOf(measurementOf(summary(phase, budget), lib, sources)), floor)
    t.equal(compared.isBelow, isBelow)
    t.equal(compared.lines.length > 3 ? compared.lines.at(-1) : undefined, last)
    if (name === 'equal') t.equal(compared.lines[0], sums)
  })
}

t.test('on another Node nothing is compared', async (t) => {
  const compared = compare({ ...floorOf({}), node: '18' }, floor)
  t.same(compared, { isBelow: false, lines: [`not compared: the floor was measured on Node ${floor.node}`] })
})

t.test('a new file', async (t) => {
  const text = Array.from({ length: 500 }, (_, index) => `export const c${index} = 3\n`).join('')
  const measured = (name: string) => compare(floorOf(
    measurementOf(summary(figures(900), figures(800)), lib, { ...sources, [name]: text }, floor)
  ), floor)
  const { isBelow, lines } = measured('traffic/new.ts')
  t.ok(isBelow)
  t.ok(lines.includes('  lib/traffic/new.ts: 500, a new file'), lines.join('\n'))
  t.notOk(measured('supervisor/child/new.ts').isBelow, 'what runs only in other processes does not count')
})

t.test('a file that is not loaded any more', async (t) => {
  const known = { 'supervisor/settings.ts': 'export const three = 3\n', ...sources }
  const before = floorOf(measurementOf(
    { ...summary(figures(900), figures(800)), [`${lib}/supervisor/settings.ts`]: figures(10) }, lib, known
  ))
  const now = measurementOf(summary(figures(900), figures(800)), lib, known, before)
  t.same(now['supervisor/settings.ts']?.lines, { total: 1, covered: 0 }, 'counts wherever it is')
})

t.test('the floor only rises', async (t) => {
  const now = floorOf(measurementOf(summary(figures(950, 899, 900), figures(800)), lib, sources))
  t.same(raised(now, floor).sums, { lines: 87.5, branches: 85, functions: 85 })
  t.same(raised(now, undefined), now)
})

t.test('files', async (t) => {
  const file = join(t.testdir(), 'floor.json')
  t.equal(readJson(file), undefined, 'a missing one')
  writeFileSync(file, written(floor))
  t.same(readJson(file), floor)
  writeFileSync(file, '{')
  t.throws(() => readJson(file), SyntaxError)
  t.same(testFiles().filter((name) => !existsSync(name)), [], 'each test that is to be measured is there')
})
