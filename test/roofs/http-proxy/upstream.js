// What stands behind the gateway, and is not updated.
import { setTimeout as sleep } from 'node:timers/promises'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import { shop } from './shop.js'

const app = Fastify()
await app.register(websocket)
app.get('/readyz', async () => 'ok')
app.get('/socket', { websocket: true }, (socket) => {
  socket.on('message', (text) => {
    sleep(Math.random() * 400).then(() => socket.send(text, { binary: false }))
  })
})
app.register(shop)
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
