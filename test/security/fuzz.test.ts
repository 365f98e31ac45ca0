import t from 'tap'
import { fuzz } from './fuzz.ts'
import { openDoors, phaseAt } from './fuzz-doors.ts'
import { until } from '../support/app.ts'
import { holdingsOf } from './siege.ts'

/** Requests for each door, and where the row of made-up ones begins. */
const requests = 2000
const seed = 20_261_129

t.setTimeout(140_000)

// Scenario (Attacks, and failures of the plugin's own code): Thousands of made-up requests in pieces, a part of them
// with changed bytes, on the application's port, the watchdog's and the supervisor's: codes, heads, secrets, memory,
// descriptors, the end
t.test(
  'made-up requests, in pieces and with changed bytes, are answered as the model says, and change nothing',
  async (t) => {
    const doors = await openDoors(130_000)
    for (const { door, port, app } of doors) {
      const before = holdingsOf(app.child.pid!)
      const { faults, codes, changed, requests: sent } = await fuzz({ door, port, seed, requests })
      t.strictSame(faults, [], `${door}: ${sent} requests, ${changed} of them changed: ${JSON.stringify(codes)}`)
      t.ok(sent >= requests && changed > requests / 5)
      t.match(await phaseAt(port), { phase: 'running', ready: true }, `${door}: nothing has happened`)
      // Connections that were only half closed are kept for as long as idle ones.
      await until(() => holdingsOf(app.child.pid!).descriptors < before.descriptors + 5)
      const { megabytes } = holdingsOf(app.child.pid!)
      t.ok(megabytes - before.megabytes < 100, `${door}: ${Math.round(megabytes - before.megabytes)} MiB more`)
    }
    for (const app of new Set(doors.map((door) => door.app))) {
      t.notMatch(app.output(), /has died|graceful\.(?:crash|blocked)|uncaught/i)
      app.kill('SIGTERM')
      t.strictSame((await app.result).slice(0, 2), [0, null], 'it ends as always, with nothing in flight')
    }
  }
)
