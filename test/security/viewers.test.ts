import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { FastifyInstance } from 'fastify'
import type { GracefulOptions } from '../../lib/index.ts'
import { streamBounds } from '../../lib/page/viewers.ts'
import { Viewer } from '../page/viewer.ts'
import { bind, build, Client, until } from '../support/app.ts'

const token = 'a-token-of-16-or-more'
const bearer = { authorization: `Bearer ${token}` }
const ask = (path: string, headers = ''): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`
const stream = ask('/-/status/events')
const post = (body: string): string => `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n${body}`

/** Writes all of it in one piece, and answers the connection. */
async function write (port: number, text: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

/** How many of so many new viewers are let in, all of them at the same time. */
async function placesOf (port: number): Promise<number> {
  const viewers = Array.from({ length: streamBounds.viewers }, () => Viewer.open(port))
  await until(() => viewers.every(({ names, ended }) => names.length > 0 || ended))
  const places = viewers.filter(({ status, names }) => status === 200 && names[0] === 'status').length
  for (const viewer of viewers) viewer.leave()
  return places
}

const connectionsOf = (app: FastifyInstance): Promise<number> => new Promise((resolve, reject) => {
  app.server.getConnections((error, count) => { if (error) reject(error); else resolve(count) })
})

// Scenario (Attacks, and failures of the plugin's own code): Event streams that are asked for in one piece, behind
// other requests or a broken one, on connections that close, reset or half close
t.test('places among the viewers come back, however a connection asked for them and ended', async (t) => {
  const slow = { admin: { authorize: async () => { await sleep(20); return true } } }
  const rows: Array<[name: string, text: string, options?: GracefulOptions]> = [
    ['one', stream],
    ['forty in one piece', stream.repeat(40)],
    ['forty in one piece, each decided later', stream.repeat(40), slow],
    ['behind an answer', ask('/') + stream.repeat(30)],
    ['behind one that takes its time', ask('/slow') + stream.repeat(30)],
    ['behind one that never comes', ask('/never') + stream.repeat(30)],
    ['behind a page', ask('/-/status', 'Accept: text/html\r\n').repeat(10) + stream.repeat(30)],
    ['with a token', ask('/-/status/events', `Authorization: Bearer ${token}\r\n`).repeat(30), { admin: { token } }],
    ['and a broken request', `${stream.repeat(30)}\u0000\r\n\r\n`],
    ['and half of one', `${stream.repeat(30)}GET /-/status/ev`],
    ['with a body that never comes', ask('/-/status/events', 'Content-Length: 5\r\n') + stream.repeat(30)]
  ]
  const ends: Array<[name: string, end: (socket: Socket) => void]> = [
    ['closed', (socket) => { socket.destroy() }],
    ['reset', (socket) => { socket.resetAndDestroy() }],
    ['half closed', (socket) => { socket.resume().end() }]
  ]
  for (const [name, text, options] of rows) {
    for (const [end, leave] of ends) {
      const app = build({ watchdog: false, ...options })
      app.get('/', async () => 'served')
      app.get('/slow', async () => { await sleep(30) })
      let release!: () => void
      const never = new Promise<void>((resolve) => { release = resolve })
      app.get('/never', () => never)
      const port = await bind(app)
      const sockets = await Promise.all(Array.from({ length: 3 }, () => write(port, text)))
      await sleep(60)
      for (const socket of sockets) leave(socket)
      // What never answers holds its connection where the client has only half closed it.
      const isHeld = end === 'half closed' && text.includes('/never')
      if (isHeld) for (const socket of sockets) socket.destroy()
      let open = await connectionsOf(app)
      for (const latest = Date.now() + 5000; open > 0 && Date.now() < latest; open = await connectionsOf(app)) {
        await sleep(5)
      }
      t.equal(open, 0, `${name}, ${end}: all have gone`)
      if (options?.admin && 'token' in options.admin) {
        const viewer = Viewer.open(port, bearer)
        await until(() => viewer.names.length > 0 || viewer.ended)
        t.equal(viewer.status, 200, `${name}, ${end}`)
        viewer.leave()
        await sleep(20)
      }
      t.equal(await placesOf(port), streamBounds.viewers, `${name}, ${end}: every place is free`)
      const inFlight = text.includes('/never') ? 3 : 0
      await until(() => app.graceful.status().inFlight === inFlight)
      release()
      await app.close()
    }
  }
})

// Scenario, too: Event streams that are asked for in one piece…
t.test('one connection has one place, whatever it asks for in one piece', async (t) => {
  const app = build({ watchdog: false })
  const port = await bind(app)
  t.teardown(() => app.close())
  const client = await Client.open(port)
  client.socket.write(stream.repeat(60))
  await client.answers(1)
  await sleep(50)
  const viewers = Array.from({ length: streamBounds.viewers }, () => Viewer.open(port))
  await until(() => viewers.every(({ names, ended }) => names.length > 0 || ended))
  t.equal(viewers.filter(({ status }) => status === 200).length, streamBounds.viewers - 1)
  for (const viewer of viewers) viewer.leave()
  client.socket.destroy()
})

// Scenario (Attacks, and failures of the plugin's own code): Requests that are asked for behind an event stream in one
// piece or later, with bodies, broken or half sent, while running and while draining
t.test('what is asked for behind a stream gets no answer, and holds nobody', async (t) => {
  const chunked = 'Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n'
  const counted = 'Content-Length: 4\r\n\r\nbody'
  const rows: Array<[name: string, text: string]> = [
    ['an answer', stream + ask('/')],
    ['several', stream + ask('/').repeat(20)],
    ['an answer that takes its time', stream + ask('/slow').repeat(3)],
    ['nothing', stream + ask('/nothing')],
    ['a page', stream + ask('/-/status', 'Accept: text/html\r\n')],
    ['a body, chunked', stream + post(chunked) + ask('/')],
    ['a body, counted', stream + post(counted) + ask('/')],
    ['a stream with a body, chunked', ask('/-/status/events', chunked.slice(0, -2)) + ask('/')],
    ['a stream with a body, counted', ask('/-/status/events', counted).replace(/\r\n$/, '') + ask('/')],
    ['a broken request', `${stream}${ask('/')}\u0000\r\n\r\n`],
    ['half of one', `${stream}${ask('/')}GET /`],
    ['later', '']
  ]
  for (const [name, text] of rows) {
    for (const isDraining of [false, true]) {
      const app = build({ watchdog: false, gracePeriod: 10_000 })
      let served = 0
      app.get('/', async () => { served++ })
      app.post('/', async () => { served++ })
      app.get('/slow', async () => { await sleep(100); served++ })
      const port = await bind(app)
      const socket = await write(port, text || stream)
      await Promise.race([once(socket, 'data'), once(socket, 'close')])
      if (text === '') socket.write(ask('/').repeat(3) + ask('/slow'))
      await sleep(30)
      if (isDraining) {
        const { verdict, summary } = await app.graceful.shutdown()
        t.equal(verdict, 'clean', `${name}: ${summary}`)
      } else {
        await until(() => app.graceful.status().inFlight === 0)
        socket.destroy()
        await until(() => app.graceful.status().inFlight === 0)
        t.pass(`${name}: nothing in flight, ${served} served`)
        await app.close()
      }
      socket.destroy()
    }
  }
})
