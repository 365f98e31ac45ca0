import { readFile } from 'node:fs/promises'
import t from 'tap'
import { cutBudget } from '../lib/lifecycle/budget.ts'
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

t.test("the README is short, and so is its table of options", async (t) => {
  const text = await read('README.md')
  const rows = tableOf(text, ['option', 'default', 'meaning'])
  t.ok(rows.length >= 8 && rows.length <= 15)
  t.ok(text.split('\n').length <= 150)
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
