// One server of a pair: hello world, set up by a variant. Tells its own processor time when asked.
//   node [--expose-gc] bench/cpu-server.js variant [fresh|lived-in|served] [none|plain|held] [module]...
// 'lived-in': V8 inlines `emit` everywhere only in a process that has hardly emitted anything when the load begins.
// Eight signal listeners or 25 empty modules are enough to lose that, and four percent more is allocated per
// request; every real service has.
// Node sets every emitter up in one function, which V8 makes fast for up to four classes of emitters. A session, a
// stream, a request and a reply of HTTP/2 are four, and bare Fastify has no fifth one. A service has: a pool, a client,
// the stream of a logger. So a lived-in server has met eight.
// 'served': and it has served another application before.
// 'held', 'plain': all garbage is collected before the load begins. V8 does that for the first time when some 14 MB
// are in use, for a service with a few more modules as its boot ends. Bare Fastify alone gets there by its first
// requests only, which makes it five percent faster for good (Node 20): then two servers differ by when that is, not
// by what they do for a request. The collection also costs a server the shape of its ticks, and a sixth of its speed
// with it, unless somebody holds one, as the plugin does: with 'held' somebody does in either server, so that this
// does not count for the plugin; with 'plain' it does.
// Modules are loaded first, as a service has: with a framework's V8 collects garbage before the load without being
// told.
import { executionAsyncResource } from 'node:async_hooks'
import { Agent, IncomingMessage, Server, ServerResponse } from 'node:http'
import { Server as Listener, Socket } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import Fastify from 'fastify'
import { pathToFileURL } from 'node:url'
import { liveEarlier } from './earlier-life.js'

for (const module of process.argv.slice(5)) await import(module)
const { default: setUp } = await import(pathToFileURL(process.argv[2]).href)
const life = process.argv[3] ?? 'fresh'
const collection = process.argv[4] ?? 'none'
const held = []
if (collection === 'held') process.nextTick(() => held.push(executionAsyncResource()))
if (life !== 'fresh') {
  for (const signal of ['SIGUSR2', 'SIGPIPE', 'SIGVTALRM', 'SIGALRM', 'SIGWINCH', 'SIGCONT', 'SIGIO', 'SIGURG']) {
    process.on(signal, () => {})
  }
  // Often enough for V8 to have taken note.
  for (let turn = 0; turn < 100; turn++) {
    const socket = new Socket()
    const message = new IncomingMessage(socket)
    void [message, new ServerResponse(message), new Agent()]
    void [new Server(), new Listener(), new Readable(), new PassThrough()]
  }
}
if (life === 'served') await liveEarlier()
// With NODE_ENV=production the plugin starts its watchdog by itself.
const app = Fastify(process.env.BENCH_PROTOCOL === 'http2' ? { http2: true } : {})
await setUp(app)
app.get('/', async () => ({ hello: 'world' }))
await app.listen({ port: 0, host: '127.0.0.1' })
if (collection !== 'none') globalThis.gc()

process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send({ microseconds: user + system })
})
// Not by a signal: a profile is written only by a process that ends itself.
process.on('disconnect', () => process.exit())
process.send({ port: app.server.address().port })
