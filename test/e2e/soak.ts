// Rolling updates, over and over, and a table of what they lost. Exit code 1 where it was anything.
//
//   --removal endpoint|check|late|sparse|never   which manners, may be repeated; all but the last by default
//   --rate 300                                   requests/s, may be repeated; 300 and 1000 by default (sparse: 3)
//   --count 20                                   updates of each; 20 by default, 5 of the slow ones
//   --stagger 3000                               ms between two replacements of an update, instead of one after another
//   --shutdown plain                             plain app.close() in place of the plugin
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { countByKind } from '../../lib/drill/losses.ts'
import { removals, rollout } from './rollout.ts'
import type { Departure, RolloutOptions, RolloutResult } from './rollout.ts'

type Name = keyof typeof removals

const { values } = parseArgs({
  options: {
    removal: { type: 'string', multiple: true, default: ['endpoint', 'check', 'late', 'sparse'] },
    rate: { type: 'string', multiple: true, default: ['300', '1000'] },
    count: { type: 'string' },
    stagger: { type: 'string' },
    shutdown: { type: 'string', default: 'graceful' }
  }
})

const names = ['endpoint', 'check', 'late', 'sparse', 'never'] as const satisfies Name[]
const slow: Name[] = ['late', 'sparse']
const sparseRate = 3
// Independent clusters share the machine as long as they send no more than this together.
const rateAtATime = 1000
const clustersAtATime = 3

interface Series { name: Name, rate: number, count: number }

function oneOf<T extends string> (option: string, given: string, expected: readonly T[]): T {
  const found = expected.find((name) => name === given)
  if (found === undefined) throw new Error(`${option}: expected one of ${expected.join(', ')}, got ${given}`)
  return found
}

function plan (): Series[] {
  return values.removal.flatMap((given) => {
    const name = oneOf('--removal', given, names)
    const count = Number(values.count ?? (slow.includes(name) ? 5 : 20))
    const rates = name === 'sparse' ? [sparseRate] : values.rate.map(Number)
    return rates.map((rate) => ({ name, rate, count }))
  })
}

function complain (name: string, result: RolloutResult): void {
  for (const loss of result.losses.slice(0, 20)) console.error(name, JSON.stringify(loss))
  for (const departure of result.departures) {
    if (result.losses.length > 0 || !leftWell(departure)) console.error(name, JSON.stringify(departure))
  }
}

function leftWell ({ code, signal }: Departure): boolean {
  return code === 0 && signal === null
}

async function run ({ name, rate, count }: Series): Promise<RolloutResult[]> {
  const results: RolloutResult[] = []
  const options: RolloutOptions = {
    removal: { ...removals[name], ...values.stagger === undefined ? {} : { stagger: Number(values.stagger) } },
    rate,
    shutdown: oneOf('--shutdown', values.shutdown, ['graceful', 'plain'])
  }
  let started = 0
  const lane = async (): Promise<void> => {
    while (started < count) {
      const title = `${name} at ${rate}/s, update ${++started} of ${count}`
      const result = await rollout(options)
      results.push(result)
      console.error(
        `${title}: ${result.losses.length} of ${result.requests} lost`
        + `, longest pause of the client ${result.longestPause} ms`
      )
      complain(title, result)
    }
  }
  const lanes = Math.max(1, Math.min(clustersAtATime, count, Math.floor(rateAtATime / rate)))
  await Promise.all(Array.from({ length: lanes }, lane))
  return results
}

function countEnds (departures: Departure[]): string {
  const ends: Record<string, number> = {}
  for (const { report } of departures) {
    const end = report?.phases.find(({ phase }) => phase === 'announcing')?.endedBy
    const key = report === undefined ? 'no report' : `${end}, evidence ${report.traffic.evidence}`
    ends[key] = (ends[key] ?? 0) + 1
  }
  return list(ends)
}

function list (counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts).map(([key, count]) => `${count} x ${key}`).join('; ') || '-'
}

const seconds = (ms: number | undefined): string => `${((ms ?? 0) / 1000).toFixed(1)} s`

function row ({ name, rate }: Series, results: RolloutResult[]): string {
  const losses = results.flatMap((result) => result.losses)
  const departures = results.flatMap((result) => result.departures)
  const times = departures.map(({ took }) => took).toSorted((a, b) => a - b)
  const requests = results.reduce((sum, result) => sum + result.requests, 0)
  const exits = departures.filter(leftWell).length
  return `| ${[
    name, `${rate}/s`, results.length, requests, losses.length, list(countByKind(losses)),
    seconds(times[Math.floor(times.length / 2)]), seconds(times.at(-1)),
    `${exits} of ${departures.length}`, countEnds(departures)
  ].join(' | ')} |`
}

console.log(`Node ${process.version}, ${availableParallelism()} cores, shutdown: ${values.shutdown}\n`)
console.log(
  '| removal | rate | updates | requests | lost | by kind | SIGTERM to exit, median | longest | exits with 0 '
  + '| phase 1 ended by |'
)
console.log('|---|---|---|---|---|---|---|---|---|---|')
for (const series of plan()) {
  const results = await run(series)
  console.log(row(series, results))
  if (results.some(({ losses, departures }) => losses.length > 0 || !departures.every(leftWell))) process.exitCode = 1
}
