import t from 'tap'
import { createOrders, sql, startPostgres } from './support/databases.ts'
import { install, versionOf } from './support/install.ts'
import { hooksOf, lostNothing, update } from './support/update.ts'

t.setTimeout(600_000)

// Scenario (Foreign parties): A pool of PostgreSQL's connections, and Prisma
t.test('a pool of pg: every query meets an open pool, and what was answered is in the database', async (t) => {
  const [folder, url] = await Promise.all([install('pg'), startPostgres(t)])
  t.comment(`pg ${versionOf(folder, 'pg')}`)
  await createOrders(url)
  const outcome = await update({
    service: () => ({ folder, command: ['node', 'server.js'], env: { DATABASE_URL: url } })
  })
  lostNothing(t, outcome)
  t.same(hooksOf(outcome.old), ['onClose with 0 in hand', 'pool.end with 0 in hand'])
  t.ok(Number(sql(url, 'select count(*) from orders')) > 20)
  t.equal(
    sql(url, 'select count(*) from pg_stat_activity where client_port is not null and pid <> pg_backend_pid()'),
    '0',
    'no connection is left'
  )
})
