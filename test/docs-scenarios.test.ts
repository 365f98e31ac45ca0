import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import t from 'tap'

const url = (name: string): URL => new URL(`../${name}`, import.meta.url)
const read = async (name: string): Promise<string> => readFile(url(name), 'utf8')

/** The titles of a file's tests; one into which something is put ends before that. */
const titlesOf = (source: string): string[] =>
  [...source.matchAll(/\btest\(\s*(?:(['"])((?:\\.|(?!\1).)*)\1|`([^`$]+)(\$\{)?)/g)]
    .map(([, , quoted, template]) => (quoted ?? template ?? '').replaceAll(/\\(.)/g, '$1').trim())

t.test('every test that the scenarios name is there', async (t) => {
  const rows = (await read('docs/scenarios.md')).split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| what is tried '))
  t.ok(rows.length > 0)
  for (const row of rows) {
    const [scenario = '', where = '', ...rest] = row.slice(2, -2).split(' | ')
    t.same(rest, [], `${scenario}: two columns`)
    t.match(where, /^`[^`]+`: "[^"]+"((, |; `[^`]+`: )"[^"]+")*$/, scenario)
    for (const [, file = '', quoted = ''] of where.matchAll(/`([^`]+)`: ([^`]+)/g)) {
      if (!existsSync(url(file))) {
        t.fail(`${file} exists`)
        continue
      }
      const titles = titlesOf(await read(file))
      for (const [, title = ''] of quoted.matchAll(/"([^"]+)"/g)) t.ok(titles.includes(title), `${file}: ${title}`)
    }
  }
})
