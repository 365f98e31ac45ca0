// A plugin of Platformatic's service, which makes the application.
import graceful from 'fastify-graceful'
import { sayHook, shop } from '../shop.js'

export default async function (app) {
  app.register(graceful)
  app.addHook('onClose', async () => sayHook('onClose'))
  app.register(shop)
}
