// An application for `fastify start`, as fastify-cli comes.
import graceful from 'fastify-graceful'
import { sayHook, shop } from './shop.js'

export default async function (app, _options) {
  app.register(graceful)
  app.addHook('onClose', async () => sayHook('onClose'))
  app.register(shop)
}
