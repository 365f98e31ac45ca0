// socket.io on the server of the application, as in docs/guides/recipes.md.
import Fastify from 'fastify'
import graceful from 'fastify-graceful'
import { Server } from 'socket.io'
import { sayHook, shop, work } from './shop.js'

const app = Fastify({ logger: true })
await app.register(graceful)
app.register(shop)
app.addHook('onClose', async () => sayHook('onClose'))
app.get('/phase', async () => app.graceful.phase)

const io = new Server(app.server)
io.on('connection', (socket) => {
  socket.on('work', async (text, answer) => answer(await work(app, text)))
})
app.graceful.addHook('draining', () => {
  for (const client of Object.values(io.engine.clients)) {
    if (client.transport.name === 'polling') client.close()
  }
})

await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
