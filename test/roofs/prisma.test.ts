import { execFileSync } from 'node:child_process'
import t from 'tap'
import { cleanEnv } from '../support/clean-env.ts'
import { createOrders, sql, startPostgres } from './support/databases.ts'
import { install, versionOf } from './support/install.ts'
import { hooksOf, lostNothing, update } from './support/update.ts'

t.setTimeout(600_000)

// Scenario, too: A pool of PostgreSQL's connections, and Prisma
t.test('Prisma over pg: every query and transaction meets an open client', async (t) => {
  const [folder, url] = await Promise.all([install('prisma'), startPostgres(t)])
  t.comment(`prisma ${versionOf(folder, 'prisma')}`)
  // The engine for migrations is a download, and is not needed: the client has its compiler of queries as WebAssembly
  // in the package.
  execFileSync('env', [
    ...cleanEnv, 'PRISMA_SCHEMA_ENGINE_BINARY=/bin/true', process.execPath,
    'node_modules/prisma/build/index.js', 'generate', '--schema', 'schema.prisma'
  ], { cwd: folder, stdio: 'pipe' })
  await createOrders(url)
  const outcome = await update({
    service: () => ({ folder, command: ['node', 'server.js'], env: { DATABASE_URL: url } })
  })
  lostNothing(t, outcome)
  t.same(hooksOf(outcome.old), ['onClose with 0 in hand', '$disconnect with 0 in hand'])
  t.ok(Number(sql(url, 'select count(*) from orders')) > 20)
  t.equal(
    sql(url, 'select count(*) from pg_stat_activity where client_port is not null and pid <> pg_backend_pid()'),
    '0',
    'no connection is left'
  )
})
