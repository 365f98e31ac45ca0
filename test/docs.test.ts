import { readFile } from 'node:fs/promises'
import t from 'tap'
import { errors } from '../lib/errors.ts'
import { cutBudget } from '../lib/lifecycle/budget.ts'
import { variables } from '../lib/environment.ts'
import { optionTable } from '../lib/option-table.ts'
import { kubernetesFloors } from './support/floors.ts'

const read = (name: string): Promise<string> => readFile(new URL(`../${name}`, import.meta.url), 'utf8')

/** The cells of a row of a Markdown table; `\|` is no border. */
const cells = (line: string): string[] =>
  line.trim().replace(/^\||\|$/g, '').split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'))

/** The rows of the table under these column heads. */
function tableOf (text: string, head: readonly string[]): string[][] {
  const lines = text.split('\n')
  const start = lines.findIndex(
    (line) => line.trimStart().startsWith('|') && cells(line).map((cell) => cell.toLowerCase()).join() === head.join()
  )
  if (start === -1) return []
  const end = lines.findIndex((line, index) => index > start && !line.trimStart().startsWith('|'))
  return lines.slice(start + 2, end === -1 ? undefined : end).map(cells)
}

t.test("the reference's options are those of the code, with their defaults", async (t) => {
  const rows = tableOf(await read('docs/reference/options.md'), ['option', 'default', 'meaning'])
  t.same(
    Object.fromEntries(rows.map(([name = '', text]) => [name.replaceAll('`', ''), text])),
    Object.fromEntries(optionTable.map((row) => [row.name, row.default]))
  )
  t.same(rows.map(([name]) => name), optionTable.map(({ name }) => `\`${name}\``), 'in the same order, each once')
  for (const [name, , meaning = ''] of rows) t.ok(meaning.length > 0, `${name} has a meaning`)
})

t.test("the README's options are some of the reference's, as they stand there, and it is short", async (t) => {
  const text = await read('README.md')
  const all = tableOf(await read('docs/reference/options.md'), ['option', 'default', 'meaning'])
  const known = new Map(all.map(([name = '', ...row]) => [name, row.join('|')]))
  const rows = tableOf(text, ['option', 'default', 'meaning'])
  t.ok(rows.length >= 8 && rows.length <= 15)
  for (const [name = '', ...row] of rows) {
    t.equal(row.join('|').replaceAll('](docs/reference/', '](').replaceAll('](docs/', '](../'), known.get(name), name)
  }
  t.ok(text.split('\n').length <= 150)
})

t.test('the reference lists every error code, and no other', async (t) => {
  const listed = new Set((await read('docs/reference/errors.md')).match(/FST_GRACEFUL_[A-Z_]+/g))
  t.same([...listed].toSorted(), Object.keys(errors).toSorted())
})

t.test('the reference lists every variable with the option it is for, and no other', async (t) => {
  const rows = tableOf(await read('docs/reference/environment.md'), ['variable', 'default of', ''])
  t.same(
    Object.fromEntries(rows.map(([name = '', option = '']) => [name.replaceAll('`', ''), option.replaceAll('`', '')])),
    Object.fromEntries(variables.map(({ name, option }) => [name, option]))
  )
})

t.test('the time line of a pod is that of the budget', async (t) => {
  const head = [
    'grace period', 'prestop sleep', 'sigterm', 'earliest end of phase 1', 'with little traffic', 'latest', 'cut',
    'ended'
  ]
  const rows = tableOf(await read('docs/guides/kubernetes.md'), head)
  t.ok(rows.length > 0)
  for (const row of rows) {
    const [gracePeriod = 0, preStop = 0] = row.map((cell) => Number(cell) * 1000)
    const { announce: { min, blind, max }, reserve, close } = cutBudget({ gracePeriod, preStop }, kubernetesFloors)
    const ended = gracePeriod - reserve
    const times = [
      gracePeriod, preStop, preStop, preStop + min, preStop + Math.max(min, blind), preStop + max, ended - close, ended
    ]
    t.same(
      row.map(Number),
      times.map((time) => Math.round(time / 100) / 10),
      `${row[0]} s of grace, preStop ${row[1]} s`
    )
  }
})
