// What the tests that load the sources into their own process reach of them. It is held against a floor, which may only
// rise. Tests that fork services are not measured: the services run what is built, and many of them are killed, which
// loses what was counted.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { transformSync } from 'rolldown/utils'

/** What is measured: whole folders, and files of others. `npm run coverage` and `.ci/run` take it from here. */
const measured: Record<string, readonly string[] | 'all'> = {
  test: ['index', 'options'],
  'test/admin': 'all',
  'test/application': 'all',
  'test/cli': ['terminal', 'view'],
  'test/cli/report': ['advice', 'document', 'lines', 'reader', 'tally', 'view'],
  'test/cli/drill': ['frame', 'fronts', 'output', 'output-documents', 'settings', 'view'],
  'test/drill': 'all',
  'test/health': ['degraded', 'health', 'holds', 'pressure', 'probes', 'readiness'],
  'test/lifecycle': 'all',
  'test/metrics': 'all',
  'test/page': ['stream'],
  'test/platform': ['detect', 'line', 'predecessors', 'unfinished'],
  'test/platform/systemd': ['applications', 'environment', 'message', 'notifier'],
  'test/principles': ['context', 'drain-signal', 'server-close', 'who-closes'],
  'test/process': ['flush', 'pm2', 'registry', 'shared-shape'],
  'test/security': ['admin', 'answers', 'bounded', 'messages', 'options', 'own-hooks', 'page-text', 'plain', 'rebinding',
    'texts', 'token-file', 'turns', 'viewers'],
  'test/status': 'all',
  'test/supervisor': ['config', 'exposition', 'phase-barrier', 'probe-updates', 'respawn'],
  'test/traffic': ['arrivals', 'connections', 'cut-streams', 'evidence', 'front-ends', 'http2', 'http2-sessions',
    'listeners', 'longlived', 'request-hook', 'requests', 'session-notice', 'steady-callers'],
  'test/util': 'all',
  'test/watchdog': ['bounds', 'plan']
}

export const testFiles = (): string[] => Object.entries(measured).flatMap(([folder, names]) => names === 'all'
  ? readdirSync(folder).filter((name) => name.endsWith('.test.ts')).map((name) => `${folder}/${name}`)
  : names.map((name) => `${folder}/${name}.test.ts`))

/**
 * What runs in the browser, in processes of its own or in the watchdog's thread. What of it no measured test loads is
 * left out; elsewhere such a file counts with all its lines, none of them reached.
 */
const elsewhere = ['cli/', 'page/browser/', 'supervisor/', 'watchdog/']

const kinds = ['lines', 'branches', 'functions'] as const
type Kind = typeof kinds[number]
/** Of one file: how many there are, and how many were reached. */
type Figures = Record<Kind, { total: number, covered: number }>
/** By the file's name in `lib`. */
export type Measurement = Record<string, Figures>

export interface Floor {
  /** Of the Node that measured. Others take the types off in another way, and count other functions. */
  node: string
  /** In percent. */
  sums: Record<Kind, number>
  /** What was not reached, in the order of the sums: they tell where a loss comes from. */
  files: Record<string, number[]>
}

/**
 * What is counted differs from run to run, in points: timers come sooner or later, and some figures are made up anew.
 * Branches most of all, for V8 counts those only that are in functions that ran, and tells of some when they were tried:
 * five runs lay within 0.2, and within 0.03 in lines.
 */
const tolerance: Record<Kind, number> = { lines: 0.1, branches: 0.3, functions: 0.1 }
const worthRaising = 0.3
const mostFiles = 10

/** Of a summary as the report `json-summary` writes it. `sources` are the texts of all files of `lib`, by name. */
export function measurementOf (
  summary: Record<string, Figures>, lib: string, sources: Record<string, string>, floor?: Floor
): Measurement {
  const counted: Measurement = {}
  for (const [name, text] of Object.entries(sources)) {
    const found = summary[join(lib, name)]
    if (found !== undefined) counted[name] = found
    else if (isMissed(name, text, floor)) counted[name] = neverLoaded(text)
  }
  return counted
}

