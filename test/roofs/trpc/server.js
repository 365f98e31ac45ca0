// tRPC over HTTP and WebSocket, as in docs/guides/recipes.md.
import { setTimeout as sleep } from 'node:timers/promises'
import { initTRPC } from '@trpc/server'
import { fastifyTRPCPlugin } from '@trpc/server/adapters/fastify'
import { applyWSSHandler } from '@trpc/server/adapters/ws'
import Fastify from 'fastify'
import graceful from 'fastify-graceful'
import { WebSocketServer } from 'ws'
import { sayHook, shop, work } from './shop.js'

const t = initTRPC.create()
const router = t.router({
  work: t.procedure.input(String).query(({ input }) => work(app, input)),
  ticks: t.procedure.subscription(async function * ({ signal }) {
    for (let tick = 0; !signal.aborted; tick++) {
      yield tick
      await sleep(500, undefined, { signal }).catch(() => {})
    }
  })
})

const app = Fastify({ logger: true })
app.register(graceful)
app.register(shop)
app.addHook('onClose', async () => sayHook('onClose'))
app.register(fastifyTRPCPlugin, { prefix: '/trpc', trpcOptions: { router } })

const wss = new WebSocketServer({ noServer: true })
applyWSSHandler({ wss, router, keepAlive: { enabled: true, pingMs: 30_000, pongWaitMs: 5000 } })
app.server.on('upgrade', (request, socket, head) => {
  wss.handleUpgrade(request, socket, head, (client) => wss.emit('connection', client, request))
})

await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
