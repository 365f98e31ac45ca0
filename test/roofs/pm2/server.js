// A service for pm2, alone or as one of a cluster's workers.
import Fastify from 'fastify'
import graceful from 'fastify-graceful'
import { sayHook, shop } from './shop.js'

const app = Fastify({ logger: true })
app.register(graceful)
app.addHook('onClose', async () => sayHook('onClose'))
app.register(shop)
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
