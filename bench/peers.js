// Every way down that the benches compare, as its README sets it up for Fastify or a Node server. `delay` is put before
// the close, and `timeout` is given as the package's own where it has one; without it the package's default stays.
// A package with `ownDelay` has a delay of its own in its README, for a balancer that is late.
import { setTimeout as sleep } from 'node:timers/promises'

/** A second signal changes nothing: `once` alone would let it kill the process. */
function onSignal (shutDown) {
  let closing
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => { closing ??= shutDown() })
}

export const peers = {
  'plain close': {
    setUp (app, { delay }) {
      onSignal(async () => {
        await sleep(delay)
        await app.close()
        process.exit()
      })
    }
  },

  // Fastify's own shutdown with all that it has for it. While `preClose` hooks run, the listener is open, requests are
  // answered as ever (`return503OnClosing: false`) and each answer says `Connection: close`, so that kept connections
  // wind down. `'idle'` is the default of Fastify: `true` would cut requests, `false` would wait for idle connections.
  // `keepAliveTimeout` stays 72 s, as it has to be longer than the balancer's.
  'fastify close': {
    title: 'Fastify\'s own close, best settings',
    onlyDelayed: true,
    fastify: { return503OnClosing: false, forceCloseConnections: 'idle' },
    ownDelay: true,
    setUp (app, { delay, timeout = delay + 25_000 }) {
      app.addHook('preClose', () => sleep(delay))
      onSignal(async () => {
        setTimeout(() => process.exit(1), timeout).unref()
        await app.close()
        process.exit()
      })
    }
  },

  'close-with-grace': {
    package: true,
    async setUp (app, { delay, timeout }) {
      const { default: closeWithGrace } = await import('close-with-grace')
      closeWithGrace(timeout ? { delay: timeout } : {}, async () => {
        await sleep(delay)
        await app.close()
      })
    }
  },

  'fastify-graceful-shutdown': {
    package: true,
    async setUp (app, { delay, timeout }) {
      const { default: plugin } = await import('fastify-graceful-shutdown')
      app.register(plugin, timeout ? { timeout } : {})
      app.after(() => app.gracefulShutdown(() => sleep(delay)))
    }
  },

  // Its hooks are synchronous, so a delay has to be put before the close that it calls.
  '@dnlup/fastify-traps': {
    package: true,
    async setUp (app, { delay, timeout }) {
      const { default: plugin } = await import('@dnlup/fastify-traps')
      delayClose(app, delay)
      app.register(plugin, timeout ? { timeout } : {})
    }
  },

  '@mgcrea/fastify-graceful-exit': {
    package: true,
    async setUp (app, { delay, timeout }) {
      const { default: plugin } = await import('@mgcrea/fastify-graceful-exit')
      delayClose(app, delay)
      app.register(plugin, timeout ? { timeout } : {})
    }
  },

  '@gquittet/graceful-server': {
    package: true,
    ownDelay: true,
    // Its `timeout` is a delay, after which `closePromises` run; with `kubernetes` it serves meanwhile.
    async setUp (app, { delay }) {
      const { default: GracefulServer } = await import('@gquittet/graceful-server')
      const late = delay ? { timeout: delay, kubernetes: true } : {}
      app.gracefulServer = GracefulServer(app.server, { closePromises: [() => app.close()], ...late })
    },
    listening: app => app.gracefulServer.setReady()
  },

  lightship: {
    package: true,
    // Its own default in Kubernetes is 5 s.
    onlyDelayed: true,
    ownDelay: true,
    newerNode: true,
    async setUp (app, { delay, timeout }) {
      const { createLightship } = await import('lightship')
      app.lightship = await createLightship({
        port: 0,
        shutdownDelay: delay,
        ...timeout && { shutdownHandlerTimeout: timeout - delay, gracefulShutdownTimeout: timeout }
      })
      app.lightship.registerShutdownHandler(() => app.close())
    },
    listening: app => app.lightship.signalReady()
  },

  'http-terminator': {
    package: true,
    async setUp (app, { delay, timeout }) {
      const { createHttpTerminator } = await import('http-terminator')
      const patience = timeout && { gracefulTerminationTimeout: timeout - delay }
      const terminator = createHttpTerminator({ server: app.server, ...patience })
      onSignal(async () => {
        await sleep(delay)
        await terminator.terminate()
        await app.close()
      })
    }
  },

  'http-graceful-shutdown': {
    package: true,
    async setUp (app, { delay, timeout }) {
      const { default: gracefulShutdown } = await import('http-graceful-shutdown')
      const onShutdown = () => app.close()
      gracefulShutdown(app.server, { onShutdown, preShutdown: () => sleep(delay), ...timeout && { timeout } })
    }
  },

  stoppable: {
    package: true,
    async setUp (app, { delay, timeout }) {
      const { default: stoppable } = await import('stoppable')
      stoppable(app.server, timeout && timeout - delay)
      onSignal(async () => {
        await sleep(delay)
        app.server.stop(() => app.close())
      })
    }
  },

  '@godaddy/terminus': {
    package: true,
    ownDelay: true,
    async setUp (app, { delay, timeout }) {
      const { createTerminus } = await import('@godaddy/terminus')
      const onSignal = () => app.close()
      const recommended = delay && { beforeShutdown: () => sleep(delay), useExit0: true }
      createTerminus(app.server, {
        onSignal,
        signals: ['SIGTERM', 'SIGINT'],
        ...recommended,
        ...timeout && { timeout: timeout - delay }
      })
    }
  },

  'fastify-graceful': {
    ours: true,
    ownDelay: true,
    async setUp (app, { delay }) {
      const { default: graceful } = await import('../dist/index.js')
      app.register(graceful, delay ? { announce: { min: delay } } : {})
    }
  }
}

function delayClose (app, delay) {
  if (!delay) return
  const { close } = app
  app.close = () => sleep(delay).then(() => close.call(app))
}
