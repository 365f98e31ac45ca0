// A service as somebody develops it: the plugin is one line, and nothing is set. Its streams and WebSockets never end.
import websocket from '@fastify/websocket'
import graceful from 'fastify-graceful'
import { Readable } from 'node:stream'
import { setInterval as every, setTimeout as sleep } from 'node:timers/promises'
import { answer } from './answer.js'

async function * beats () {
  for await (const _ of every(50)) yield 'data: beat\n\n'
}

export default async function (app, _options) {
  await app.register(graceful)
  await app.register(websocket)
  app.get('/', async () => answer)
  app.get('/pid', async () => process.pid)
  app.get('/slow', async () => {
    await sleep(300)
    return 'whole'
  })
  app.get('/never', () => new Promise(() => {}))
  app.get('/events', (_request, reply) => reply.type('text/event-stream').send(Readable.from(beats())))
  app.get('/feed', { websocket: true }, (socket) => {
    const timer = setInterval(() => socket.send('beat'), 50)
    socket.once('close', () => clearInterval(timer))
  })
}
