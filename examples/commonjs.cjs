'use strict'

const Fastify = require('fastify')
const graceful = require('fastify-graceful')

const app = Fastify({ logger: true })
app.register(graceful)
app.get('/', async () => ({ hello: 'world' }))

app.listen({ port: Number(process.env.PORT ?? 3000), host: '0.0.0.0' }).catch((error) => {
  app.log.fatal(error)
  process.exit(1)
})
