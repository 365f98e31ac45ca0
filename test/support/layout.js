// Part of `npm run lint`: no line of `lib` has more than 120 columns, and no file more than 250 lines. Files that were
// longer when the rule came may not grow, and are taken off the list when they are short enough. A room imports from
// those rooms only that stand beside it here; that there is no circle is oxlint's `no-cycle`. Private parts of Node,
// Fastify and avvio are named in the files that have an accessor for each, and nowhere else. Modules of
// Node that open standard streams when they are imported are not.
//   node test/support/layout.js [folder]
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, normalize, sep } from 'node:path'

const mostColumns = 120
const mostLines = 250

/** Lines of the files that are longer. */
const longer = {}

/**
 * What a room imports from, besides the modules beside `lib/index.ts` and `util`. Types it may read of any room, as far
 * as that makes no circle.
 */
const rooms = {
  admin: ['fastify', 'page', 'server', 'status', 'traffic'],
  application: ['fastify', 'lifecycle', 'page', 'platform', 'process', 'traffic'],
  cli: ['drill', 'lifecycle', 'server', 'status', 'supervisor'],
  drill: [],
  fastify: ['lifecycle'],
  health: ['fastify', 'lifecycle'],
  lifecycle: [],
  metrics: ['fastify', 'lifecycle'],
  page: ['lifecycle', 'status'],
  platform: ['lifecycle'],
  process: ['lifecycle'],
  server: [],
  status: ['lifecycle'],
  supervisor: ['admin', 'health', 'lifecycle', 'page', 'platform', 'process', 'server', 'traffic', 'watchdog'],
  traffic: ['lifecycle'],
  util: [],
  watchdog: ['admin', 'health', 'lifecycle', 'metrics', 'page', 'platform', 'process', 'server', 'traffic']
}
/** Folders of one room that run in different places: what both need is beside them. */
const places = [
  [join('watchdog', 'main'), join('watchdog', 'thread')],
  [join('supervisor', 'parent'), join('supervisor', 'child')]
]
/** What the lifecycle, which knows nobody, may use of what is in no room. */
const ofLifecycle = ['clock.ts', 'errors.ts', ...['given', 'promises', 'shown', 'text', 'timers'].map((name) => `util/${name}.ts`)]
/** Where private parts of others are read, each behind an accessor whose doc names it. Every room may use them. */
const ofParts = ['internals.ts', 'node-internals.ts', 'process-internals.ts'].map((name) => join('fastify', name))
/** What says at the start which of them are missing. */
const check = join('fastify', 'check-internals.ts')
const browser = join('page', 'browser')
/** What the browser may use of elsewhere: it is pure, and uses nothing else itself. */
const ofBrowser = ['lifecycle/phase.ts', 'util/text.ts',
  ...['sentences', 'shown', 'words'].map((name) => `status/${name}.ts`)].map((name) => normalize(name))

/**
 * Modules of Node whose mere import opens standard streams, of Node 20, 22, 24 or 26, with what to use: the namespace of
 * an import reads every export, those that are made when they are read, too.
 */
