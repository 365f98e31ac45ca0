import Fastify from 'fastify'
import app from './app.js'

const fastify = Fastify({ logger: true })
await fastify.register(app)
await fastify.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
