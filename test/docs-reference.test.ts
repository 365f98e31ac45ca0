import { readFile } from 'node:fs/promises'
import t from 'tap'
import { referencePages, tables } from './support/reference.ts'

const read = (name: string): Promise<string> => readFile(new URL(`../${name}`, import.meta.url), 'utf8')

t.test('the tables of the reference are those of the code: npm run reference', async (t) => {
  for (const [page, text] of await referencePages()) {
    t.ok(text === await read(page), `${page} is as npm run reference writes it`)
  }
})

t.test('every row says what it means', async (t) => {
  const mayBeEmpty = new Set(['variables'])
  for (const [name, { page, head, own }] of Object.entries(tables)) {
    const [, table = ''] = new RegExp(`<!-- ${name}: npm run reference -->\n\n((?:\\|.*\n)+)`).exec(await read(page)) ?? []
    const rows = table.trim().split('\n').slice(2).map((line) => line.split(/(?<!\\)\|/).slice(1, -1))
    t.ok(rows.length > 0, `${name} has rows`)
    for (const row of rows) {
      t.equal(row.length, head.length, `${name}: ${row[0]}`)
      if (own.length === 0 || mayBeEmpty.has(name)) continue
      t.ok(row.slice(-own.length).every((cell) => cell.trim() !== ''), `${name}: ${row[0]} is explained`)
    }
  }
})
