import t from 'tap'
import { parts, runWithout } from './parts.ts'
import type { Place, Run } from './parts.ts'

/** Names that are taken away where they are read as strings are said with this behind them. */
const suffix = (part: string): string =>
  /^fastify\.|^internalMessage$|^isOnCloseHandler$/.test(part) ? `${part}Missing` : part

/** A service without a part, and what it said of parts. */
async function serve (part: string, place: Place): Promise<Run & { said: string[] }> {
  const run = await runWithout(part, 'fixtures/parts.js', place)
  return { ...run, said: run.output.split('\n').filter((line) => line.includes('graceful.internals')) }
}

// Scenario, too: A Node or Fastify without one of the private parts…
t.test('a service without a private part starts, says so in one line, answers and ends', { jobs: 2 }, async (t) => {
  for (const [part, instead, place = 'alone'] of parts) {
    t.test(part, async (t) => {
      const { code, output, said } = await serve(part, place)
      t.equal(code, 0, output)
      t.match(output, /^answered 200$/m)
      t.equal(said.length, 1, output)
      const { msg = '' } = JSON.parse(said[0] ?? '{}') as { msg?: string }
      t.ok(msg.includes(`goes on without them: ${suffix(part)} (${instead}`), msg)
      t.ok(msg.includes(`Node ${process.versions.node} with Fastify`), 'with the versions')
      t.equal(msg.match(/ \(/g)?.length, 1, `it alone: ${msg}`)
    })
  }
})

// Scenario (Connections): All private parts that are used are there, and nothing is said of them
t.test('with all parts nothing is said, wherever the service runs', { jobs: 2 }, async (t) => {
  for (const place of ['alone', 'child', 'worker'] as const) {
    t.test(place, async (t) => {
      const { code, output, said } = await serve('nothing', place)
      t.strictSame([code, said], [0, []], output)
      t.match(output, /^answered 200$/m)
    })
  }
})
