// One replica of the shop, as the demo starts it: `node replica.js graceful` or `node replica.js plain`.
import Fastify from 'fastify'
import graceful from 'fastify-graceful'
import shop from '../service/app.js'
import { plainClose } from './plain.js'
import { settings } from './settings.js'

const app = Fastify({ logger: { level: 'warn' } })

// By a line of its output, not by `GET /-/status`: once the listener is closed no question comes in, and that time is to
// be seen.
const report = () => {
  const { phase } = app.graceful
  process.stdout.write(`${JSON.stringify({ event: 'demo.phase', time: Date.now(), phase })}\n`)
}

if (process.argv[2] === 'plain') {
  await app.register(plainClose)
} else {
  await app.register(graceful, {
    announce: { min: settings.announceMin },
    drain: { idle: settings.drainIdle }
  })
  // Both can be too short to be met by chance.
  app.graceful.addHook('closing', report)
  app.graceful.addHook('draining', report)
}
app.register(shop)

await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
setInterval(report, 50).unref()

// However the demo ends, its replicas end with it: nobody reads what they say, and their input is at its end.
process.stdout.on('error', () => process.exit())
process.stdin.once('end', () => process.exit()).resume().unref()
