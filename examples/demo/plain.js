// The other side of the comparison: what a service without the plugin does on SIGTERM.
import fp from 'fastify-plugin'

/** `app.close()` on SIGTERM, and what the routes of the shop use of the plugin, doing what they could do without it. */
export const plainClose = fp(async (app) => {
  let phase = 'running'

  const closing = new AbortController()
  app.decorate('graceful', {
    addCheck () {},
    waitUntil () {},
    get phase () { return phase }
  })
  app.decorateRequest('drainSignal', { getter: () => closing.signal })
  app.get('/readyz', async () => 'ok')

  // An event stream that nobody ends would hold close() until SIGKILL. Ended here, so that the comparison is fair.
  app.addHook('preClose', async () => closing.abort())

  process.once('SIGTERM', () => {
    phase = 'closing'
    app.close().finally(() => process.exit())
  })
}, { name: 'plain-close' })
