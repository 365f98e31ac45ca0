import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify'
import t from 'tap'
import graceful from '../../lib/index.ts'
import { gate, open, serve, until } from './support.ts'
import type { Gate, Service, Wire } from './support.ts'

/** The hooks of a request's route by their names, as Fastify runs them for the next request. */
function hooksOf (request: FastifyRequest): string[] {
  const key = Object.getOwnPropertySymbols(request).find(({ description }) => description === 'fastify.context')!
  const { onRequest } = (request as unknown as Record<symbol, { onRequest: onRequestHookHandler[] | null }>)[key]!
  return (onRequest ?? []).map(({ name }) => name.replace(/^bound /, ''))
}

const ours = 'fastify-graceful.onRequest'

/** Hooks of others, which say in which order they ran. */
const named = (name: string, ran: string[]): onRequestHookHandler => ({
  [name] (_request: unknown, _reply: unknown, done: () => void) { ran.push(name); done() }
})[name] as onRequestHookHandler

interface Row {
  title: string
  /** Before the plugin. */
  first?: (app: FastifyInstance, ran: string[]) => unknown
  routes?: (app: FastifyInstance, ran: string[], door: Gate) => unknown
  path?: string
  /** The hooks of the route when it has served one request. */
  left: string[]
  /** And from phase 1 on. */
  back: string[]
}

/** The handler that all rows share: it answers at once, or where the query says so when the door opens. */
const seen: FastifyRequest[] = []
const handler = (door: Gate) => async (request: FastifyRequest): Promise<string> => {
  seen.push(request)
  if ((request.query as { wait?: string }).wait !== undefined) await door.promise
  return 'ok'
}

const rows: Row[] = [
  { title: 'a route without other hooks', left: [], back: [ours] },
  {
    title: 'hooks of others before and after',
    first: (app, ran) => app.addHook('onRequest', named('first', ran)),
    routes: (app, ran) => app.addHook('onRequest', named('last', ran)),
    left: ['first', 'last'],
    back: ['first', ours, 'last']
  },
  {
    title: 'a hook of the route alone',
    routes: (app, ran, door) => app.get('/own', { onRequest: named('own', ran) }, handler(door)),
    path: '/own',
    left: ['own'],
    back: [ours, 'own']
  },
  {
    title: 'an encapsulated instance with decorators of its own',
    routes: (app, ran, door) => app.register(async (child) => {
      child.decorateReply('child', 1)
      child.addHook('onRequest', named('inner', ran))
      child.get('/child', handler(door))
    }),
    path: '/child',
    left: ['inner'],
    back: [ours, 'inner']
  },
  {
    title: 'nothing found',
    routes: (app, _ran, door) => app.setNotFoundHandler(async (request) => handler(door)(request)),
    path: '/nowhere',
    left: [],
    back: [ours]
  },
  {
    title: 'a hook that others have wrapped stays',
    first: (app) => {
      const { addHook } = app
      app.addHook = function (this: FastifyInstance, name: string, hook: (...given: unknown[]) => unknown) {
        const wrapped = name !== 'onRequest'
          ? hook
          : function wrapped (this: unknown, ...given: unknown[]): unknown { return hook.apply(this, given) }
        return (addHook as (...given: unknown[]) => FastifyInstance).call(this, name, wrapped)
      } as FastifyInstance['addHook']
    },
    left: ['wrapped'],
    back: ['wrapped']
  }
]

async function statuses (wire: Wire, count: number): Promise<number[]> {
  const all: number[] = []
  for (let index = 0; index < count; index++) all.push((await wire.reply()).status)
  return all
}

const inFlight = (service: Service): number => service.status().inFlight

