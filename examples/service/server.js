import Fastify from 'fastify'
import graceful from 'fastify-graceful'
import shop from './app.js'

const app = Fastify({ logger: true })

// First, before everything else, so that it sees every request and its onClose hook runs last.
app.register(graceful)
app.register(shop)

const port = Number(process.env.PORT ?? 3000)
try {
  // All addresses, of IPv6 and IPv4.
  await app.listen({ port, host: process.env.HOST ?? '::' })
} catch (error) {
  // Where the kernel has no IPv6, those of IPv4.
  if (process.env.HOST !== undefined || !['EAFNOSUPPORT', 'EADDRNOTAVAIL'].includes(error.code)) throw error
  await app.listen({ port, host: '0.0.0.0' })
}
