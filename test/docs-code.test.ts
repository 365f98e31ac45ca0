import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import graceful from '../lib/index.ts'

interface Block { page: string, line: number, language: string, code: string }

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (name: string): string => readFileSync(join(root, name), 'utf8')
const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs', 'charts', 'examples'].flatMap((name) =>
  name.endsWith('.md') ? [name] : readdirSync(join(root, name), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md')).map((file) => relative(root, join(root, name, file))))

/** Every fenced block of every page. */
const blocks: Block[] = pages.flatMap((page) => {
  const text = read(page)
  return [...text.matchAll(/^( *)```(\w*)\n([^]*?)^\1```$/gm)].map(({ 1: indent = '', 2: language = '', 3: code = '', index }) => ({
    page, language, line: text.slice(0, index).split('\n').length,
    code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), '')
  }))
})
const of = (...languages: string[]): Block[] => blocks.filter(({ language }) => languages.includes(language))
const nameOf = ({ page, line }: Block): string => `${page}:${line}`

t.test('every block is of a kind that is tried', (t) => {
  const elsewhere: Record<string, string> = {
    ini: 'test/platform/systemd/units.test.ts', mermaid: 'test/docs-diagrams.test.ts'
  }
  const here = new Set(['js', 'json', 'yaml', 'dockerfile', 'sh', ''])
  for (const block of blocks) {
    const { [block.language]: file } = elsewhere
    t.ok(here.has(block.language) || (file !== undefined && existsSync(join(root, file))), nameOf(block))
  }
  t.end()
})

t.test('JavaScript runs as it stands there', { timeout: 250_000 }, async (t) => {
  const recipes = read('test/recipes/recipes.test.ts')
  await Promise.all([...new Set(of('js').map(({ page }) => page))].map(async (page) => {
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'test/docs/blocks.js'), page])
    const results = stdout.split('\n').filter((line) => line.startsWith('{"page"'))
      .map((line) => JSON.parse(line) as { line: number, problem?: string })
    t.equal(results.length, of('js').filter((block) => block.page === page).length, `${page}: each block`)
    for (const { line, problem } of results) {
      t.ok(problem === undefined || problem === 'skipped: run by test/recipes', `${page}:${line}: ${problem ?? 'runs'}`)
    }
  }))
  for (const [, name = ''] of read('docs/guides/recipes.md').matchAll(/<!-- recipe: (.+) -->/g)) {
    t.ok(recipes.includes(`'${name}'`), `test/recipes runs '${name}'`)
  }
})

t.test('JSON can be read, but for what is left out', (t) => {
  for (const block of of('json')) {
    const whole = block.code.replaceAll(/…, |, …|…/g, '')
    t.doesNotThrow(() => { JSON.parse(whole) }, nameOf(block))
  }
  t.end()
})

t.test('YAML can be read, each key once', (t) => {
  // test/chart renders what is a template of Helm.
  for (const block of of('yaml').filter(({ code }) => !code.includes('{{'))) {
    for (const document of parseAllDocuments(block.code)) {
      if ('errors' in document) t.same([...document.errors, ...document.warnings], [], nameOf(block))
    }
  }
  t.end()
})

