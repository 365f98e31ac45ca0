// Writes docs/scenarios.md from the tests: what a test shows stands in a comment straight above it.
//   // Scenario (Section): what is tried, on as many lines as it takes
//   t.test('…', …)
// Another test that shows the same repeats it, whole or as far as the first words tell it from all others:
//   // Scenario, too: what is tried…
//   npm run scenarios
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { sep } from 'node:path'
import { fileURLToPath } from 'node:url'

interface Scenario { text: string, tests: Test[] }
interface Test { file: string, title: string }

const introduction = 'What is tried with a service that ends, and which test shows it. Many rows are also in the tests '
  + 'of other packages, which are named then. Files are relative to the root of the repository; a title is as it '
  + 'stands in the file, without what a test puts in. The tables are written by `npm run scenarios` from the comments '
  + '`// Scenario (section): …` above the tests; `test/docs-scenarios.test.ts` checks that they are up to date.'

/** The sections in their order, and what is said at the beginning of each. */
const sections: ReadonlyMap<string, string> = new Map([
  ['Signals and exit', ''],
  ['Requests in flight', ''],
  ['Connections', ''],
  ['HTTP/2, upgrades, streams', ''],
  ['Health', ''],
  ['Boot', ''],
  ['Several applications and other packages', ''],
  ['Logs', ''],
  ['Who is in front', ''],
  ['systemd', ''],
  ["Attacks, and failures of the plugin's own code",
    'Each attack with its bound: what a stranger who reaches a port can do at most.'],
  ['Foreign parties',
    'Each is installed from the npm registry and taken through a rolling update under the load of a strict client '
    + '(`npm run test:roofs`). What was measured stands in [frameworks](guides/frameworks.md).'],
  ['The rehearsal of an update', '']
])

const notTried = [
  'Start, stop and start again (exiting): a Fastify application is closed for good.',
  '`beforeExit` (close-with-grace): a process that ends by itself may.',
  'Death by the signal instead of an exit code (terminus): lines that a transport holds would be lost.',
  'SIGQUIT and others by default (exiting, close-with-grace): Node does what it always does. Any of '
    + 'them may be named in `signals`.',
  'No exit where others listen (exiting): the process ends all the same, and the others are named.',
  'A second error that ends the process at once (close-with-grace): the end goes on, within its '
    + 'limits, and the code is 1.',
  'Idle connections destroyed at once (http-graceful-shutdown): they are kept for `drain.idle`, since '
    + 'a request may be under way.',
  'Callbacks for a timeout, a second signal or a failed probe (close-with-grace, terminus): there are '
    + 'hooks for phases, log lines and events instead.',
  "Bodies and headers of one's own for probes (terminus): their forms are fixed. A route of the "
    + 'application may have any.',
  'Uptime in the liveness answer (graceful-server): the status says since when.',
  'A task whose error ends the process (lightship): `hold` takes no task; whoever holds decides.',
  'A promise for the first time it is ready (lightship): Fastify has `ready` and `onListen`.',
  'Hooks one after the other (graceful-server): those of a phase run at once; onClose hooks come in order.',
  'Express, Koa, SMTP and bare servers (http-terminator, exiting, ladjs): this is a plugin of Fastify.',
  "Counts of a package's own listeners on a reply (stoppable): they belong to its way of doing it."
]

