// A service with one of the packages of peers.js: `node service.js NAME`. The routes are those of the module ROUTES.
import Fastify from 'fastify'
import { peers } from './peers.js'
import { routes, settings } from './hosted.js'

const peer = peers[process.argv[2]]
const { logger, times } = settings()
const app = Fastify({ logger, ...peer.fastify })
await peer.setUp(app, times)
app.register(await routes())
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
peer.listening?.(app)
