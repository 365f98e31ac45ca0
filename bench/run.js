// What `npm run bench` runs: every bench in turn, as Markdown for docs/performance.md. Exits with 1 where one of
// them failed or missed a limit.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { here, installPeers, machine } from './support.js'

const benches = [
  { title: 'Processor time per request', file: 'cpu.js', args: ['--table'] },
  { title: 'Ticks after a collection of garbage', file: 'tick.js', args: [] },
  { title: 'Idle connections and the end', file: 'idle.js', args: [] },
  { title: 'From the last thing that held it to the exit', file: 'ends.js', args: [] },
  { title: 'The watchdog at rest', file: 'watchdog.js', args: [] },
  { title: 'A rolling update against the peers', file: 'rollout.js', args: [] }
]

installPeers()
console.log(machine())
const failed = []
for (const { title, file, args } of benches) {
  console.log(`\n## ${title}\n\n    ${['node', `bench/${file}`, ...args].join(' ')}\n`)
  const child = spawn(process.execPath, [here(file), ...args], { stdio: 'inherit' })
  const [code] = await once(child, 'exit')
  if (code !== 0) failed.push(file)
}
if (failed.length > 0) console.log(`\nfailed, or a limit was missed: ${failed.join(', ')}`)
process.exitCode = failed.length > 0 ? 1 : 0
