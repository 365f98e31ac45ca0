// A service of systemd's: it listens on the socket that systemd has opened for it, where there is one (shop.socket), so
// that whoever connects while it restarts waits there. That it is ready, and all else, the plugin says by itself.
import Fastify from 'fastify'
import graceful from 'fastify-graceful'

const app = Fastify({ logger: true })
await app.register(graceful)
app.get('/', async () => ({ hello: 'world' }))

// systemd passes descriptors from 3 on. With a `host`, Fastify looks for no second address.
const host = process.env.HOST ?? '127.0.0.1'
const passed = (process.env.LISTEN_FDNAMES ?? '').split(':').indexOf('shop.socket')
await app.listen(passed >= 0 ? { fd: 3 + passed, host } : { port: Number(process.env.PORT ?? 3000), host })