const root = new URL('../../', import.meta.url)
const page = new URL('docs/scenarios.md', root)
const comments = /^ *\/\/ Scenario\b.*\n(?: *\/\/.*\n)*/gm
const scenario = /^Scenario(?: \((?<section>[^)]+)\)|, too): (?<text>.+)$/
/** A test's title; one into which something is put ends before that. */
const titled = /[^\n]*?\btest\(\s*(?:(['"])(?<quoted>(?:\\.|(?!\1).)*)\1|`(?<template>(?:\\.|[^`$\\])+))/y

/** The sources of all tests, in the order of their files' names. */
const testSources = (): Array<[string, string]> =>
  readdirSync(new URL('test/', root), { recursive: true, encoding: 'utf8' })
    .map((name) => `test/${name.split(sep).join('/')}`)
    .filter((name) => name.endsWith('.test.ts') && !name.includes('/node_modules/'))
    .toSorted()
    .map((name) => [name, readFileSync(new URL(name, root), 'utf8')])

/** The scenarios of a block of comments, each on one line. */
const scenariosOf = (block: string): string[] =>
  block.split('\n').map((line) => line.trim().replace(/^\/\/ ?/, '').trim()).filter((line) => line !== '').join(' ')
    .split(/ (?=Scenario(?: \(|, too: ))/)

/** The title of the test that begins at a place of a source. */
function titleAt (source: string, place: number): string | undefined {
  titled.lastIndex = place
  const { quoted, template } = titled.exec(source)?.groups ?? {}
  return (quoted ?? template)?.replaceAll(/\\(.)/g, '$1').trim()
}

/** The page as the tests have it, and what is wrong with their comments. */
export function scenariosPage (sources = testSources()): { text: string, problems: string[] } {
  const problems: string[] = []
  const rows = new Map([...sections.keys()].map((section): [string, Scenario[]] => [section, []]))
  const others: Array<{ beginning: string, test: Test }> = []
  for (const [file, source] of sources) {
    for (const { 0: block, index } of source.matchAll(comments)) {
      const title = titleAt(source, index + block.length)
      if (title === undefined) problems.push(`${file}: no test stands below '${block.trim()}'`)
      const test = { file, title: title ?? '' }
      for (const line of scenariosOf(block)) {
        const { section, text = '' } = scenario.exec(line)?.groups ?? {}
        if (text === '' || text.includes('|')) problems.push(`${file}: '${line}' has another form`)
        else if (section === undefined) others.push({ beginning: text, test })
        else if (rows.has(section)) rows.get(section)?.push({ text, tests: [test] })
        else problems.push(`${file}: no section is '${section}'`)
      }
    }
  }
  const all = [...rows.values()].flat()
  for (const { text } of all.filter(({ text }, index) => all.findIndex((other) => other.text === text) !== index)) {
    problems.push(`'${text}' is there twice: let one of them be 'Scenario, too'`)
  }
  for (const { beginning, test } of others) {
    const meant = all.filter(({ text }) => beginning.endsWith('…')
      ? text.startsWith(beginning.slice(0, -1))
      : text === beginning)
    if (meant.length !== 1) problems.push(`${test.file}: ${meant.length} scenarios begin with '${beginning}'`)
    meant[0]?.tests.push(test)
  }
  for (const [section, { length }] of rows) if (length === 0) problems.push(`nothing is tried in '${section}'`)
  return { text: written(rows), problems }
}

function written (rows: ReadonlyMap<string, Scenario[]>): string {
  const tables = [...rows].map(([section, scenarios]) => [
    `## ${section}\n`,
    ...[sections.get(section) ?? ''].filter((said) => said !== '').map((said) => `${said}\n`),
    '| what is tried | where |',
    '|---|---|',
    ...scenarios.map(({ text, tests }) => `| ${text} | ${where(tests)} |`),
    ''
  ].join('\n'))
  const rest = `## What is not tried, and why\n\n${notTried.map((line) => `- ${line}\n`).join('')}`
  return ['# Scenarios\n', `${introduction}\n`, ...tables, rest].join('\n')
}

/** Titles by file: that of the scenario itself first. */
const where = (tests: Test[]): string => [...new Set(tests.map(({ file }) => file))]
  .map((file) => {
    const titles = tests.filter((test) => test.file === file).map(({ title }) => `"${title}"`)
    return `\`${file}\`: ${titles.join(', ')}`
  })
  .join('; ')

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { text, problems } = scenariosPage()
  for (const problem of problems) console.error(problem)
  if (problems.length === 0) writeFileSync(page, text)
  else process.exitCode = 1
}
