import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import graceful from '../../lib/index.ts'
import type { GracefulOptions } from '../../lib/index.ts'

interface Service {
  app: FastifyInstance
  database: { reachable: boolean, asked: number }
  get: (path: string) => Promise<number>
  value: (metric: string) => Promise<string | undefined>
}

/** A service whose database may be gone, with health routes of its own. */
async function serve (t: Test, options: GracefulOptions, reachable: boolean): Promise<Service> {
  const app = Fastify()
  t.teardown(async () => app.close())
  await app.register(
    graceful,
    { exit: false, signals: { SIGTERM: false, SIGINT: false, SIGHUP: false }, crash: false, ...options }
  )
  const database = { reachable, asked: 0 }
  app.graceful.addCheck('database', async () => {
    database.asked++
    if (!database.reachable) throw new Error('connect ECONNREFUSED')
  }, { ttl: 50 })
  app.get('/last', async (_request, reply) => reply.code(app.graceful.status().ready ? 200 : 503).send())
  app.get('/asked', async (_request, reply) => reply.code(await app.graceful.ready() ? 200 : 503).send())
  const address = await app.listen({ port: 0 })
  const fetched = async (path: string): Promise<Response> => fetch(address + path, { headers: { connection: 'close' } })
  return {
    app,
    database,
    async get (path) {
      const response = await fetched(path)
      await response.arrayBuffer()
      return response.status
    },
    async value (metric) {
      return new RegExp(`^${metric} (.+)$`, 'm').exec(await (await fetched('/-/metrics')).text())?.[1]
    }
  }
}

async function until (condition: () => Promise<boolean>): Promise<boolean> {
  for (let attempt = 0; attempt < 60; attempt++) {
    if (await condition()) return true
    await new Promise((resolve) => { setTimeout(resolve, 25) })
  }
  return false
}

// Scenario (Health): A health route of one's own, without any probe of the plugin: a failure at boot, a later one
t.test('whoever shows readiness shows a fresh one, where no probe of the plugin is asked', async (t) => {
  const rows: Array<[name: string, options: GracefulOptions, ask: (service: Service) => Promise<boolean>]> = [
    ['a health route that answers ready()',
      { probes: false }, async ({ get }) => await get('/asked') === 200],
    ['a health route that answers status().ready',
      { probes: false }, async ({ get }) => await get('/last') === 200],
    ['the public status',
      { probes: false }, async ({ app }) => (await app.inject('/-/status')).json<{ ready: boolean }>().ready],
    ['the metric, with TCP checks in front',
      { metrics: true }, async ({ value }) => await value('fastify_graceful_ready') === '1'],
    ['status(), read in the process',
      { probes: false, admin: false }, async ({ app }) => app.graceful.status().ready]
  ]
  for (const [name, options, ask] of rows) {
    await t.test(name, async (t) => {
      const service = await serve(t, options, false)
      t.notOk(await ask(service), 'a failure at boot shows')
      service.database.reachable = true
      t.ok(await until(async () => ask(service)), 'and is over when it is over')
      service.database.reachable = false
      t.ok(await until(async () => !await ask(service)), 'a later failure shows')
      service.database.reachable = true
      t.ok(await until(async () => ask(service)), 'and is over as well')
    })
  }
})

t.test('ready() runs each check as a probe does', async (t) => {
  const { app, database } = await serve(t, { probes: false }, true)
  await until(async () => database.asked > 0)
  await new Promise((resolve) => { setTimeout(resolve, 60) })
  const before = database.asked
  t.strictSame(
    await Promise.all([app.graceful.ready(), app.graceful.ready(), app.graceful.ready()]),
    [true, true, true]
  )
  t.equal(database.asked, before + 1, 'once for all who ask at the same time')
  // A result may grow old between the two questions where this process does not get to run; then they are asked anew.
  let again: boolean | undefined
  for (let attempt = 0; again === undefined && attempt < 100; attempt++) {
    database.reachable = true
    await new Promise((resolve) => { setTimeout(resolve, 60) })
    const asked = performance.now()
    await app.graceful.ready()
    database.reachable = false
    const isReady = await app.graceful.ready()
    if (performance.now() - asked < 50) again = isReady
  }
  t.equal(again, true, 'not again within ttl')
  await new Promise((resolve) => { setTimeout(resolve, 60) })
  t.equal(await app.graceful.ready(), false, 'the answer is that of this very moment')
  const hold = app.graceful.hold('by hand')
  database.reachable = true
  await new Promise((resolve) => { setTimeout(resolve, 60) })
  t.equal(await app.graceful.ready(), false, 'a hold counts')
  hold.release()
  t.equal(await app.graceful.ready(), true)
  const closed = app.close()
  t.equal(await app.graceful.ready(), false, 'the end counts')
  await closed
})
