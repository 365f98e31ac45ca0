import { existsSync, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { posix, sep } from 'node:path'
import t from 'tap'

const url = (name: string): URL => new URL(`../${name}`, import.meta.url)
const read = async (name: string): Promise<string> => readFile(url(name), 'utf8')
const sources = readdirSync(url('lib'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.replaceAll(sep, '/'))

/** Where each program starts. The supervisor that `run` starts is no part of the command. */
const starts: Readonly<Record<string, string[]>> = {
  main: ['index.ts', 'process/early.ts'],
  thread: ['watchdog/thread/index.ts'],
  supervisor: ['supervisor/index.ts'],
  child: ['supervisor/child/index.ts'],
  command: ['cli/index.ts'],
  drill: ['drill/index.ts'],
  browser: ['page/browser/start.ts']
}
const imports =
  /^(?:import|export)(?! type) [^;'"]*?from '(?<named>\.[^']*)'|^import '(?<bare>\.[^']*)'|import\('(?<late>\.[^']*)'\)/gm

/** The part of the page below a heading of the second level. */
function sectionOf (text: string, title: string): string {
  const start = text.indexOf(`\n## ${title}\n`)
  const end = text.indexOf('\n## ', start + 1)
  return start === -1 ? '' : text.slice(start, end === -1 ? undefined : end)
}

/** The files that a program loads. */
function loadedFrom (given: string[], graph: ReadonlyMap<string, string[]>, except: string | undefined): Set<string> {
  const loaded = new Set<string>()
  for (const queue = [...given]; queue.length > 0;) {
    const file = queue.pop() ?? ''
    if (loaded.has(file)) continue
    loaded.add(file)
    if (file !== except) queue.push(...graph.get(file) ?? [])
  }
  return loaded
}

/** Where each file runs, in the words of the page. */
async function placesOf (): Promise<Map<string, string>> {
  const graph = new Map(await Promise.all(sources.map(async (file): Promise<[string, string[]]> => {
    const named = [...(await read(`lib/${file}`)).matchAll(imports)]
    return [file, named.map(({ groups: { named, bare, late } = {} }) =>
      posix.join(posix.dirname(file), named ?? bare ?? late ?? ''))]
  })))
  const loaded = Object.entries(starts).map(([place, files]) =>
    ({ place, files: loadedFrom(files, graph, place === 'command' ? 'supervisor/index.ts' : undefined) }))
  return new Map(sources.map((file) => {
    const places = loaded.filter(({ files }) => files.has(file)).map(({ place }) => place)
    return [file, places.join(', ') || 'types']
  }))
}

t.test('every file of lib is in a table of the architecture once, with where it runs', async (t) => {
  const section = sectionOf(await read('docs/architecture.md'), 'The rooms')
  const rows = [...section.matchAll(/^\| `([^`]+)` \| ([^|]+) \| (.+) \|$/gm)]
  const places = await placesOf()
  t.same(rows.map(([, file = '']) => file).toSorted(), sources.toSorted(), 'each file, each once, and no other')
  for (const [, file = '', place, text = ''] of rows) {
    t.equal(place, places.get(file), `where ${file} runs`)
    t.ok(text.trim() !== '', `${file} is described`)
  }
})

t.test('who knows whom in the architecture is what the linter keeps to', async (t) => {
  const section = sectionOf(await read('docs/architecture.md'), 'Who knows whom')
  const [, rooms = ''] = /^const rooms = \{\n([^}]+)\n\}/m.exec(await read('test/support/layout.js')) ?? []
  const kept = [...rooms.matchAll(/^ +(\w+): \[(.*)\]/gm)]
    .map(([, room, known = '']) => [room, [...known.matchAll(/'(\w+)'/g)].map(([, name]) => name)])
  t.ok(kept.length > 0)
  const told = [...section.matchAll(/^\| `(\w+)` \|(.*)\|$/gm)]
    .map(([, room, known = '']) => [room, [...known.matchAll(/`(\w+)`/g)].map(([, name]) => name)])
  t.same(told, kept)
})

t.test('every file that the pages on the code name is there', async (t) => {
  for (const page of ['docs/architecture.md', 'docs/where-does-a-change-go.md']) {
    const text = await read(page)
    const named = new Set(text.match(/(?<![\w./-])[\w-]+(?:\/[\w.-]+)*\.(?:ts|tpl|ya?ml)\b/g))
    t.ok(named.size > 0, page)
    for (const name of named) t.ok(existsSync(url(name)) || existsSync(url(`lib/${name}`)), `${page}: ${name}`)
  }
})

t.test('every test that the page on changes names is there', async (t) => {
  const named = [...(await read('docs/where-does-a-change-go.md'))
    .matchAll(/`(test\/[\w/-]+\.test\.ts)` \(((?:"[^"]+"(?:, )?)+)/g)]
  t.ok(named.length > 0)
  for (const [, file = '', titles = ''] of named) {
    const source = (await read(file)).replaceAll("\\'", "'")
    for (const [, title = ''] of titles.matchAll(/"([^"]+)"/g)) {
      t.ok(source.includes(`${title}'`) || source.includes(`${title}"`), `${file}: ${title}`)
    }
  }
})
