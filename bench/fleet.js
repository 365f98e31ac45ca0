// Rolling updates of fleets in virtual time, with the project's own code for evidence, shedding and pacing. Prints
// Markdown for docs/performance.md, and writes the curves of the defaults into docs/images.
//
//   --quick         a tenth of the ends, and no curves are written
//   --only WORD     fleets, sweeps or soak; all of them by default
//   --seed NUMBER   of the generator; 1 by default
import { register } from 'node:module'
import { parseArgs } from 'node:util'
import { here } from './support.js'

if (!process.features.typescript) register(new URL('../test/support/strip-types.js', import.meta.url))
const { fleets, sweeps } = await import('./fleet/fleets.js')
const { run } = await import('./fleet/run.js')

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    seed: { type: 'string', default: '1' }
  }
})
const parts = ['fleets', 'sweeps', 'soak']
if (values.only !== undefined && !parts.includes(values.only)) {
  throw new Error(`--only: expected one of ${parts.join(', ')}, got ${values.only}`)
}
const seed = Number(values.seed)
if (!Number.isSafeInteger(seed)) throw new Error(`--seed: expected an integer, got ${values.seed}`)

await run({
  parts: values.only === undefined ? parts : [values.only],
  share: values.quick ? 0.1 : 1,
  images: values.quick ? undefined : here('../docs/images/'),
  seed, fleets, sweeps
})
const { user, system } = process.cpuUsage()
console.log(`\n${Math.round((user + system) / 1e6)} s of processor time`)
