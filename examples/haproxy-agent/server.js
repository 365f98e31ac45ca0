// A service that HAProxy asks by its agent-check. In haproxy.cfg:
//   server a 10.0.0.1:3000 check inter 1s rise 1 agent-check agent-port 3001 agent-inter 1s
import Fastify from 'fastify'
import graceful from 'fastify-graceful'
import haproxyAgent from './agent.js'

const app = Fastify({ logger: true })
await app.register(graceful)
await app.register(haproxyAgent, { port: Number(process.env.AGENT_PORT ?? 3001) })
app.get('/', async () => ({ hello: 'world' }))
await app.listen({ port: Number(process.env.PORT ?? 3000), host: '0.0.0.0' })
