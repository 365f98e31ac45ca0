// A service that one thing holds, which ends 700 ms after SIGTERM, and which tells when that was.
//   node bench/ends-server.js request|participant|work|hook|onClose [requests]
import Fastify from 'fastify'
import { writeSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import graceful from '../dist/index.js'

const [holder, requests = '0'] = process.argv.slice(2)
const lasting = 700
const app = Fastify()
let over = false
let inFlight = 0
let release
const released = new Promise(resolve => { release = resolve })

let last
function note () { last = performance.timeOrigin + performance.now() }
// Once: a thousand lines are more than a socket takes from one who does not wait.
process.on('exit', () => writeSync(1, `${last}\n`))

function end () {
  over = true
  release()
  note()
}

const hold = () => sleep(lasting).then(end)

// Its own listener of SIGTERM ends what is in hand.
app.register(graceful, { otherListeners: 'beside', drain: { idle: 500 } })
app.get('/', async (request, reply) => {
  if (++inFlight === Number(requests)) process.send('ready')
  reply.raw.once('finish', note)
  await released
  return 'ok'
})
app.after(() => {
  if (holder === 'participant') app.graceful.stall('bench', () => !over)
  if (holder === 'hook') app.graceful.addHook('draining', hold, { name: 'bench' })
  if (holder === 'onClose') app.addHook('onClose', hold)
})
process.once('SIGTERM', () => {
  if (holder === 'work') app.graceful.waitUntil(hold(), { name: 'bench' })
  else if (holder === 'request' || holder === 'participant') setTimeout(end, lasting)
})
await app.listen({ port: 0, host: '127.0.0.1' })
process.send({ port: app.server.address().port })
if (holder !== 'request') process.send('ready')
