import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import graceful from '../../lib/index.ts'
import { credentials } from '../traffic/support.ts'
import { exchange, makeService } from './exchanges.ts'
import type { Kind } from './exchanges.ts'
import { drain, methods, options, replace } from './fault-injection.ts'
import type { Callback } from './fault-injection.ts'

const unreadable = (): never => { throw new Error('unreadable') }
/** Something that throws, whatever is done to it. */
const hostile = new Proxy(unreadable, {
  get: unreadable,
  set: unreadable,
  has: unreadable,
  ownKeys: unreadable,
  apply: unreadable,
  getPrototypeOf: unreadable,
  getOwnPropertyDescriptor: unreadable
}) as unknown

// Scenario, too: Each method of the plugin that runs while somebody is served throws…
t.test('each hook of the plugin takes whatever it is given, and lets the request pass', async (t) => {
  const app = Fastify()
  const hooks: Array<[name: string, hook: Callback]> = []
  const { addHook } = app
  Object.assign(app, { addHook (this: FastifyInstance, name: 'onRequest', hook: Callback) {
    hooks.push([name, hook])
    return addHook.call(this, name, hook as never)
  } })
  await app.register(graceful, { exit: false, crash: false, pressure: {}, metrics: true, ...options })
  const names = [...new Set(hooks.map(([name]) => name))].toSorted()
  // Whoever adds a hook of another kind has to say here what a failure of it does.
  t.strictSame(names, ['onClose', 'onListen', 'onReady', 'onRequest', 'onRoute'])
  for (const [name, hook] of hooks) {
    if (name === 'onRoute') t.doesNotThrow(() => hook(hostile), name)
    if (name !== 'onRequest') continue
    const calls: unknown[][] = []
    t.doesNotThrow(() => hook(hostile, hostile, (...given: unknown[]) => calls.push(given)), name)
    t.strictSame(calls, [[]], `${name} goes on, once and without an error`)
  }
  await app.close()
})

for (const name of ['start', 'listening', 'closed'] as const) {
  // Scenario, too: Each method of the plugin that runs while somebody is served throws…
  t.test(`a service boots, answers and closes where Application.${name} throws`, async (t) => {
    const method = methods.find((one) => one.room === 'Application' && one.name === name)!
    let thrown = 0
    const restore = replace(method, () => () => {
      thrown++
      throw new Error(`injected into Application.${name}`)
    })
    t.teardown(restore)
    const app = await makeService('http', options)
    t.equal((await exchange('http', app))['inject'], '200 slow')
    await app.close()
    t.equal(thrown, 1)
  })
}

// Scenario, too: Each method of the plugin that runs while somebody is served throws…
t.test('each listener of the plugin on a server takes whatever it is given', async (t) => {
  for (const kind of ['http', 'https', 'http2'] as const) {
    const servers: Record<Kind, object> = { http: {}, https: { https: credentials }, http2: { http2: true } }
    const other = Fastify(servers[kind]) as unknown as FastifyInstance
    const { server } = other
    const listeners: Array<[event: string, listener: Callback]> = []
    for (const name of ['on', 'once', 'prependListener', 'prependOnceListener', 'addListener'] as const) {
      const add = server[name] as Callback
      Object.assign(server, { [name]: (event: string, listener: Callback) => {
        if (new Error('where').stack?.split('\n')[2]?.includes('/lib/')) listeners.push([event, listener])
        return add.call(server, event, listener)
      } })
    }
    server.on('upgrade', () => {})
    server.on('checkContinue', () => {})
    await other.register(graceful, { exit: false, crash: false, ...options })
    await other.listen({ port: 0, host: '127.0.0.1' })
    await drain(other)
    const events = new Set(listeners.map(([event]) => event))
    const expected = ['connection', 'newListener', 'upgrade', 'request', 'checkContinue', 'checkExpectation']
    for (const event of expected) t.ok(events.has(event), `${kind}: ${event}`)
    t.equal(events.has('secureConnection'), kind === 'https')
    t.equal(events.has('session'), kind === 'http2')
    for (const [event, listener] of listeners) {
      t.doesNotThrow(() => listener.call(server, hostile, hostile, hostile), `${kind}: ${event}`)
    }
    await other.close()
  }
})
