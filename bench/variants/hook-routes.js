// What any plugin with these routes and a hook costs: the least that `ours` could.
const config = { rateLimit: false }
const machines = {
  method: ['GET', 'HEAD'],
  config,
  schema: { hide: true },
  logLevel: 'silent',
  handler: async () => 'ok'
}

export default async app => {
  app.addHook('onRequest', (request, reply, done) => done())
  for (const name of ['livez', 'readyz', 'startupz']) {
    app.route({ ...machines, url: `/${name}` })
    app.route({ ...machines, url: `/${name}/:check` })
  }
  app.route({ ...machines, url: '/-/status' })
  app.route({ ...machines, method: 'GET', exposeHeadRoute: false, url: '/-/status/events' })
}
