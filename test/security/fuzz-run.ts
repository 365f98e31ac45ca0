// A long run of the fuzzer:
//
//     npm run fuzz -- [--requests 100000] [--seed 1]
import { parseArgs } from 'node:util'
import { fuzz } from './fuzz.ts'
import { openDoors, phaseAt } from './fuzz-doors.ts'
import { holdingsOf } from './siege.ts'

const { values } = parseArgs({
  options: { requests: { type: 'string', default: '100000' }, seed: { type: 'string', default: `${Date.now()}` } }
})
const [requests, seed] = [Number(values.requests), Number(values.seed)]
const doors = await openDoors(3_600_000)
let isGood = true
for (const { door, port, app } of doors) {
  const before = holdingsOf(app.child.pid!)
  const from = performance.now()
  const { faults, codes, changed, requests: sent } =
    await fuzz({ door, port, seed, requests: Math.ceil(requests / doors.length) })
  const after = holdingsOf(app.child.pid!)
  const { phase } = await phaseAt(port)
  isGood &&= faults.length === 0 && phase === 'running'
  console.log(
    `${door}: ${sent} requests, ${changed} of them changed, in ${Math.round((performance.now() - from) / 1000)} s; `
      + `${JSON.stringify(codes)}; ${Math.round(after.megabytes - before.megabytes)} MiB and `
      + `${after.descriptors - before.descriptors} descriptors more; phase ${phase}`
  )
  for (const fault of faults) console.log(fault)
}
for (const app of new Set(doors.map((door) => door.app))) app.kill('SIGTERM')
console.log(`seed ${seed}: ${isGood ? 'as the model says' : 'not as the model says'}`)
process.exitCode = isGood ? 0 : 1
