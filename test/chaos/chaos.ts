// Signals at random moments, judged from outside:
//
//   npm run chaos -- [--seed 1] [--signals 300] [--jobs 4] [--node 24] [--runs 1] [--minutes 8]
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { commandOf, wage } from './campaign.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
    signals: { type: 'string', default: '300' },
    jobs: { type: 'string', default: '4' },
    node: { type: 'string' },
    runs: { type: 'string' },
    minutes: { type: 'string' }
  }
})
const own = process.versions.node
if (values.node !== undefined && values.node !== own.split('.')[0]) {
  // The binary comes from the npm registry.
  const [, script = '', ...args] = process.argv
  const { status } = spawnSync(
    'npx',
    ['-y', '-p', `node@${values.node}`, '--', 'node', ...process.execArgv, script, ...args],
    { stdio: 'inherit' }
  )
  process.exit(status ?? 1)
}

// Those under test end with this process.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
const [seed, signals, jobs] = [values.seed, values.signals, values.jobs].map(Number) as [number, number, number]
console.log(`Node ${own}, seed ${seed}, ${signals} signals, ${jobs} at a time`)
const sums = await wage({
  seed, signals, jobs,
  ...values.runs !== undefined && { runs: Number(values.runs) },
  ...values.minutes !== undefined && { time: Number(values.minutes) * 60_000 },
  onRun: ({ seed, problems, kept }) => {
    if (problems.length === 0) return
    console.log(`seed ${seed}, again with: ${commandOf(seed)}\n  ${kept}`)
    for (const { rule, text } of problems) console.log(`  ${rule}: ${text.slice(0, 500)}`)
  }
})
const { runs, trees, requests, time, processor, failed, bySignal, byMoment } = sums
console.log(`${sums.signals} signals in ${runs} runs (${trees} of a supervisor) from seed ${seed}, `
  + `${requests} requests, in ${time} s with ${processor.own + processor.started} s of processor time`)
console.log(JSON.stringify({ ...bySignal, ...byMoment }))
console.log(`${failed.length} runs with faults: ${failed.map(({ seed }) => `seed ${seed}`).join(', ') || 'none'}`)
process.exit(failed.length === 0 ? 0 : 1)
