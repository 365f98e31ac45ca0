// The service of the matrix: what is in flight, and what the process is made to do. What counts is written to the file
// FACTS past every buffer, so that it is there however the process ends.
import { appendFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import websocket from '@fastify/websocket'

const note = text => appendFileSync(process.env.FACTS, `${text}\n`)
const soon = act => {
  setTimeout(() => act(), 50)
  return 'done'
}

async function * chunks (count, pause) {
  for (let index = 0; index < count; index++) {
    yield `data: ${index}\n\n`
    await sleep(pause)
  }
  yield 'done'
}

export default async function routes (app) {
  let background
  note(`pid ${process.pid}`)
  app.addHook('onClose', async () => {
    await background
    for (let line = 0; line < 100; line++) app.log.info(`line ${line} of the clean-up`)
    app.log.info('the last line')
    note('closed')
  })
  // What hangs holds the event loop, as a connection that never closes does.
  if (process.env.HANG) app.addHook('onClose', () => new Promise(() => setInterval(() => {}, 1000)))
  await app.register(websocket)
  app.addHook('onRequest', async request => { note(`request ${request.url}`) })
  note('opened')
  await sleep(Number(process.env.BOOT ?? 0))

  app.get('/immediate', async () => 'done')
  app.get('/slow', async () => {
    await sleep(2000)
    return 'done'
  })
  app.get('/chunks', (request, reply) => reply.type('text/plain').send(Readable.from(chunks(20, 100))))
  app.post('/upload', async () => 'done')
  app.get('/never', () => new Promise(() => {}))
  // `stream` is how a service tells the plugin that a reply never ends by itself. Others have nothing of the kind.
  app.get('/events', { config: { graceful: { stream: true } } }, (request, reply) =>
    reply.type('text/event-stream').send(Readable.from(chunks(Infinity, 200))))
  app.get('/socket', { websocket: true }, () => {})
  app.get('/work', async () => {
    background = sleep(1000).then(() => note('worked'))
    return 'done'
  })
  app.get('/block', async () => soon(() => { for (;;); }))
  app.get('/throw', async () => soon(() => { throw new Error('thrown on purpose') }))
  app.get('/exit', async () => soon(() => process.exit()))
  app.get('/close', async () => soon(() => { void app.close() }))
}
