// The shop without the plugin: `app.close()` on SIGTERM. What its routes use of the plugin does here what can be done
// without it.
import Fastify from 'fastify'
import shop from '../service/app.js'

const app = Fastify({ logger: true })
const closing = new AbortController()

app.decorate('graceful', { addCheck () {}, waitUntil () {} })
app.decorateRequest('drainSignal', { getter: () => closing.signal })
// An event stream that nobody ends would hold close() until SIGKILL. It is ended here, so that the comparison is fair.
app.addHook('preClose', async () => closing.abort())
app.register(shop)

process.once('SIGTERM', () => {
  app.close().finally(() => process.exit())
})

await app.listen({ port: Number(process.env.PORT ?? 3000), host: process.env.HOST ?? '127.0.0.1' })
