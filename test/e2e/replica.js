// One replica of the service that is updated under load. Plain JavaScript, because it runs as a process of its own on
// every supported Node, also where type stripping is not built in.
//
// Environment: SHUTDOWN=graceful|plain, PORT (absent: any free one), REPLICA (its name), and what Kubernetes would set.
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { LogController } from 'fastify'

const app = Fastify({ logger: { level: 'info' }, logController: new LogController({ disableRequestLogging: true }) })
const name = process.env.REPLICA ?? 'replica'

// Where the test run was killed, nobody else would end this process.
process.stdin.on('end', () => process.exit(1)).resume().unref()

if (process.env.SHUTDOWN === 'plain') {
  process.once('SIGTERM', () => {
    app.close().finally(() => process.exit(0))
  })
} else {
  const { default: graceful } = await import('../../dist/index.js')
  await app.register(graceful)
}

app.addContentTypeParser('application/octet-stream', async (_request, payload) => {
  let bytes = 0
  for await (const chunk of payload) bytes += chunk.length
  return bytes
})

async function* lines (count, gap) {
  for (let line = 1; line <= count; line++) {
    yield `line ${String(line).padStart(3, '0')} of ${name}\n`
    await sleep(gap)
  }
  yield 'end\n'
}

app.get('/', async () => ({ replica: name }))

app.get('/slow', async (request) => {
  await sleep(Math.min(Number(request.query.ms) || 50, 500))
  return { replica: name }
})

app.get('/very-slow', async () => {
  await sleep(4000)
  return { replica: name }
})

app.get('/stream', async (request, reply) => {
  const count = 10
  if (request.query.length !== undefined) {
    reply.header('content-length', count * `line 000 of ${name}\n`.length + 'end\n'.length)
  }
  return reply.type('text/plain').send(Readable.from(lines(count, 30)))
})

app.post('/upload', async (request) => ({ replica: name, bytes: request.body }))

app.get('/crash', async () => {
  setImmediate(() => { throw new Error('on purpose') })
  return { replica: name }
})

await app.listen({ port: Number(process.env.PORT ?? 0), host: '127.0.0.1' })
app.log.info({ event: 'replica.listening', port: app.server.address().port }, 'replica listens')
