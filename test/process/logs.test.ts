import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { fork, listening } from './fork.ts'

t.jobs = 3
// In continuous integration they get what other tests leave of the processors.
t.setTimeout(900_000)

const ends = [['SIGTERM', 0], ['SIGHUP', 0], ['shutdown', 0], ['crash', 1], ['immediate', 130]] as const

for (const [kind, lines] of [
  ['sync', 20_000],
  ['async', 20_000],
  ['transport', 20_000],
  // To make a line pretty takes long.
  ['pretty transport', 5000],
  ['pretty stream', 5000],
  ['multistream', 20_000]
] as const) {
  // Scenario (Logs): The last 20,000 lines (5,000 of pino-pretty), to files, transports and streams, for each way to
  // end
  t.test(`the last lines: ${kind}, ${lines} of them`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'fastify-graceful-logs-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    for (const [end, code] of ends) {
      // A stream of pino-pretty in this very thread needs turns of the event loop: an exit at once cannot save it.
      if (end === 'immediate' && kind === 'pretty stream') continue
      const file = join(folder, end)
      const app = fork('logs.js', {
        given: { kind, lines, end, file, options: { gracePeriod: 60_000, reserve: 20_000 } },
        timeout: 120_000
      })
      const url = await listening(app)
      if (end === 'SIGTERM' || end === 'SIGHUP') app.kill(end)
      else if (end === 'immediate') app.kill('SIGTERM')
      else fetch(`${url}/${end}`).catch(() => {})
      const [exitCode, signal, output] = await app.result
      t.strictSame([exitCode, signal], [code, null], `${end}: ${output}`)
      const text = await readFile(file, 'utf8')
      t.equal(text.match(/line \d+ of many/g)?.length, lines, `${end}: all lines`)
      if (end !== 'immediate') t.match(text.slice(-2000), 'graceful.report', `${end}: and the report after them`)
    }
  })
}
