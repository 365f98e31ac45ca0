// A gateway: everything goes to the service behind it, some of it by the one plugin, some by the other.
import proxy from '@fastify/http-proxy'
import replyFrom from '@fastify/reply-from'
import Fastify from 'fastify'
import graceful from 'fastify-graceful'
import { count, sayHook } from './shop.js'

const app = Fastify({ logger: true })
app.register(graceful)
count(app.server)
app.addHook('onClose', async () => sayHook('onClose'))
app.register(async (scope) => {
  scope.register(replyFrom, { base: process.env.UPSTREAM })
  scope.post('/echo', (_request, reply) => reply.from('/echo'))
})
app.register(proxy, { upstream: process.env.UPSTREAM, websocket: true, httpMethods: ['GET', 'HEAD', 'PUT', 'DELETE'] })
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
