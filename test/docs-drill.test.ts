import { readFile } from 'node:fs/promises'
import t from 'tap'
import { optionGroups } from '../lib/cli/drill/settings.ts'
import { faults } from '../lib/drill/faults.ts'
import { frontPresets } from '../lib/drill/fronts.ts'
import { drillPage, sources } from './support/drill-page.ts'

t.test('the tables of options and fronts are those of the code: npm run drill:docs', async (t) => {
  const page = await readFile(new URL('../docs/guides/drill.md', import.meta.url), 'utf8')
  t.ok(page === drillPage(), 'docs/guides/drill.md is as npm run drill:docs writes it')
  for (const { flag } of optionGroups.flatMap(([, options]) => options)) t.match(page, `| \`--${flag}`)
})

t.test('each front has a source', (t) => {
  t.same(Object.keys(sources), Object.keys(frontPresets))
  t.end()
})

t.test('each fault is described as it is', async (t) => {
  const page = await readFile(new URL('../docs/guides/drill.md', import.meta.url), 'utf8')
  for (const [name, { title }] of Object.entries(faults)) {
    t.ok(page.includes(`| \`${name}\` | ${title.replaceAll('--dependency', '`--dependency`')} |`), name)
  }
})
