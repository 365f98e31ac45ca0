import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { judge } from './judge.ts'
import type { Problem } from './judge.ts'
import type { Observation } from './observation.ts'
import { planOf } from './plan.ts'
import type { Moment, SignalName } from './plan.ts'
import { carryOut } from './run.ts'

/** What is run. */
export interface Campaign {
  /** Of the first run; each one after it has the next one. */
  seed: number
  /** Runs go on until so many signals were sent. */
  signals: number
  /** How many runs at a time. */
  jobs: number
  /** Runs are at most so many. @default any number */
  runs?: number
  /** No run begins after so many milliseconds. @default whenever */
  time?: number
  onRun?: (run: Run) => void
}

/** One run, judged. */
interface Run {
  seed: number
  seen: Observation
  problems: Problem[]
  /** Where its output is kept; undefined where nothing was wrong. */
  kept: string | undefined
}

/** What came of all runs. */
export interface Sums {
  runs: number
  trees: number
  signals: number
  requests: number
  /** Seconds. */
  time: number
  /** Seconds of processor time: of this process, and of all that it has started. */
  processor: { own: number, started: number }
  bySignal: Partial<Record<SignalName, number>>
  byMoment: Partial<Record<Moment, number>>
  failed: Run[]
}

const folder = fileURLToPath(new URL('../../.chaos/', import.meta.url))

/** The command that carries out one run again. */
export function commandOf (seed: number): string {
  return `npm run chaos -- --seed ${seed} --runs 1 --node ${process.versions.node.split('.')[0]}`
}

/** Carries out plans until enough signals were sent. */
export async function wage (campaign: Campaign): Promise<Sums> {
  const { seed, signals, jobs, runs = Infinity, time = Infinity, onRun } = campaign
  const sums: Sums = {
    runs: 0, trees: 0, signals: 0, requests: 0, time: 0, processor: { own: 0, started: 0 },
    bySignal: {}, byMoment: {}, failed: []
  }
  const begun = performance.now()
  const before = processorTime()
  let next = 0
  const work = async (): Promise<void> => {
    while (sums.signals < signals && next < runs && performance.now() - begun < time) {
      const run = await tryOut(seed + next++)
      add(sums, run)
      onRun?.(run)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  const { own, started } = processorTime()
  sums.processor = { own: Math.round(own - before.own), started: Math.round(started - before.started) }
  sums.time = Math.round((performance.now() - begun) / 1000)
  return sums
}

/** In seconds; of the processes that it has started when they are gone. The kernel counts in hundredths. */
function processorTime (): Sums['processor'] {
  const [, figures = ''] = readFileSync('/proc/self/stat', 'utf8').split(') ')
  const [user = 0, system = 0, usersOfChildren = 0, systemOfChildren = 0] = figures.split(' ').slice(11, 15).map(Number)
  return { own: (user + system) / 100, started: (usersOfChildren + systemOfChildren) / 100 }
}

async function tryOut (seed: number): Promise<Run> {
  const seen = await carryOut(planOf(seed))
  const problems = judge(seen)
  return { seed, seen, problems, kept: problems.length === 0 ? undefined : await keep(seed, seen, problems) }
}

function add (sums: Sums, run: Run): void {
  const { plan, sent, requests } = run.seen
  sums.runs++
  sums.trees += plan.shape === 'tree' ? 1 : 0
  sums.signals += sent.length
  sums.requests += requests
  for (const [index, { name }] of sent.entries()) {
    const { moment } = plan.steps[index]!
    sums.bySignal[name] = (sums.bySignal[name] ?? 0) + 1
    sums.byMoment[moment] = (sums.byMoment[moment] ?? 0) + 1
  }
  if (run.problems.length > 0) sums.failed.push(run)
}

/** All that was seen of a run, for whoever looks into it. */
async function keep (seed: number, seen: Observation, problems: readonly Problem[]): Promise<string> {
  const { plan, lines, file, answered: _answered, ...rest } = seen
  const path = join(folder, `node${process.versions.node.split('.')[0]}-seed${seed}.txt`)
  await mkdir(folder, { recursive: true })
  await writeFile(path, [
    commandOf(seed),
    ...problems.map(({ rule, text }) => `${rule}: ${text}`),
    JSON.stringify(plan, undefined, 1),
    JSON.stringify(rest, undefined, 1),
    ...lines.map(({ at, text }) => `${at.toFixed(0).padStart(6)} ${text}`),
    ...file.map((text) => `  file ${text}`)
  ].join('\n'))
  return path
}