const openers = {
  process: "the global 'process'",
  util: 'util/node-util.ts',
  ...Object.fromEntries(['assert', 'assert/strict', 'repl', 'sys', 'test', 'test/reporters'].map((name) => [name, 'something else']))
}
/** So do these, which Fastify loads itself: they are refused where a process has no Fastify yet, below these files. */
const openersOfFastify = ['http', 'http2']
const early = [join('process', 'early.ts'), join('supervisor', 'child', 'index.ts')]
const nodeImports =
  /^(?:import|export)(?! type\b)\s(?:[^;'"=(]*?\bfrom )?'(?:node:)?([\w/]+)'|\bimport\(\s*'(?:node:)?([\w/]+)'/gm
const imports = /^(?:import|export)(?<isType> type)? [^;'"]*?from '(?<named>\.[^']*)'|^import '(?<bare>\.[^']*)'/gm

/** Why a file may not import another one of the same tree; undefined where it may. */
function objection (from, to, isType) {
  if ((from.startsWith(browser) || ofBrowser.includes(from)) && !isType) {
    return to.startsWith(browser) || ofBrowser.includes(to) ? undefined : 'what does not run in a browser'
  }
  const [room, ...inside] = from.split(sep)
  const [other, ...rest] = to.split(sep)
  if (inside.length === 0) return undefined
  if (room === other) return isElsewhere(from, to) && !isType ? 'what runs somewhere else' : undefined
  if (room === 'lifecycle') return ofLifecycle.includes(to) ? undefined : 'what it does not know'
  if (rest.length === 0 || other === 'util' || ofParts.includes(to) || isType) return undefined
  return rooms[room]?.includes(other) ? undefined : `a room that ${room} does not know`
}

const placeOf = (file) => places.flat().find((place) => file.startsWith(place + sep))

/** Whether one of two files of a room is in a place where the other one does not run. */
function isElsewhere (from, to) {
  const [one, other] = [placeOf(from), placeOf(to)]
  return one !== undefined && other !== undefined && one !== other
}

/** Where a file imports a module that opens standard streams. */
function openings (name, text) {
  return [...withoutComments(text).matchAll(nodeImports)].flatMap(([, named, asked]) => {
    const module = named ?? asked
    const instead = Object.hasOwn(openers, module) ? openers[module] : undefined
    if (instead !== undefined) return [`${folder}/${name} imports node:${module}, which opens standard streams: use ${instead}`]
    if (!openersOfFastify.includes(module) || !loadedEarly.has(name)) return []
    return [`${folder}/${name} imports node:${module}, which opens standard error, and is loaded before a service`]
  })
}

/** Adds a file and all whose code it loads at once. */
function addLoaded (name, loaded) {
  if (loaded.has(name) || !existsSync(join(folder, name))) return loaded
  loaded.add(name)
  for (const { groups: { isType, named, bare } } of readFileSync(join(folder, name), 'utf8').matchAll(imports)) {
    if (isType === undefined) addLoaded(normalize(join(dirname(name), named ?? bare)), loaded)
  }
  return loaded
}

/** The private parts, as the docs of their accessors name them. */
function partsOf (text) {
  const named = [...text.matchAll(/\bParts?: (`[\w.]+`(?:, `[\w.]+`)*)/g)].flatMap(([, list]) => list.split(', '))
  const described = [...text.matchAll(/^ *'(fastify\.[\w.]+)': /gm)].map(([, description]) => description)
  return [...named.map((name) => name.slice(1, -1)), ...described]
}

const withoutComments = (text) => text.replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, ' '))
  .replaceAll(/(?<=^|\s)\/\/.*/gm, '')

/** Where a file names parts that are not its own business. */
function privateParts (name, text) {
  if (ofParts.includes(name) || name === check || parts.length === 0) return []
  const pattern = new RegExp(`(?<![\\w-])(?:${parts.map((part) => part.replaceAll('.', '\\.')).join('|')})(?![\\w-])`)
  return withoutComments(text).split('\n').flatMap((line, index) => {
    const found = pattern.exec(line)
    return found === null ? [] : [`${folder}/${name}:${index + 1}: '${found[0]}' is private: use lib/fastify's accessor`]
  })
}

/**
 * Parts that nothing looks for at the start, `['name', …` or `part: 'name'`, and whose docs do not say why: without one
 * of them a service would do worse and say nothing.
 */
function uncheckedParts (texts) {
  const code = texts.map(withoutComments).join('\n')
  const checked = new Set([...code.matchAll(/(?:\[|part: )'([\w.]+)'/g)].map(([, name]) => name))
  return texts.flatMap((text) => [
    ...(text.match(/\/\*\*(?:(?!\*\/)[\s\S])*\*\//g) ?? [])
      .filter((doc) => !/Not checked at start: \w/.test(doc.replaceAll(/\s+(?:\* )?/g, ' ')))
      .flatMap(partsOf),
    ...partsOf(withoutComments(text))
  ]).filter((name) => !checked.has(name))
}

const folder = process.argv[2] ?? 'lib'
const texts = ofParts.map((name) => join(folder, name)).filter((file) => existsSync(file))
  .map((file) => readFileSync(file, 'utf8'))
const parts = texts.flatMap(partsOf)
const problems = uncheckedParts(texts).map((name) =>
  `${folder}/fastify: '${name}' is a part that no check at the start looks for: its doc has no 'Not checked at start: …'`)
const long = new Set(Object.keys(longer))
const loadedEarly = early.reduce((loaded, name) => addLoaded(name, loaded), new Set())
for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
  if (!name.endsWith('.ts')) continue
  const text = readFileSync(join(folder, name), 'utf8')
  for (const { groups: { isType, named, bare } } of text.matchAll(imports)) {
    const to = normalize(join(dirname(name), named ?? bare))
    const why = objection(name, to, isType !== undefined)
    if (why !== undefined) problems.push(`${folder}/${name} imports ${to}: ${why}`)
  }
  problems.push(...openings(name, text), ...privateParts(name, text))
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  for (const [index, line] of lines.entries()) {
    const { length } = line
    if (length > mostColumns) problems.push(`${folder}/${name}:${index + 1}: ${length} columns, at most ${mostColumns}`)
  }
  const most = longer[name] ?? mostLines
  if (lines.length > most) problems.push(`${folder}/${name}: ${lines.length} lines, at most ${most}`)
  if (lines.length > mostLines) long.delete(name)
}
for (const name of long) problems.push(`${folder}/${name} has at most ${mostLines} lines by now: take it off the list`)

for (const problem of problems) console.error(problem)
process.exit(problems.length === 0 ? 0 : 1)
