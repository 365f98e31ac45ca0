import { readFile } from 'node:fs/promises'
import t from 'tap'
import { scenariosPage } from './support/scenarios.ts'

/** What the page becomes of these sources, as if every section had rows. */
function written (...sources: string[]): { text: string, problems: string[] } {
  const { text, problems } = scenariosPage(sources.map((source, index) => [`test/${index}.test.ts`, source]))
  return { text, problems: problems.filter((problem) => !problem.startsWith('nothing is tried in ')) }
}

t.test('the scenarios are those that stand above the tests: npm run scenarios', async (t) => {
  const { text, problems } = scenariosPage()
  t.same(problems, [])
  const page = await readFile(new URL('../docs/scenarios.md', import.meta.url), 'utf8')
  t.ok(text === page, 'docs/scenarios.md is as npm run scenarios writes it')
})

t.test('what a comment of a scenario has to be', async (t) => {
  const one = '// Scenario (Boot): a start,\n// in full\n'

  t.match(scenariosPage([]).problems, ['nothing is tried in \'Signals and exit\''], 'a section without one')
  const { text, problems } = written(
    `  // Some words.\n${one}// Scenario (Logs): its lines\nt.test('it\\'s one', …)`,
    '// Scenario, too: a start,…\nfor (const name of names) await t.test(`two ${name}`, …)\n'
      + '// Scenario, too: its lines\nt.test(\n  "three", …)'
  )
  t.same(problems, [])
  t.match(text, '| a start, in full | `test/0.test.ts`: "it\'s one"; `test/1.test.ts`: "two" |\n')
  t.match(text, '| its lines | `test/0.test.ts`: "it\'s one"; `test/1.test.ts`: "three" |\n')

  const test = 't.test(\'title\', …)\n'
  t.match(written(`${one}\n${test}`).problems, [/^test\/0.test.ts: no test stands below '/], 'above no test')
  t.match(written(`// Scenario (Elsewhere): it\n${test}`).problems, [/no section is 'Elsewhere'/])
  t.match(written(`// Scenario Boot: it\n${test}`).problems, [/'Scenario Boot: it' has another form/])
  t.match(written(`// Scenario (Boot): it | that\n${test}`).problems, [/has another form/])
  t.match(written(`${one}${test}`, `${one}${test}`).problems, [/^'a start, in full' is there twice/])
  t.match(written(`// Scenario, too: it\n${test}`).problems, [/0 scenarios begin with 'it'/])
  const similar = `// Scenario (Logs): a start of it\n${test}`
  t.match(written(`${one}${test}${similar}// Scenario, too: a start…\n${test}`).problems,
    [/2 scenarios begin with 'a start…'/])
})
