// A service that knows nothing of OpenTelemetry, which comes with
// `--require @opentelemetry/auto-instrumentations-node/register`.
const Fastify = require('fastify')
const graceful = require('fastify-graceful')

async function main () {
  const { sayHook, shop } = await import('./shop.js')
  const app = Fastify({ logger: true })
  app.register(graceful)
  app.addHook('onClose', async () => sayHook('onClose'))
  app.register(shop)
  await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
}

main()
