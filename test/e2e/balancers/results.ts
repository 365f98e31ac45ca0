import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { countByKind, lossKinds } from '../../../lib/drill/losses.ts'
import type { LossKind } from '../../../lib/drill/losses.ts'
import type { Balancer, Context, Setup } from './balancer.ts'
import { balancers } from './index.ts'
import type { RaceResult } from './race.ts'
import type { TrialResult } from './trial.ts'

/** What updates of one balancer, set up in one way, have come to. */
export interface Row {
  balancer: string
  version: string
  setup: string
  replicas: number
  /** Requests a second. */
  rate: number
  updates: number
  requests: number
  lost: number
  /** Of those that were lost: the balancer's own, which no server can prevent. */
  own: number
  /** Of those that were lost: how many have come to no replica. */
  unseen: number
  byKind: Partial<Record<LossKind, number>>
  /** The client's words, and how often. */
  details: Record<string, number>
  /** Requests that came to replicas more often than they were sent. */
  repeated: number
  /** Ms from SIGTERM to the end of the process. */
  exit: { median: number, longest: number }
  node: string
  date: string
}

/** What became of requests that met the end of an idle connection. */
export interface Race {
  balancer: string
  longer: RaceResult
  shorter: RaceResult
  node: string
  date: string
}

const results = new URL('../../../docs/guides/balancers.json', import.meta.url)
const page = new URL('../../../docs/guides/balancers.md', import.meta.url)
const [from, to] = ['<!-- written by npm run balancers -->\n', '<!-- end of what is written -->\n']

interface Results { updates: Row[], races: Race[] }

const readAll = (): Results => existsSync(results)
  ? JSON.parse(readFileSync(results, 'utf8')) as Results
  : { updates: [], races: [] }

export const readResults = (): Row[] => readAll().updates
export const readRaces = (): Race[] => readAll().races

const keyOf = ({ balancer, setup, replicas }: Pick<Row, 'balancer' | 'setup' | 'replicas'>): string =>
  [balancer, setup, replicas].join()

/** Rows that are there are replaced, those of balancers that are gone left out; all are in the balancers' order. */
function merge (before: readonly Row[], now: readonly Row[]): Row[] {
  const rows = new Map([...before, ...now].map((row) => [keyOf(row), row]))
  return balancers.flatMap(({ name, setups }) => setups.flatMap((setup) => [...rows.values()]
    .filter((row) => row.balancer === name && row.setup === setup.name)
    .toSorted((one, other) => one.replicas - other.replicas)))
}

function mergeRaces (before: readonly Race[], now: readonly Race[]): Race[] {
  const races = new Map([...before, ...now].map((race) => [race.balancer, race]))
  return balancers.flatMap(({ name }) => races.get(name) ?? [])
}

/** Adds up the updates of one kind. */
export function rowOf (
  { balancer, setup, replicas, rate, version }: Pick<Row, 'balancer' | 'setup' | 'replicas' | 'rate' | 'version'>,
  updates: readonly TrialResult[]
): Row {
  const losses = updates.flatMap((update) => update.losses)
  const times = updates.flatMap(({ departures }) => departures.map(({ took }) => took)).toSorted((a, b) => a - b)
  const details: Record<string, number> = {}
  for (const { detail } of losses) details[detail] = (details[detail] ?? 0) + 1
  return {
    balancer, version, setup, replicas, rate,
    updates: updates.length,
    requests: updates.reduce((sum, { requests }) => sum + requests, 0),
    lost: losses.length,
    own: losses.filter((loss) => loss.isOwn).length,
    unseen: losses.filter(({ seenBy }) => seenBy.length === 0).length,
    byKind: countByKind(losses),
    details,
    repeated: updates.reduce((sum, { repeated }) => sum + repeated.length, 0),
    exit: { median: times[Math.floor(times.length / 2)] ?? 0, longest: times.at(-1) ?? 0 },
    node: process.versions.node,
    date: new Date().toISOString().slice(0, 10)
  }
}

const cells = (...texts: string[]): string => `| ${texts.join(' | ')} |`

const lostOf = (row: Row | undefined): string => row === undefined ? '-' : `${row.lost} of ${row.requests}`

function sum (rows: readonly Row[], of: (row: Row) => Readonly<Record<string, number>>): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const row of rows) {
    for (const [key, count] of Object.entries(of(row))) counts[key] = (counts[key] ?? 0) + count
  }
  return counts
}

const listed = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts).map(([key, count]) => `${count} ${key}`).join(', ')

/** How requests were lost: the kinds, the client's words, and where they have got to. */
function how (rows: readonly Row[]): string {
  const lost = rows.reduce((all, row) => all + row.lost, 0)
  if (lost === 0) return '-'
  const unseen = rows.reduce((all, row) => all + row.unseen, 0)
  const own = rows.reduce((all, row) => all + row.own, 0)
  const where = unseen === lost ? 'none reached a replica' : `${unseen} reached no replica`
  return `${listed(sum(rows, ({ byKind }) => byKind))} (${listed(sum(rows, ({ details }) => details))}); ${where}${
    own === 0 ? '' : `; ${own} the balancer's own`}`
}

const seconds = (ms: number): string => (ms / 1000).toFixed(1)

