import t from 'tap'
import type { Test } from 'tap'
import { gate, open, phaseOf, serve, until } from '../traffic/support.ts'
import type { Gate, Service } from '../traffic/support.ts'

const token = 'a-token-of-27-characters-ok'

/** What a client can do that makes a request look like one of HTTP/2 although its connection is one of HTTP/1. */
const disguises: Record<string, { version: string, stream?: object }> = {
  'its line says HTTP/2.0': { version: 'HTTP/2.0' },
  'its line says HTTP/2.0, and something of the service is called stream': {
    version: 'HTTP/2.0',
    stream: { destroyed: true, session: {} }
  },
  'something of the service is called stream': { version: 'HTTP/1.1', stream: { destroyed: true, session: {} } },
  'its line says HTTP/0.9': { version: 'HTTP/0.9' }
}

interface Disguised extends Service { held: Gate, arrived: Gate, line: (path: string, ...headers: string[]) => string }

async function make (t: Test, { version, stream }: { version: string, stream?: object }): Promise<Disguised> {
  const held = gate()
  const arrived = gate()
  const service = await serve(t, {
    graceful: { admin: { token }, announce: { shed: 'immediate', min: 1500 } },
    first: (app) => app.addHook('onRequest', async (request, reply) => {
      if (stream !== undefined) for (const message of [request.raw, reply.raw]) Object.assign(message, { stream })
    }),
    routes: (app) => app.get('/held', async () => {
      arrived.open()
      await held.promise
      return 'held'
    })
  })
  const line = (path: string, ...headers: string[]): string =>
    [`GET ${path} ${version}`, 'Host: test', ...headers, '', ''].join('\r\n')
  return { ...service, held, arrived, line }
}

for (const [name, disguise] of Object.entries(disguises)) {
  // Scenario (Attacks, and failures of the plugin's own code): `GET / HTTP/2.0` on an HTTP/1 connection, and whatever
  // else makes a request look like one of HTTP/2
  t.test(`a request of HTTP/1 is one in each phase, though ${name}`, async (t) => {
    const service = await make(t, disguise)
    const { port, status, line, held, arrived } = service
    const running = await open(port)
    running.write(line('/'))
    await until(() => running.text.endsWith('ok'), 'the answer')
    t.match(running.text, /^HTTP\/1\.1 200 OK/)
    t.equal(status().traffic.arrivals, 0)

    const slow = await open(port)
    slow.write(line('/held'))
    await arrived.promise
    t.match(status(), { inFlight: 1, requests: [{ method: 'GET', route: '/held', kind: 'request' }] })
    t.match(status().connections, { busy: 1, sessions: 0 })

    const end = service.shutdown()
    await service.reached('announcing')
    const leaving = await open(port)
    leaving.write(line('/'))
    await until(() => leaving.text.endsWith('ok'), 'the answer in phase 1')
    t.match(leaving.text, /\r\nconnection: close\r\n/i, 'the client is told')
    t.equal(status().traffic.arrivals, 1, 'it is traffic')
    t.match(status(), { inFlight: 1 })

    await service.reached('draining')
    t.match(status(), { inFlight: 1 }, 'it is waited for')
    held.open()
    const report = await end
    t.match(report, { verdict: 'clean', cut: { requests: [], connections: [] } })
    t.equal(phaseOf(report, 'draining')?.endedBy, 'condition')
    t.match(slow.text, /^HTTP\/1\.1 200 OK[^]*held$/)
  })

  // Scenario, too: `GET / HTTP/2.0` on an HTTP/1 connection…
  t.test(`an event stream on HTTP/1 says that its connection ends, though ${name}`, async (t) => {
    const { port, line } = await make(t, disguise)
    const viewer = await open(port)
    viewer.write(line('/-/status/events', `Authorization: Bearer ${token}`))
    await until(() => viewer.text.includes('\r\n\r\n') || viewer.closed, 'the head')
    t.match(viewer.text, /^HTTP\/1\.1 200 OK/)
    t.match(viewer.text, /\r\nconnection: close\r\n/i)
    viewer.socket.destroy()
  })
}