// Scenario (Requests in flight): The hook leaves the way of a route that has served a request, and is back in phase 1
t.test('a route with requests before and after the hook has left', async (t) => {
  for (const { title, first, routes, path = '/hello', left, back } of rows) {
    t.test(title, async (t) => {
      const door = gate()
      const ran: string[] = []
      seen.length = 0
      const service = await serve(t, {
        first: (app) => first?.(app, ran),
        routes: async (app) => {
          await routes?.(app, ran, door)
          app.get('/hello', handler(door))
        }
      })
      const before: string[] = []
      for (let round = 0; round < 3; round++) {
        const wire = await open(service.port)
        wire.send(`GET ${path}`)
        await wire.reply()
        t.strictSame(hooksOf(seen.at(-1)!), left, `after ${round + 1}`)
        if (round === 0) before.push(...ran)
        ran.length = 0
        wire.socket.destroy()
      }

      const waiting = (await open(service.port)).send(`GET ${path}?wait`)
      await until(() => inFlight(service) === 1)
      const { requests } = service.status()
      t.equal(requests[0]?.method, 'GET', 'it has a name')
      t.equal(requests.length, 1)
      const pipelined = (await open(service.port)).send(`GET ${path}?wait`, `GET ${path}?wait`)
      await until(() => inFlight(service) === 3)
      void service.app.inject(`${path}?wait`)
      await until(() => inFlight(service) === 4)
      ran.length = 0

      const release = service.hold('announcing')
      const end = service.shutdown()
      await service.reached('announcing')
      const late = (await open(service.port)).send(`GET ${path}?wait`)
      await until(() => inFlight(service) === 5)
      t.strictSame(hooksOf(seen.at(-1)!), back, 'in phase 1')
      t.strictSame(ran, before, 'in the same order as before')
      release()
      await service.reached('draining')
      t.equal(inFlight(service), 5, 'all are waited for')
      door.open()
      t.strictSame([await statuses(waiting, 1), await statuses(pipelined, 2), await statuses(late, 1)],
        [[200], [200, 200], [200]])
      t.match(await end, { verdict: 'clean' })
    })
  }
})

t.test('an instance that was there before the plugin keeps the hook', async (t) => {
  const door = gate()
  seen.length = 0
  const service = await serve(t, {
    first: (app) => app.register(async (child) => {
      // The plugin registers itself with the root, whose hooks this instance has no part of any more.
      await child.register(async (inner) => { inner.get('/inner', handler(door)) })
      child.get('/early', handler(door))
    })
  })
  for (const path of ['/early', '/inner', '/early', '/inner']) {
    const wire = (await open(service.port)).send(`GET ${path}`)
    t.equal((await wire.reply()).status, 200, path)
    wire.socket.destroy()
  }
  const waiting = (await open(service.port)).send('GET /early?wait')
  await until(() => inFlight(service) === 1)
  const end = service.shutdown()
  await service.reached('draining')
  t.equal(inFlight(service), 1, 'its request is waited for')
  door.open()
  t.equal((await waiting.reply()).status, 200)
  t.match(await end, { verdict: 'clean' })
})

t.test('hooks that somebody has changed meanwhile stay', async (t) => {
  const ran: string[] = []
  seen.length = 0
  const service = await serve(t, { routes: (app) => app.get('/hello', handler(gate())) })
  await service.app.inject('/hello')
  const request = seen.at(-1)!
  t.strictSame(hooksOf(request), [])
  const key = Object.getOwnPropertySymbols(request).find(({ description }) => description === 'fastify.context')!
  ;(request as unknown as Record<symbol, { onRequest: unknown }>)[key]!.onRequest = [named('theirs', ran)]
  const release = service.hold('announcing')
  const end = service.shutdown()
  await service.reached('announcing')
  t.equal((await service.app.inject('/hello')).statusCode, 200)
  t.strictSame([hooksOf(request), ran], [[ours, 'theirs'], ['theirs']])
  release()
  t.match(await end, { verdict: 'clean' })
})

t.test('a request that a hook before ours has answered is waited for, too', async (t) => {
  const door = gate()
  const service = await serve(t, {
    first: (app) => app.addHook('onRequest', async (request, reply) => {
      if (request.url !== '/refused') return
      await door.promise
      return reply.code(401).send('no')
    })
  })
  const wire = (await open(service.port)).send('GET /refused')
  await until(() => inFlight(service) === 1)
  t.match(service.status().requests, [{ method: 'GET' }])
  const end = service.shutdown()
  await service.reached('draining')
  t.equal(inFlight(service), 1)
  door.open()
  t.equal((await wire.reply()).status, 401)
  t.match(await end, { verdict: 'clean' })
})

t.test('two applications with one prototype of replies each', async (t) => {
  const services = [await serve(t), await serve(t)]
  for (const { app } of services) {
    for (let round = 0; round < 3; round++) t.equal((await app.inject('/')).statusCode, 200)
    t.equal(app.hasReplyDecorator('arrival'), false, 'under no name that somebody could want')
  }
  t.type(graceful, 'function')
})
