import { once } from 'node:events'
import { request } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { request as secureRequest } from 'node:https'
import type { Socket } from 'node:net'
import t from 'tap'
import { credentials, serve } from './support.ts'
import type { Service } from './support.ts'

/** More than the kernel takes for a client that does not read. */
const size = 12e6

/** Those who end connections once the application closes, which is straight after the cut. */
const closers: Record<string, object> = {
  "Node's own": {},
  'Fastify, of all connections': { forceCloseConnections: true }
}

for (const [closer, fastify] of Object.entries(closers)) {
  for (const secure of [false, true]) {
    // Scenario (HTTP/2, upgrades, streams): Slow readers of a stream that was cut, while the close ends connections
    t.test(`a slow reader of a stream that was cut, where the close is ${closer}${secure ? ', over TLS' : ''}`,
      async (t) => {
        let carrier: Socket | undefined
        const service = await serve(t, {
          fastify: { ...fastify, ...secure && { https: credentials } },
          graceful: { gracePeriod: 5000, close: 2500 },
          routes: (app) => {
            app.get('/events', (request, reply) => {
              carrier = request.raw.socket
              reply.hijack()
              reply.raw.writeHead(200, { 'content-type': 'text/event-stream' })
              reply.raw.write('x'.repeat(size))
            })
          }
        })
        const response = await ask(service.port, secure)
        let received = 0
        let error: Error | undefined
        response.on('error', (given) => { error = given })
        const swept = whenSwept(service)
        const end = service.shutdown()
        const reached = service.reached('terminated').then(() => performance.now())
        await swept
        t.equal(carrier?.destroyed, false, 'its connection is left alone')
        // From now on it reads.
        const closed = new Promise((resolve) => { response.once('close', resolve) })
        response.on('data', ({ length }: Buffer) => { received += length }).resume()
        await closed
        // A stream has a second; on a busy machine that may be over.
        if (performance.now() - await reached < 800) {
          t.equal(error, undefined)
          t.ok(response.complete, 'its end has come')
          t.equal(received, size)
        } else t.comment(`this machine is late: ${received} bytes read`)
        t.match(await end, { cut: { requests: [], streams: 1 } })
      })
  }
}

/** When the close in phase 4 ends connections. */
async function whenSwept ({ app }: Service): Promise<void> {
  const { server } = app
  return new Promise((resolve) => {
    for (const sweep of ['closeIdleConnections', 'closeAllConnections'] as const) {
      const own = server[sweep].bind(server)
      server[sweep] = () => {
        own()
        if (app.graceful.phase === 'terminated') resolve()
      }
    }
  })
}

/** A reply that is begun, and of which nothing is read yet. */
async function ask (port: number, secure: boolean): Promise<IncomingMessage> {
  const send = secure ? secureRequest : request
  const given = { host: '127.0.0.1', port, path: '/events', rejectUnauthorized: false, agent: false }
  const asked: ClientRequest = send(given).end()
  const [response] = await once(asked, 'response') as [IncomingMessage]
  return response.pause()
}
