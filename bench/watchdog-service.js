// A service that rests, with or without the watchdog: says what it took to start, and what it takes to rest.
import { setTimeout as sleep } from 'node:timers/promises'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import Fastify from 'fastify'

const threads = createRequire(import.meta.url)('node:worker_threads')
let held = 0
threads.Worker = class extends threads.Worker {
  constructor (...parameters) {
    const start = performance.now()
    super(...parameters)
    held += performance.now() - start
  }
}
syncBuiltinESMExports()
const { default: graceful } = await import('../dist/index.js')

const [watchdog, rest] = [JSON.parse(process.argv[2]), Number(process.argv[3])]
const app = Fastify()
const start = performance.now()
app.register(graceful, { watchdog })
app.get('/', async () => 'ok')
await app.listen({ port: 0, host: '127.0.0.1' })
const boot = performance.now() - start
// V8 tidies a new thread once, some eight seconds after its start.
globalThis.gc()
await sleep(14_000)
const before = process.cpuUsage()
const began = performance.now()
await sleep(rest)
const { user, system } = process.cpuUsage(before)
globalThis.gc()
await sleep(200)
process.send({
  boot,
  held,
  rss: process.memoryUsage.rss() / 2 ** 20,
  cpu: (user + system) / 10 / (performance.now() - began),
  ports: { 'application': app.server.address().port, 'watchdog': app.graceful.status().watchdog?.port }
})
process.on('message', ({ busy }) => {
  const end = Date.now() + busy
  // Turns, but never rests: 50 ms of work per turn.
  const turn = () => {
    for (const pause = Date.now() + 50; Date.now() < pause;) Math.random()
    if (Date.now() < end) setImmediate(turn)
  }
  setImmediate(turn)
  process.send({ busy })
})