t.test('a Dockerfile has instructions alone', (t) => {
  for (const block of of('dockerfile')) {
    for (const line of block.code.replaceAll('\\\n', ' ').trim().split('\n')) {
      t.match(line, /^(?:#|$|(?:FROM|WORKDIR|COPY|RUN|ENV|USER|EXPOSE|CMD|ENTRYPOINT|HEALTHCHECK|STOPSIGNAL) )/, nameOf(block))
    }
  }
  t.end()
})

t.test('what is installed in a shell is a dependency that is tried', (t) => {
  const { dependencies, devDependencies, peerDependencies } = JSON.parse(read('package.json')) as Record<string, object>
  const known = new Set(['fastify-graceful',
    ...[dependencies, devDependencies, peerDependencies, JSON.parse(read('test/recipes/package.json')).dependencies]
      .flatMap((group) => Object.keys(group ?? {}))])
  for (const block of of('sh')) {
    for (const [, names = ''] of block.code.matchAll(/^npm (?:install|i) (.+)$/gm)) {
      for (const name of names.split(' ').filter((word) => !word.startsWith('-'))) t.ok(known.has(name), `${nameOf(block)}: ${name}`)
    }
    execFileSync('sh', ['-n'], { input: block.code })
  }
  t.end()
})

t.test('every command of the package that a page shows is one', (t) => {
  for (const page of pages) {
    for (const [, name = ''] of read(page).matchAll(/npx fastify-graceful (\w+)/g)) {
      t.match(name, /^(?:run|status|probe|drill|report)$/, page)
    }
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    // In a guide it is a script of the reader's.
    if (page.startsWith('docs/guides/')) continue
    for (const [, name = ''] of read(page).matchAll(/npm run (?:--silent )?([\w:]+)/g)) {
      t.ok(Object.hasOwn(scripts, name), `${page}: npm run ${name}`)
    }
  }
  t.end()
})

t.test("what HAProxy is told in the recipes, it takes", { skip: haproxy() === undefined && 'no haproxy here' }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'recipes-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const block of of('').filter(({ page, code }) => page === 'docs/guides/recipes.md' && /httpchk|check inter/.test(code))) {
    const file = join(folder, `${block.line}.cfg`)
    const front = 'frontend main\n  bind 127.0.0.1:1\n  default_backend app\n'
    const head = /^backend/m.test(block.code) ? '' : 'backend app\n'
    writeFileSync(file, `defaults\n  mode http\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\n${front}${head}${block.code}`)
    t.doesNotThrow(() => execFileSync(haproxy() ?? '', ['-c', '-q', '-f', file], { stdio: 'pipe' }), nameOf(block))
  }
  t.end()
})

function haproxy (): string | undefined {
  return ['/usr/sbin/haproxy', '/usr/local/sbin/haproxy'].find((file) => existsSync(file))
}

/** The commands of a session at a shell, each with what it prints. */
const sessionOf = (code: string): Array<{ command: string, printed: string }> =>
  code.split(/^\$ /m).slice(1).map((part) => {
    const [command = '', ...printed] = part.trimEnd().split('\n')
    return { command, printed: printed.join('\n').trim() }
  })

/** Numbers and points in time differ from run to run. */
const steady = (text: string): string =>
  text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME').replaceAll(/(?<=observedValue":|since":)[\d.]+/g, 'N').trim()

async function serve (state: { isDown: boolean }): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(graceful, { exit: false, watchdog: false, signals: {}, admin: { token: 'a-token-of-16-or-more' } })
  const check = (): void => { if (state.isDown) throw new Error('no connection') }
  app.graceful.addCheck('database', check, { ttl: 0 })
  app.graceful.addCheck('disk', () => true, { ttl: 0 })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app
}

t.test('the sessions on the routes are what a service says', async (t) => {
  const state = { isDown: false }
  const app = await serve(state)
  t.teardown(() => app.close())
  const { port } = app.server.address() as AddressInfo
  let tried = 0
  for (const block of of('').filter(({ page }) => page === 'docs/reference/routes.md')) {
    for (const { command, printed } of sessionOf(block.code)) {
      state.isDown = /database failed|"status":"fail"/.test(printed)
      if (app.graceful.phase === 'running') await app.graceful.ready()
      const here = command.replaceAll('localhost:3000', `127.0.0.1:${port}`)
      const { stdout } = await promisify(execFile)('sh', ['-c', here.replace(/^curl/, 'curl -s')])
      const lines = steady(stdout.replaceAll('\r', '')).split('\n')
      // A part of it, each line of which is in the whole.
      if (printed.startsWith('{"status"')) {
        const found = JSON.parse(stdout) as { status: string, checks: Record<string, unknown[]> }
        const shown = JSON.parse(printed) as typeof found
        t.equal(found.status, shown.status)
        for (const [name, value] of Object.entries(shown.checks)) {
          t.equal(steady(JSON.stringify(found.checks[name])), steady(JSON.stringify(value)), command)
        }
      } else if (command.includes('-i ')) for (const line of steady(printed).split('\n')) t.ok(lines.includes(line), `${command}: ${line}`)
      else t.equal(lines.join('\n'), steady(printed), command)
      tried++
    }
  }
  t.ok(tried >= 8, `${tried} commands`)
})
