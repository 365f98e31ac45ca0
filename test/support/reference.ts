// Writes the tables of the reference from the code. What the code says is a column of it; what only people can say, the
// meaning, stays as it stands on the page, by the first cell of its row.
//   npm run reference
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import type { Command } from '../../lib/cli/usage.ts'
import { flagOf, variableOf } from '../../lib/cli/run/config.ts'
import { drillCommand } from '../../lib/cli/drill/command.ts'
import { probe } from '../../lib/cli/probe/command.ts'
import { report } from '../../lib/cli/report/command.ts'
import { run } from '../../lib/cli/run/command.ts'
import { status } from '../../lib/cli/status/command.ts'
import { variables } from '../../lib/environment.ts'
import { errors } from '../../lib/errors.ts'
import graceful from '../../lib/index.ts'
import { eventNames } from '../../lib/metrics/events.ts'
import { metricPrefix, metricTable } from '../../lib/metrics/table.ts'
import { optionTable } from '../../lib/option-table.ts'
import { supervisorOptions } from '../../lib/supervisor/options.ts'

/** A table: what the code says of each row, the key first, and the columns that are written on the page. */
interface Table { page: string, head: string[], own: string[], rows: (page: string) => string[][] | Promise<string[][]> }

const root = new URL('../../', import.meta.url)
const read = (name: string): string => readFileSync(new URL(name, root), 'utf8')
const code = (text: string): string => `\`${text}\``
/** What is expected, with its values as code. */
const shown = (expected: string): string => expected.replaceAll(/"([^"]*)"|'([^']*)'/g, "`'$1$2'`")

/** The cells of a row of a Markdown table; `\|` is no border. */
const cells = (line: string): string[] =>
  line.trim().replace(/^\||\|$/g, '').split(/(?<!\\)\|/).map((cell) => cell.trim())
const line = (row: readonly string[]): string => `| ${row.map((cell) => cell === '' ? '' : `${cell} `).join('| ')}|`

/** Where a table begins and ends on its page: below its mark, as far as its lines go. */
function placeOf (text: string, name: string): { start: number, end: number, lines: string[][] } {
  const mark = `<!-- ${name}: npm run reference -->\n\n`
  const at = text.indexOf(mark)
  if (at === -1) throw new Error(`no page of the reference has the mark '${mark.trim()}'`)
  const start = at + mark.length
  const length = /^(?:\|.*\n)*/.exec(text.slice(start))?.[0].length ?? 0
  const lines = text.slice(start, start + length).trim().split('\n').slice(2).map(cells)
  return { start, end: start + length, lines }
}

/** What takes each value, the values in the order in which they come first. */
function takes (): string[][] {
  const names = new Map<string, string[]>()
  for (const { name, rule: { expected } } of optionTable) names.set(expected, [...names.get(expected) ?? [], name])
  return [...names].map(([expected, options]) => [options.map(code).join(', '), shown(expected)])
}

