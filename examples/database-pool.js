// A database pool that is closed after the last query, never under one.
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import graceful from 'fastify-graceful'

const app = Fastify({ logger: true })

// First, before everything else: onClose hooks run in reverse order, so whatever is registered later is closed
// while the plugin still watches over it.
await app.register(graceful)

const pool = fakePool()

// A probe never waits for the database: the answer is kept for `ttl`, and a query that hangs fails after `timeout`.
// This is readiness only. A database that is down is no reason to restart the service that waits for it.
app.graceful.addCheck('database', () => pool.query('select 1'), { timeout: 1000, ttl: 2000 })

app.get('/report', async () => pool.query('select the whole year', 2000))

// Runs after the last request has got its answer, so no query ever meets a closed pool.
app.addHook('onClose', async () => {
  await pool.end()
  app.log.info('pool closed')
})

await app.listen({ port: Number(process.env.PORT ?? 3000), host: '0.0.0.0' })

/**
 * Stands in for a real pool, such as `pg`'s, so that this file runs as it stands. Like the real one it refuses work
 * after `end()`.
 */
function fakePool () {
  let ended = false
  return {
    async query (text, milliseconds = 5) {
      if (ended) throw new Error('cannot use a pool after calling end on the pool')
      await sleep(milliseconds)
      if (ended) throw new Error('the connection was terminated under the query')
      return { text, rows: 1 }
    },
    async end () { ended = true }
  }
}