/** Whether a file that was not loaded should have been. */
const isMissed = (name: string, text: string, floor: Floor | undefined): boolean =>
  (floor?.files[name] !== undefined || !elsewhere.some((folder) => name.startsWith(folder))) && hasCode(text)

/** A file of types alone is never loaded. */
function hasCode (text: string): boolean {
  const { code } = transformSync('file.ts', text, { tsconfig: false, typescript: { onlyRemoveTypeImports: true } })
  return code.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*|export \{\};?/gm, '').trim() !== ''
}

const neverLoaded = (text: string): Figures => ({
  lines: { total: text.trimEnd().split('\n').length, covered: 0 },
  branches: { total: 1, covered: 0 },
  functions: { total: 1, covered: 0 }
})

export function floorOf (measurement: Measurement): Floor {
  const all = Object.values(measurement)
  const share = (kind: Kind): number => {
    const sum = (part: 'total' | 'covered'): number => all.reduce((sum, figures) => sum + figures[kind][part], 0)
    return sum('total') === 0 ? 0 : Math.round(sum('covered') / sum('total') * 10_000) / 100
  }
  return {
    node: process.versions.node.split('.')[0]!,
    sums: { lines: share('lines'), branches: share('branches'), functions: share('functions') },
    files: Object.fromEntries(Object.entries(measurement).toSorted(([one], [other]) => one < other ? -1 : 1)
      .map(([name, figures]) => [name, kinds.map((kind) => figures[kind].total - figures[kind].covered)]))
  }
}

export interface Comparison {
  isBelow: boolean
  lines: string[]
}

export function compare (now: Floor, floor: Floor): Comparison {
  if (now.node !== floor.node) {
    return { isBelow: false, lines: [`not compared: the floor was measured on Node ${floor.node}`] }
  }
  const lines: string[] = []
  const lower = kinds.filter((kind) => hundredths(now.sums[kind] - floor.sums[kind]) < -hundredths(tolerance[kind]))
  for (const kind of kinds) lines.push(`${kind}: ${now.sums[kind]} %, the floor is ${floor.sums[kind]} %`)
  for (const kind of lower) {
    lines.push(`fewer ${kind} are reached; so many more are not, in:`, ...losses(kind, now, floor))
  }
  const isHigher = kinds.some((kind) => hundredths(now.sums[kind] - floor.sums[kind]) > hundredths(worthRaising))
  if (isHigher && lower.length === 0) lines.push('the floor can rise: npm run coverage -- --raise')
  return { isBelow: lower.length > 0, lines }
}

/** Without what adding up fractions leaves. */
const hundredths = (points: number): number => Math.round(points * 100)

/** The files that lost most. */
function losses (kind: Kind, now: Floor, floor: Floor): string[] {
  const index = kinds.indexOf(kind)
  return Object.entries(now.files)
    .map(([name, figures]) => ({ name, lost: figures[index]! - (floor.files[name]?.[index] ?? 0) }))
    .filter(({ lost }) => lost > 0)
    .toSorted((one, other) => other.lost - one.lost)
    .slice(0, mostFiles)
    .map(({ name, lost }) => `  lib/${name}: ${lost}${floor.files[name] === undefined ? ', a new file' : ''}`)
}

/** No sum of it is lower than before. */
export const raised = (now: Floor, floor: Floor | undefined): Floor => ({
  node: now.node,
  sums: {
    lines: Math.max(now.sums.lines, floor?.sums.lines ?? 0),
    branches: Math.max(now.sums.branches, floor?.sums.branches ?? 0),
    functions: Math.max(now.sums.functions, floor?.sums.functions ?? 0)
  },
  files: now.files
})

/** Undefined where there is no such file. */
export function readJson (path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** One line for each file, so that a change shows what it is about. */
export const written = ({ node, sums, files }: Floor): string => `{\n  "node": "${node}",\n  "sums": ${JSON.stringify(sums)},\n  "files": {\n`
  + `${Object.entries(files).map(([name, figures]) => `    "${name}": ${JSON.stringify(figures)}`).join(',\n')}\n  }\n}\n`