/** The names of log events that stand in the sources, those that the page has already in its order. */
function logEvents (page: string): string[][] {
  const files = readdirSync(new URL('lib/', root), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/^(?:cli|drill|page)\//.test(name.replaceAll('\\', '/')))
  const found = new Set(files.flatMap((name) =>
    [...read(`lib/${name}`).matchAll(/'(graceful\.[a-z\d]+)'/g)].map(([, event = '']) => code(event))))
  const known = placeOf(page, 'log events').lines.map(([event = '']) => event).filter((event) => found.has(event))
  return [...new Set([...known, ...[...found].toSorted()])].map((event) => [event])
}

/** The fields of an interface, those of the one it extends first. */
function fieldsOf (sources: string, name: string): string[] {
  const [, bases = '', body = ''] =
    new RegExp(`interface ${name}(?: extends ([\\w, ]+))? \\{([^}]*)\\}`).exec(sources) ?? []
  return [...bases.split(', ').filter(Boolean).flatMap((base) => fieldsOf(sources, base)),
    ...[...body.matchAll(/^ *(?:readonly )?(\w+)\??:/gm)].map(([, field = '']) => field)]
}

function channels (): string[][] {
  const sources = read('lib/metrics/events.ts') + read('lib/lifecycle/report.ts')
  return eventNames.map((channel) => {
    const [, type = ''] = new RegExp(`'${channel}': (\\w+)`).exec(sources) ?? []
    const fields = fieldsOf(sources, type).filter((field) => field !== 'application')
    return [code(channel), (fields.length > 0 ? fields : ['report']).map(code).join(', ')]
  })
}

const external = '/external'

/** Every route that the plugin registers where all of them are switched on. */
async function routes (): Promise<string[][]> {
  const methods = new Map<string, string[]>()
  const app = Fastify()
  app.addHook('onRoute', ({ method, url }) => {
    methods.set(url, [...new Set([...methods.get(url) ?? [], ...[method].flat()])])
  })
  await app.register(graceful, {
    exit: false, signals: {}, watchdog: false, metrics: true,
    probes: { external: { path: external } }, admin: { token: 'a-token-of-16-or-more' }
  })
  await app.ready()
  await app.close()
  return [...methods]
    .map(([url, given]) => [code(url === external ? 'probes.external.path' : url), given.join(', ')])
}

const commands: Readonly<Record<string, Command>> = { run, status, probe, drill: drillCommand, report }

/** What the help of each command says about its exit code. */
const exitCodes = (): string[][] => Object.entries(commands).map(([name, command]) => {
  const [, said = ''] = /^Exit code(?:, |: )([\s\S]*?)(?:\n\n|$(?![\s\S]))/m.exec(command.help()) ?? []
  return [code(`fastify-graceful ${name}`), said.trim().replaceAll(/\s+/g, ' ')]
})

function errorRows (): string[][] {
  return Object.entries(errors).map(([name, Class]) => {
    const { message, statusCode } = new (Class as new () => Error & { statusCode: number })()
    return [code(name), `${statusCode}`, code(message.replaceAll('%s', '…'))]
  })
}

/** Every table that is written, by its mark. */
export const tables: Readonly<Record<string, Table>> = {
  options: {
    page: 'docs/reference/options.md', head: ['option', 'default', 'meaning'], own: ['meaning'],
    rows: () => optionTable.map(({ name, default: words }) => [code(name), words])
  },
  'what options take': { page: 'docs/reference/options.md', head: ['option', 'takes'], own: [], rows: takes },
  variables: {
    page: 'docs/reference/environment.md', head: ['variable', 'default of', 'takes', 'note'], own: ['note'],
    rows: () => variables.map(({ name, option, expected }) => [code(name), code(option), shown(expected)])
  },
  metrics: {
    page: 'docs/reference/metrics.md', head: ['metric', 'type', 'unit', 'labels', 'meaning'], own: ['meaning'],
    rows: () => metricTable.map(({ name, type, labels }) =>
      [code(metricPrefix + name), type, name.includes('seconds') ? 'seconds' : '', labels.map(code).join(', ')])
  },
  errors: {
    page: 'docs/reference/errors.md', head: ['code', 'status', 'message', 'when', 'what to do'],
    own: ['when', 'what to do'], rows: errorRows
  },
  'log events': {
    page: 'docs/reference/events.md', head: ['event', 'level', 'fields'], own: ['level', 'fields'], rows: logEvents
  },
  channels: {
    page: 'docs/reference/events.md', head: ['channel', 'fields', 'when'], own: ['when'], rows: channels
  },
  routes: {
    page: 'docs/reference/routes.md', head: ['route', 'methods', 'response'], own: ['response'], rows: routes
  },
  'exit codes of the command': {
    page: 'docs/reference/exit-codes.md', head: ['command', 'exit code'], own: [], rows: exitCodes
  },
  'supervisor options': {
    page: 'docs/guides/supervisor.md', head: ['option', 'flag', 'variable', 'default', 'meaning'], own: ['meaning'],
    rows: () => supervisorOptions.map((option) =>
      [code(option.name), code(`--${flagOf(option)}`), code(variableOf(option)), option.default])
  }
}

/** The page with this table as the code has it. */
async function withTable (text: string, name: string, { head, own, rows }: Table): Promise<string> {
  const { start, end, lines } = placeOf(text, name)
  const said = new Map(lines.map(([key = '', ...rest]) => [key, rest.slice(-own.length)]))
  const body = (await rows(text)).map((row) =>
    line([...row, ...own.length === 0 ? [] : said.get(row[0] ?? '') ?? own.map(() => '')]))
  return text.slice(0, start) + [line(head), `|${'---|'.repeat(head.length)}`, ...body, ''].join('\n') + text.slice(end)
}

/** The README's rows are those of the options' page, with links from where the README is. */
function readmePage (options: string): string {
  const text = read('README.md')
  const all = new Map(placeOf(options, 'options').lines.map((row) => [row[0], row]))
  const { start, end, lines } = placeOf(text, 'options')
  const body = lines.map(([key = '']) => line(all.get(key) ?? [key])
    .replaceAll('](../', '](docs/').replaceAll(/\]\((?=[a-z-]+\.md)/g, '](docs/reference/'))
  return [text.slice(0, start) + line(['option', 'default', 'meaning']), '|---|---|---|', ...body, ''].join('\n')
    + text.slice(end)
}

/** Every page with tables, as the code has them. */
export async function referencePages (): Promise<Map<string, string>> {
  const pages = new Map<string, string>()
  for (const [name, table] of Object.entries(tables)) {
    pages.set(table.page, await withTable(pages.get(table.page) ?? read(table.page), name, table))
  }
  pages.set('README.md', readmePage(pages.get('docs/reference/options.md') ?? ''))
  return pages
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [page, text] of await referencePages()) writeFileSync(new URL(page, root), text)
}
