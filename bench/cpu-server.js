// One server of a pair: hello world, set up by a variant. Tells its own processor time when asked.
//   node [--expose-gc] bench/cpu-server.js variant [fresh|lived-in|served]
// 'lived-in': V8 inlines `emit` everywhere only in a process that has hardly emitted anything when the load begins. Eight signal
// listeners or 25 empty modules are enough to lose that, and four percent more is allocated per request; every real service has.
// 'served': and it has served another application before.
// With --expose-gc all garbage is collected before the load begins. V8 does that for the first time when some 14 MB are in use,
// for most services as their boot ends or soon after. Bare Fastify alone gets there by its first requests only, which makes it four
// percent faster for good (Node 20): then both servers would differ by when that is, not by what they do for a request.
import Fastify from 'fastify'
import { pathToFileURL } from 'node:url'
import { liveEarlier } from './earlier-life.js'

const { default: setUp } = await import(pathToFileURL(process.argv[2]).href)
const life = process.argv[3] ?? 'fresh'
if (life !== 'fresh') {
  for (const signal of ['SIGUSR2', 'SIGPIPE', 'SIGVTALRM', 'SIGALRM', 'SIGWINCH', 'SIGCONT', 'SIGIO', 'SIGURG']) process.on(signal, () => {})
}
if (life === 'served') await liveEarlier()
const app = Fastify()
await setUp(app)
app.get('/', async () => ({ hello: 'world' }))
await app.listen({ port: 0, host: '127.0.0.1' })
globalThis.gc?.()

process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send({ microseconds: user + system })
})
// Not by a signal: a profile is written only by a process that ends itself.
process.on('disconnect', () => process.exit())
process.send({ port: app.server.address().port })
