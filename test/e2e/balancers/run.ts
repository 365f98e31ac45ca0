// Updates replicas behind each balancer, counts what is lost, and writes docs/guides/balancers.json and the table of
// docs/guides/balancers.md.
//   npm run balancers [-- names] [--setups name,name] [--replicas 2,3] [--updates 1] [--rate 200] [--jobs 2] [--only updates|races]
//     [--dry]
// A name is a balancer's, or a part of it: haproxy. With --dry nothing is written; with --only page nothing is measured.
import { parseArgs } from 'node:util'
import { balancers } from './index.ts'
import { rowOf, writeResults } from './results.ts'
import type { Race, Row } from './results.ts'
import { race } from './race.ts'
import { versionOf } from './start.ts'
import { trial } from './trial.ts'
import type { TrialResult } from './trial.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    setups: { type: 'string' },
    replicas: { type: 'string', default: '2,3' },
    updates: { type: 'string', default: '1' },
    rate: { type: 'string', default: '200' },
    jobs: { type: 'string', default: '2' },
    only: { type: 'string', default: 'updates,races' },
    dry: { type: 'boolean', default: false }
  }
})

function integer (option: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`--${option}: expected an integer of at least 1, got '${text}'`)
  return Number(text)
}

const replicas = values.replicas.split(',').map((text) => integer('replicas', text))
const [updates, rate, jobs] = (['updates', 'rate', 'jobs'] as const).map((name) => integer(name, values[name])) as
  [number, number, number]

const chosen = balancers.filter(({ name }) => positionals.length === 0
  || positionals.some((part) => name.toLowerCase().includes(part.toLowerCase())))
if (chosen.length === 0) {
  throw new Error(`expected a part of ${balancers.map(({ name }) => `'${name}'`).join(', ')}, got '${positionals.join(' ')}'`)
}
const setups = values.setups?.split(',')
const todo = chosen.flatMap((balancer) => balancer.setups
  .filter(({ name }) => setups === undefined || setups.includes(name))
  .flatMap((setup) => replicas.map((count) => ({ balancer, setup, count }))))

const rows: Row[] = []
const races: Race[] = []
const parts = values.only.split(',')
if (!parts.includes('updates')) todo.length = 0
const versions = new Map(chosen.map((balancer) => [balancer, versionOf(balancer)]))

async function lane (): Promise<void> {
  for (let next = todo.shift(); next !== undefined; next = todo.shift()) {
    const { balancer, setup, count } = next
    const title = `${balancer.name}, ${setup.name}, ${count} replicas`
    const results: TrialResult[] = []
    while (results.length < updates) {
      const result = await trial(balancer, setup, { replicas: count, rate })
      results.push(result)
      console.error(`${title}: ${result.losses.length} of ${result.requests} lost, ${result.repeated.length} repeated`
        + `, longest pause of the client ${result.longestPause} ms`)
      if (setup.name !== 'defaults') for (const loss of result.losses.slice(0, 20)) console.error(JSON.stringify(loss))
    }
    const version = versions.get(balancer)!
    rows.push(rowOf({ balancer: balancer.name, version, setup: setup.name, replicas: count, rate }, results))
    if (!values.dry) writeResults(rows, races)
  }
}

await Promise.all(Array.from({ length: jobs }, lane))
if (!values.dry) writeResults(rows, races)
for (const balancer of chosen.filter(({ pool }) => pool !== undefined && parts.includes('races'))) {
  const [longer, shorter] = [await race(balancer, 'longer'), await race(balancer, 'shorter')]
  console.error(`${balancer.name}, kept connections: ${JSON.stringify({ longer, shorter })}`)
  const date = new Date().toISOString().slice(0, 10)
  races.push({ balancer: balancer.name, longer, shorter, node: process.versions.node, date })
  if (!values.dry) writeResults(rows, races)
  if (shorter.lost.GET + shorter.lost.POST > 0) process.exitCode = 1
}
for (const { balancer, setup, replicas: count, lost, own, requests, repeated } of rows) {
  console.log(`${balancer}, ${setup}, ${count} replicas: ${lost} of ${requests} lost, ${repeated} repeated`)
  if (setup !== 'defaults' && (lost > own || repeated > 0)) process.exitCode = 1
}
