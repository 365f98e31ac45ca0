// A service behind a balancer. SERVICE is JSON: `options` of the plugin, `protocol`, what it `brings`, and the files
// that it notes arrivals in and reads its certificate from. A request is known by the number in its query.
import { openSync, readFileSync, writeSync } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { LogController } from 'fastify'
import graceful from '../../../dist/index.js'

const { options, protocol, brings, agentPort, arrivals, certificate, fastify } = JSON.parse(process.env.SERVICE)
const name = process.env.REPLICA ?? String(process.pid)
const seen = openSync(arrivals, 'a')
const file = (path) => readFileSync(path)

const app = Fastify({
  logger: { level: 'info' },
  logController: new LogController({ disableRequestLogging: true }),
  ...fastify,
  ...protocol === 'h2c' ? { http2: true } : {},
  ...protocol === 'tls'
    ? { http2: true, https: { allowHTTP1: true, key: file(`${certificate}.key`), cert: file(`${certificate}.pem`) } }
    : {}
})

// Where the test run was killed, nobody else would end this process.
process.stdin.on('end', () => process.exit(1)).resume().unref()

await app.register(graceful, options)
if (brings === 'agent') {
  const { default: haproxyAgent } = await import('../../../examples/haproxy-agent/agent.js')
  await app.register(haproxyAgent, { port: agentPort, host: '127.0.0.1' })
}
if (brings === 'route') {
  // The recipe: a route of the application's own that HAProxy takes for a server that leaves, or for one that is down.
  app.get('/up', { config: { graceful: { probe: true } } }, async (request, reply) => {
    if (app.graceful.phase !== 'running') return reply.code(404).send('leaving')
    return await app.graceful.ready() ? 'ok' : reply.code(503).send('failing')
  })
}

app.addHook('onRequest', async ({ query: { id } }) => {
  if (id !== undefined) writeSync(seen, `${id} ${name}\n`)
})
app.addContentTypeParser('application/octet-stream', async (_request, payload) => {
  let bytes = 0
  for await (const chunk of payload) bytes += chunk.length
  return bytes
})

async function * lines () {
  for (let line = 0; line < 5; line++) {
    yield `line ${line}\n`
    await sleep(30)
  }
  yield 'end\n'
}

app.get('/who', { config: { graceful: { traffic: false, probe: false } } }, async () => name)
app.get('/', async () => 'ok')
app.get('/slow', async ({ query: { ms } }) => {
  await sleep(Number(ms ?? 50 + Math.random() * 250))
  return 'ok'
})
app.get('/stream', async (_request, reply) => reply.type('text/plain').send(Readable.from(lines())))
app.post('/', async ({ body }) => ({ bytes: body }))
// Comes, and is never answered: whoever repeats it is seen to.
app.route({ method: ['GET', 'POST'], url: '/break', handler: async ({ raw }) => { raw.socket.destroy() } })
app.get('/busy', async ({ query: { ms } }) => {
  // Holds the event loop, as a long turn does: what comes meanwhile is read later.
  for (const until = performance.now() + Number(ms); performance.now() < until;);
  return 'ok'
})

await app.listen({ port: Number(process.env.PORT), host: '0.0.0.0' })
