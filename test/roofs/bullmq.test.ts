import { once } from 'node:events'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startRedis } from './support/databases.ts'
import { install, versionOf } from './support/install.ts'
import { hooksOf, lostNothing, update } from './support/update.ts'

t.setTimeout(600_000)

/** Longer than `close`, which is what is kept for the end of an application at least. */
const jobTakes = 9000

/** Adds a job, on a connection of its own. */
async function post (port: number, job: object): Promise<void> {
  const outgoing = request({
    host: '127.0.0.1',
    port,
    agent: false,
    method: 'POST',
    path: '/jobs',
    headers: { 'content-type': 'application/json' }
  })
  outgoing.end(JSON.stringify(job))
  const [response] = await once(outgoing, 'response') as [IncomingMessage]
  if (response.statusCode !== 200) {
    throw new Error(`a job was refused with ${response.statusCode}: ${await text(response)}`)
  }
  response.resume()
  await once(response, 'end')
}

// Scenario (Foreign parties): A queue worker on Redis
t.test('a queue worker of BullMQ: jobs of nine seconds that are in hand are finished, once, and their worker is closed',
  async (t) => {
    const [folder, redis] = await Promise.all([install('bullmq'), startRedis(t)])
    t.comment(`bullmq ${versionOf(folder, 'bullmq')}`)
    const jobs = 8
    const outcome = await update({
      service: () => ({ folder, command: ['node', 'server.js'], env: { REDIS_PORT: String(redis) } }),
      // A job is added every 400 ms until the old one has gone: there are some in hand whenever the signal comes.
      longLived: async (port) => {
        let number = 0
        const over = new AbortController()
        const added = (async () => {
          while (!over.signal.aborted) {
            await post(port, { number: ++number, milliseconds: number <= jobs ? jobTakes : 50 })
            await sleep(400)
          }
        })()
        return {
          async stop () {
            over.abort()
            await added
            return []
          }
        }
      }
    })
    lostNothing(t, outcome)
    t.same(hooksOf(outcome.old), ['onClose with 0 in hand', 'worker.close with 0 in hand'])
    const all = [outcome.old, outcome.successor].flatMap(({ lines }) => lines)
    const numbers = (what: string): string[] =>
      all.flatMap((line) => new RegExp(`^job (\\d+) ${what}$`).exec(line.text)?.[1] ?? []).toSorted()
    t.ok(numbers('ends').length > jobs, `${numbers('ends').length} jobs`)
    t.same(numbers('begins'), [...new Set(numbers('begins'))].toSorted(), 'none was begun twice')
    t.same(numbers('ends'), numbers('begins'), 'and each was finished')
    const closing = outcome.old.lines.find(({ text }) => text.startsWith('hook onClose'))!.at
    const finished = outcome.old.lines.filter(({ text, at }) => text.endsWith(' ends') && at > closing)
    t.ok(
      finished.length > 0,
      `${finished.length} jobs were finished after the close had begun`
      + `, the last ${(finished.at(-1)?.at ?? closing) - closing} ms later`
    )
  })