function tableRow (balancer: Balancer, setup: Setup, rows: readonly Row[], counts: readonly number[]): string {
  const exits = rows.map(({ exit }) => exit.median)
  const repeated = rows.reduce((all, row) => all + row.repeated, 0)
  return cells(
    balancer.name, setup.name,
    ...counts.map((count) => lostOf(rows.find(({ replicas }) => replicas === count))),
    how(rows), String(repeated),
    exits.length === 0 ? '-' : `${seconds(Math.max(...exits))} s`,
    setup.why
  )
}

const example: Context = {
  folder: '/etc/balancer', port: 8080, adminPort: 2019,
  servers: [1, 2].map((index) => ({ port: 3000 + index, agentPort: 4000 + index, isOut: false }))
}

/** The recommended settings. */
function settingsOf ({ name, setups }: Balancer): string[] {
  const setup = setups.find((one) => one.name === 'recommended')!
  const files = Object.entries(setup.files(example)).slice(0, setup.shown ?? 1)
  return [
    `### ${name}`, '',
    ...files.flatMap(([file, text]) => [`\`${file}\`:`, '', '```', text.trim(), '```', '']),
    `The plugin: ${setup.options === undefined ? 'no option' : `\`${JSON.stringify(setup.options)}\``}${
      setup.brings === 'agent' ? ', and [the agent](../../examples/haproxy-agent/agent.js)' : ''}. ${
      setup.takenOut === undefined ? '' : 'The update takes each server out first, then stops it. '}${
      setup.ownLoss === undefined ? '' : `Some losses are the balancer's own: ${setup.ownLoss.why}.`}`.trim(),
    ''
  ]
}

const racedOf = ({ lost, sent }: RaceResult): string =>
  `${lost.GET} of ${sent} GET, ${lost.POST} of ${sent} POST`

function raceRow ({ balancer, longer, shorter }: Race): string {
  const { setting, byDefault, note } = balancers.find(({ name }) => name === balancer)!.pool!
  const { repeated, came } = shorter
  return cells(balancer, setting, byDefault, racedOf(longer), racedOf(shorter),
    `${repeated.GET} of ${came.GET} GET, ${repeated.POST} of ${came.POST} POST`, note)
}

/** What the page says of the results. */
function written (rows: readonly Row[], races: readonly Race[]): string {
  const counts = [...new Set(rows.map(({ replicas }) => replicas))].toSorted((a, b) => a - b)
  const all = (key: 'date' | 'node' | 'rate'): string => [...new Set(rows.map((row) => String(row[key])))].join(', ')
  const versions = balancers.flatMap(({ name }) => {
    const version = rows.findLast(({ balancer }) => balancer === name)?.version
    return version === undefined ? [] : [`${name} ${version}`]
  })
  return [
    `Measured on ${all('date')} with Node ${all('node')}, ${all('rate')} requests a second: ${versions.join('; ')}.`,
    '',
    cells('balancer', 'set-up', ...counts.map((count) => `lost of ${count} replicas`), 'how', 'repeated',
      'SIGTERM to exit', 'why'),
    cells(...['', '', ...counts.map(String), '', '', '', ''].map(() => '---')),
    ...balancers.flatMap((balancer) => balancer.setups.map((setup) => tableRow(balancer, setup,
      rows.filter((row) => row.balancer === balancer.name && row.setup === setup.name), counts))),
    '',
    `Kinds of loss: ${Object.entries(lossKinds).map(([kind, text]) => `\`${kind}\`: ${text}`).join('; ')}.`,
    '',
    '## Connections that a balancer keeps', '',
    cells('balancer', 'its setting', 'by default', 'lost, if the balancer keeps them longer than the service', 'lost, if it keeps them for a second',
      'repeated, if the service breaks a connection', 'remark'),
    cells(...Array.from({ length: 7 }, () => '---')),
    ...races.map(raceRow),
    '',
    '## Recommended settings', '',
    'The set-ups that the first table calls `recommended`. Any losses there are the balancer\'s own, and named below.', '',
    ...balancers.flatMap(settingsOf)
  ].join('\n')
}

/** The page with what is written put in. @throws Error where it has no place for it */
export function pageOf (text: string, rows: readonly Row[], races: readonly Race[]): string {
  const [begin, end] = [text.indexOf(from), text.indexOf(to)]
  if (begin === -1 || end < begin) throw new Error(`docs/guides/balancers.md has no '${from.trim()}' before '${to.trim()}'`)
  return `${text.slice(0, begin + from.length)}\n${written(rows, races)}\n${text.slice(end)}`
}

export const readPage = (): string => readFileSync(page, 'utf8')

const lines = (values: readonly unknown[]): string =>
  values.map((value) => `    ${JSON.stringify(value)}`).join(',\n')

/** Writes both, with these among those that are there. */
export function writeResults (updates: readonly Row[], races: readonly Race[]): void {
  const rows = merge(readResults(), updates)
  const all = mergeRaces(readRaces(), races)
  writeFileSync(results, `{\n  "updates": [\n${lines(rows)}\n  ],\n  "races": [\n${lines(all)}\n  ]\n}\n`)
  writeFileSync(page, pageOf(readPage(), rows, all))
}
