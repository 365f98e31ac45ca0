// The service in Watt, which closes it in the thread of a worker.
import Fastify from 'fastify'
import { routes } from '../../../hosted.js'

export async function create () {
  const app = Fastify({ loggerInstance: globalThis.platformatic.logger.child({}, { level: 'info' }) })
  app.register(await routes())
  return app
}
