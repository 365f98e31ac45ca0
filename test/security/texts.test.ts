import { EventEmitter, once } from 'node:events'
import Fastify from 'fastify'
import t from 'tap'
import graceful from '../../lib/index.ts'
import { token } from './fault-injection.ts'

const long = 'x'.repeat(1_000_000)
const authorization = `Bearer ${token}`

t.test("a text of the application's own is shown up to its thousandth character, whoever shows it", async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(graceful, { exit: false, crash: false, probes: { expose: true }, admin: { token } })
  const { graceful: service } = app
  service.addCheck('store', async () => { throw new Error(long) }, { ttl: 0 })
  service.addCheck('emoji', async () => { throw new Error('😀'.repeat(2000)) }, { ttl: 0 })
  for (let index = 0; index < 1100; index++) service.hold(`${index} ${long.slice(0, 3000)}`)
  const ends = new EventEmitter()
  service.waitUntil(once(ends, 'end'), { name: long })
  t.teardown(() => ends.emit('end'))
  service.stall(long, () => false)
  await app.ready()

  const ask = async (url: string): Promise<string> => (await app.inject({ url, headers: { authorization } })).body
  for (const url of ['/readyz', '/readyz/store', '/readyz?verbose']) {
    const body = await ask(url)
    t.ok(body.length < 5000, `${url} is ${body.length} characters long`)
  }
  t.match(await ask('/readyz/store'), /store failed: x{997}\.\.\.\n/)
  t.match(await ask('/readyz/emoji'), /emoji failed: (?:😀)+\.\.\.\n/u, 'no half character')

  const text = await ask('/-/status')
  t.ok(text.length < 1_100_000, `the status is ${text.length} characters long`)
  const status = JSON.parse(text)
  t.equal(status.holds.length, 1000)
  t.equal(status.holds[0].length, 1000)
  t.equal(status.work[0].length, 1000)
  t.equal(status.participants.at(-1).name.length, 1000)
  t.equal(status.checks.find(({ name }: { name: string }) => name === 'store').error.length, 1000)
})

t.test('a report names a hundred failures, each with a thousand characters', async (t) => {
  const app = Fastify()
  await app.register(graceful, { exit: false, crash: false, signals: { SIGTERM: false, SIGINT: false, SIGHUP: false } })
  let asked = 0
  app.graceful.stall('one that fails', () => { throw new Error(`${asked++} ${long.slice(0, 5000)}`) })
  for (let index = 0; index < 300; index++) {
    app.graceful.addHook('terminated', () => { throw new Error(`${index} ${long.slice(0, 5000)}`) }, { name: `hook ${index}` })
  }
  await app.ready()
  app.graceful.addHook('closing', () => { throw new Error('short') }, { name: long })
  await app.graceful.shutdown({ reason: long })
  const { reason, failures } = app.graceful.status().report!
  t.equal(reason.length, 1000)
  t.ok(failures.some(({ name }) => name.length === 1000), 'a name is no longer than that, either')
  t.equal(failures.length, 100)
  t.ok(failures.every(({ message }) => message.length <= 1000))
})
