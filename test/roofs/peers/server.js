// A service that has the plugin, and still another package that ends it, set up as that one's documentation says.
import Fastify from 'fastify'
import graceful from 'fastify-graceful'
import { sayHook, shop } from './shop.js'

/** What each package is given, and what is done once the service listens. */
const peers = {
  async '@godaddy/terminus' ({ server }) {
    const { createTerminus } = await import('@godaddy/terminus')
    createTerminus(server, { signal: 'SIGTERM', timeout: 3000, onSignal: async () => sayHook('onSignal') })
  },
  async '@gquittet/graceful-server' ({ server }) {
    const { default: createServer } = await import('@gquittet/graceful-server')
    const peer = createServer(server, { closePromises: [async () => sayHook('closePromise')] })
    return () => peer.setReady()
  },
  async 'http-graceful-shutdown' ({ server }) {
    const { default: endGracefully } = await import('http-graceful-shutdown')
    endGracefully(server, { timeout: 3000, onShutdown: async () => sayHook('onShutdown') })
  },
  async 'http-shutdown' ({ server }) {
    const { default: extend } = await import('http-shutdown')
    extend(server)
    process.on('SIGTERM', () => server.shutdown(() => process.exit(0)))
  },
  async 'http-terminator' ({ server }) {
    const { createHttpTerminator } = await import('http-terminator')
    const terminator = createHttpTerminator({ server })
    process.on('SIGTERM', () => { void terminator.terminate().then(() => process.exit(0)) })
  },
  async killable ({ server }) {
    const { default: extend } = await import('killable')
    extend(server)
    process.on('SIGTERM', () => server.kill(() => process.exit(0)))
  },
  async lightship (app) {
    const { createLightship } = await import('lightship')
    const lightship = await createLightship({ port: 0, detectKubernetes: false, shutdownDelay: 500 })
    lightship.registerShutdownHandler(async () => {
      sayHook('shutdownHandler')
      await app.close()
    })
    return () => lightship.signalReady()
  },
  async stoppable ({ server }) {
    const { default: extend } = await import('stoppable')
    extend(server, 1000)
    process.on('SIGTERM', () => server.stop(() => process.exit(0)))
  }
}

const app = Fastify({ logger: true })
await app.register(graceful)
app.register(shop)
const ready = await peers[process.env.PEER](app)
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
ready?.()
