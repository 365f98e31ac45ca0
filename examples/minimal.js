import Fastify from 'fastify'
import graceful from 'fastify-graceful'

const app = Fastify({ logger: true })
app.register(graceful)
app.get('/', async () => ({ hello: 'world' }))
await app.listen({ port: Number(process.env.PORT ?? 3000), host: '0.0.0.0' })
