// A server that holds many connections and tells its memory, its longest event-loop turn and when phase 1 was over.
import Fastify from 'fastify'
import { writeSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

const [variant, idle, requests] = process.argv.slice(2)
const now = () => performance.timeOrigin + performance.now()
const longest = { turn: 0, processor: 0 }
const app = Fastify()
let announced
let inFlight = 0

if (variant === 'ours') {
  const { default: graceful } = await import('../dist/index.js')
  app.register(graceful, { drain: { idle: Number(idle) } })
  app.after(() => app.graceful.addHook('closing', async () => { announced = now() }, { name: 'bench' }))
}
app.get('/', async () => ({ ok: true }))
app.get('/slow', async () => {
  if (++inFlight === Number(requests)) process.send({ allInFlight: true })
  await sleep(3000)
  return { ok: true }
})
await app.listen({ port: 0, host: '127.0.0.1' })

/** Follows every turn: how long it was, and how much of that this process had a processor. */
function watchTurns () {
  let at = performance.now()
  let used = process.cpuUsage()
  setImmediate(function next () {
    const { user, system } = process.cpuUsage(used)
    longest.turn = Math.max(longest.turn, performance.now() - at)
    longest.processor = Math.max(longest.processor, (user + system) / 1000)
    at = performance.now()
    used = process.cpuUsage()
    setImmediate(next)
  })
}

async function answer (question) {
  if (question === 'memory') {
    for (let round = 0; round < 3; round++) {
      globalThis.gc()
      await sleep(50)
    }
    process.send({ heapUsed: process.memoryUsage().heapUsed })
  } else {
    watchTurns()
    process.send({ watching: true })
  }
}

process.on('message', question => { void answer(question) })
process.on('exit', () => writeSync(1, JSON.stringify({ announced, exited: now(), longest })))
process.send({ port: app.server.address().port })
