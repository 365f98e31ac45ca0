import Fastify from 'fastify'
import graceful from 'fastify-graceful'
import shop from './app.js'

const app = Fastify({ logger: true })

// First, before everything else, so that it sees every request and its onClose hook runs last.
app.register(graceful)
app.register(shop)

await app.listen({ port: Number(process.env.PORT ?? 3000), host: process.env.HOST ?? '0.0.0.0' })
