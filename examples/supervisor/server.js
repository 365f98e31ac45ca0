// A service for `fastify-graceful run`. It is what it would be without: the plugin registered, `listen` called.
//
//   npx fastify-graceful run --workers 2 --status-port 9000 examples/supervisor/server.js
//   kill -HUP <pid of the supervisor>     replaces both processes under load
//   curl localhost:9000/readyz
import Fastify from 'fastify'
import graceful from 'fastify-graceful'

const app = Fastify({ logger: true })
await app.register(graceful)

app.get('/', async () => ({ hello: 'world', pid: process.pid }))

await app.listen({ port: Number(process.env.PORT ?? 3000), host: '127.0.0.1' })
