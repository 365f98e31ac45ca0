// A gateway in front of the replicas of a service. It asks each for readiness, sends requests to those that are ready,
// and repeats none: whoever repeats a POST for its client may have it done twice.
//   node examples/gateway/server.js [file], a file of JSON with what is in `settings`
import { readFileSync } from 'node:fs'
import proxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import graceful from 'fastify-graceful'

const settings = {
  port: Number(process.env.PORT ?? 3000),
  upstreams: ['http://127.0.0.1:3001', 'http://127.0.0.1:3002'],
  /** Milliseconds from question to question; 0: nobody is asked, and all count as ready. */
  interval: 1000,
  ...process.argv[2] === undefined ? {} : JSON.parse(readFileSync(process.argv[2], 'utf8'))
}

const app = Fastify({ logger: { level: 'warn' } })
await app.register(graceful)

const ready = new Set(settings.upstreams)
let turn = 0

await app.register(proxy, {
  upstream: '',
  // By default a GET that was answered with 503 is sent up to ten times more.
  retryMethods: [],
  // Shorter than the service's keepAliveTimeout, which is 72 s: a connection that it closes is not used any more.
  undici: { keepAliveTimeout: 4000, keepAliveMaxTimeout: 60_000 },
  replyOptions: {
    getUpstream: () => {
      const fit = [...ready]
      return fit[turn++ % fit.length] ?? settings.upstreams[0]
    }
  }
})

/** The plugin takes who asks for readiness every 10 s or more often for a front end, and lets it know of the end. */
async function ask (upstream) {
  const answer = await fetch(`${upstream}/readyz`, {
    headers: { 'user-agent': 'gateway' }, signal: AbortSignal.timeout(5000)
  }).catch(() => undefined)
  await answer?.body?.cancel()
  if (answer?.status === 200) ready.add(upstream)
  else ready.delete(upstream)
}

let asking
app.addHook('onListen', async () => {
  if (settings.interval === 0) return
  asking = setInterval(() => settings.upstreams.forEach(ask), settings.interval)
})
app.addHook('onClose', () => clearInterval(asking))

await app.listen({ port: settings.port, host: '127.0.0.1' })
