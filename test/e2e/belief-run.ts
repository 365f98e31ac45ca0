// 100,000 requests without an update, and as many of which the service loses one in 10,000:
//   npm run drill:control [requests per second]
import { believe, factsOf } from './belief.ts'

const [, , given = '2000'] = process.argv
const most = { requests: 100_000, rate: Number(given) }
const control = await believe(most)
process.stdout.write(`control: ${factsOf(control)}\n`)
const found = await believe({ ...most, planted: { kind: 'answered-5xx', every: 10_000 } })
process.stdout.write(`planted ${found.planted}: ${factsOf(found)}, ${JSON.stringify(found.byKind)}\n`)
process.exitCode = control.tally.lost === 0 && found.tally.lost === found.planted ? 0 : 1
