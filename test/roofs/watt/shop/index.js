// A service of Watt's, which closes the application itself, in the thread of a worker.
import Fastify from 'fastify'
import graceful from 'fastify-graceful'
import { sayHook, shop } from '../shop.js'

export async function create () {
  const app = Fastify({ loggerInstance: globalThis.platformatic.logger.child({}, { level: 'info' }) })
  app.register(graceful)
  app.addHook('onClose', async () => sayHook('onClose'))
  app.register(shop)
  return app
}
