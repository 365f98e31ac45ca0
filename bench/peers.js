// Every way down that the rolling update compares. `documented` is what the package's README shows for Fastify or a
// Node server; with a delay, everything happens that much later and no timeout of the package cuts a request.
import { setTimeout as sleep } from 'node:timers/promises'

const patience = 25_000

function onTerm (shutDown) {
  process.once('SIGTERM', () => { void shutDown() })
}

export const peers = {
  'plain close': {
    async setUp (app, delay) {
      onTerm(async () => {
        await sleep(delay)
        await app.close()
        process.exit()
      })
    }
  },

  'close-with-grace': {
    async setUp (app, delay) {
      const { default: closeWithGrace } = await import('close-with-grace')
      closeWithGrace(delay ? { delay: delay + patience } : {}, async () => {
        await sleep(delay)
        await app.close()
      })
    }
  },

  'fastify-graceful-shutdown': {
    async setUp (app, delay) {
      const { default: plugin } = await import('fastify-graceful-shutdown')
      app.register(plugin, delay ? { timeout: delay + patience } : {})
      app.after(() => app.gracefulShutdown(() => sleep(delay)))
    }
  },

  // Its hooks are synchronous, so a delay has to be put before the close that it calls.
  '@dnlup/fastify-traps': {
    async setUp (app, delay) {
      const { default: plugin } = await import('@dnlup/fastify-traps')
      const { close } = app
      if (delay) app.close = () => sleep(delay).then(() => close.call(app))
      app.register(plugin)
    }
  },

  'http-terminator': {
    async setUp (app, delay) {
      const { createHttpTerminator } = await import('http-terminator')
      const patient = delay ? { gracefulTerminationTimeout: patience } : {}
      const terminator = createHttpTerminator({ server: app.server, ...patient })
      onTerm(async () => {
        await sleep(delay)
        await terminator.terminate()
        await app.close()
      })
    }
  },

  'http-graceful-shutdown': {
    async setUp (app, delay) {
      const { default: gracefulShutdown } = await import('http-graceful-shutdown')
      const onShutdown = () => app.close()
      gracefulShutdown(app.server, delay
        ? { onShutdown, preShutdown: () => sleep(delay), timeout: delay + patience }
        : { onShutdown })
    }
  },

  stoppable: {
    async setUp (app, delay) {
      const { default: stoppable } = await import('stoppable')
      stoppable(app.server)
      onTerm(async () => {
        await sleep(delay)
        app.server.stop(() => app.close())
      })
    }
  },

  '@godaddy/terminus': {
    async setUp (app, delay) {
      const { createTerminus } = await import('@godaddy/terminus')
      const onSignal = () => app.close()
      createTerminus(app.server, delay
        ? { onSignal, beforeShutdown: () => sleep(delay), useExit0: true, timeout: patience }
        : { onSignal })
    }
  },

  'fastify-graceful': {
    ours: true,
    async setUp (app) {
      const { default: graceful } = await import('../dist/index.js')
      app.register(graceful)
    }
  }
}
