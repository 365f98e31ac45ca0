import { EventEmitter, once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import type { IncomingHttpHeaders } from 'node:http2'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import webSocketPlugin from '@fastify/websocket'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import WebSocket from 'ws'
import graceful from '../../lib/index.ts'
import type { GracefulOptions } from '../../lib/index.ts'
import { credentials } from '../traffic/support.ts'

/** How long an answer is waited for, in milliseconds: longer than the busiest machine takes for one. */
const patience = 30_000

/** How a service is reached. */
export type Kind = 'http' | 'https' | 'http2'

const servers: Record<Kind, object> = {
  http: {},
  https: { https: credentials },
  http2: { http2: true, http2SessionTimeout: 1000 }
}

function echo (socket: WebSocket): void {
  socket.on('message', (text: Buffer) => socket.send(`${text.toString()}!`))
}

/** A service with one route of each manner of answering; the plugin is registered where it is given options. */
export async function makeService (kind: Kind, options?: GracefulOptions): Promise<FastifyInstance> {
  const app = Fastify({ ...servers[kind] }) as unknown as FastifyInstance
  const signals = { SIGTERM: false, SIGINT: false, SIGHUP: false } as const
  if (options !== undefined) await app.register(graceful, { exit: false, crash: false, signals, ...options })
  if (kind !== 'http2') await app.register(webSocketPlugin)
  // A line of its own for who asks for something else than a WebSocket.
  app.get('/', async () => 'plain')
  app.post('/echo', async (request) => request.body)
  app.get('/throws', async () => { throw new Error('of the service') })
  app.get('/stream', async (_request, reply) => reply.type('text/plain').send(Readable.from(['a', 'b', 'c'])))
  app.get('/events', async (_request, reply) => reply.type('text/event-stream').send(Readable.from(['data: 1\n\n'])))
  app.get('/hijacked', (_request, reply) => {
    reply.hijack()
    reply.raw.writeHead(202, { 'content-type': 'text/plain' })
    reply.raw.end('raw')
  })
  app.get('/signal', async (request) => `${request.drainSignal?.aborted ?? false}`)
  app.get('/marked', { config: { graceful: { traffic: false } } }, async () => 'marked')
  const held = new EventEmitter()
  app.decorate('held', held)
  app.get('/slow', async () => {
    held.emit('arrived')
    await sleep(30)
    return 'slow'
  })
  if (kind !== 'http2') app.get('/socket', { websocket: true } as object, echo as never)
  app.server.on('connect', (_request: unknown, socket: { end (text: string): void }) => {
    socket.end('HTTP/1.1 200 tunnel\r\n\r\n')
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app
}

/** What is written on one connection, and in how many pieces. */
type Pieces = string[]

const head = (line: string, ...headers: string[]): string => [line, 'Host: test', ...headers, '', ''].join('\r\n')
const last = 'Connection: close'
const isText = 'Content-Type: text/plain'

/** What a client may write on an HTTP/1 connection. Each of them ends by the service. */
const written: Record<string, Pieces> = {
  get: [head('GET / HTTP/1.1', last)],
  'two, one after the other': [head('GET /marked HTTP/1.1'), head('GET / HTTP/1.1', last)],
  'three in one piece': [head('GET /slow HTTP/1.1') + head('GET / HTTP/1.1') + head('GET /stream HTTP/1.1', last)],
  post: [head('POST /echo HTTP/1.1', last, 'Content-Type: application/json', 'Content-Length: 7') + '{"a":1}'],
  'post with a chunked body': [
    head('POST /echo HTTP/1.1', last, isText, 'Transfer-Encoding: chunked') + '3\r\nabc\r\n0\r\n\r\n'
  ],
  head: [head('HEAD / HTTP/1.1', last)],
  'no route': [head('GET /missing HTTP/1.1', last)],
  'a handler that throws': [head('GET /throws HTTP/1.1', last)],
  'a stream': [head('GET /stream HTTP/1.1', last)],
  'an event stream': [head('GET /events HTTP/1.1', last)],
  hijacked: [head('GET /hijacked HTTP/1.1', last)],
  'the drain signal': [head('GET /signal HTTP/1.1', last)],
  'a prober': [head('GET /marked HTTP/1.1', last, 'User-Agent: kube-probe/1.31')],
  'of HTTP/1.0': [head('GET / HTTP/1.0')],
  'that says HTTP/2.0': [head('GET / HTTP/2.0', last)],
  'with expectation': [head('POST /echo HTTP/1.1', last, isText, 'Content-Length: 2', 'Expect: 100-continue'), 'ab'],
  'with an unknown expectation': [head('GET / HTTP/1.1', last, 'Expect: wonders')],
  'no HTTP': ['what is this\r\n\r\n'],
  'a bad URL': [head('GET /%zz HTTP/1.1', last)],
  'an upgrade to nothing': [head('GET / HTTP/1.1', 'Connection: upgrade, close', 'Upgrade: nothing')],
  connect: [head('CONNECT other:80 HTTP/1.1')]
}

/** What is gone into with a connection may differ; what is answered may not. */
function normalise (text: string): string {
  return text.replaceAll(/^(?:date|connection|keep-alive): .*\r\n/gim, '').replaceAll(/\n[0-9a-f]+\r\n/g, '\n')
}

async function write (kind: Kind, port: number, pieces: Pieces): Promise<string> {
  const to = { port, host: '127.0.0.1' }
  const socket = kind === 'https' ? connectTls({ ...to, rejectUnauthorized: false }) : connect(to)
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => { text += chunk })
  socket.on('error', (error) => { text += `[${error.message}]` })
  const closed = once(socket, 'close')
  for (const piece of pieces) {
    const before = text.length
    socket.write(piece)
    // The next piece is written when there is an answer to this one, and the last one ends the connection.
    const isThere = (): boolean => text.length > before || socket.destroyed
    if (piece !== pieces.at(-1)) for (const end = Date.now() + patience; !isThere() && Date.now() < end;) await sleep(1)
  }
  const timer = setTimeout(() => socket.destroy(new Error(`no end within ${patience} ms`)), patience)
  await closed
  clearTimeout(timer)
  return normalise(text)
}

async function talk (kind: Kind, port: number): Promise<string> {
  const scheme = kind === 'https' ? 'wss' : 'ws'
  const socket = new WebSocket(`${scheme}://127.0.0.1:${port}/socket`, { rejectUnauthorized: false })
  const said: string[] = []
  socket.on('message', (text: Buffer) => {
    said.push(text.toString())
    if (said.length < 3) socket.send(`${said.length}`)
    else socket.close(1000)
  }).on('open', () => {
    socket.ping()
    socket.send('0')
  }).on('error', (error) => said.push(error.message))
  await Promise.race([once(socket, 'close'), sleep(patience, undefined, { ref: false })])
  return said.join()
}

const paths = ['/', '/missing', '/throws', '/stream', '/events', '/hijacked', '/signal', '/marked', '/slow']

async function ask (port: number, asked: string[] = paths): Promise<Record<string, string>> {
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  const answers: Record<string, string> = {}
  const request = async (name: string, headers: Record<string, string>, body?: string): Promise<void> => {
    const stream = session.request(headers, { endStream: body === undefined })
    let text = ''
    stream.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
    stream.on('response', ({ date: _date, connection: _connection, ...rest }: IncomingHttpHeaders) => {
      text += JSON.stringify(rest)
    })
    stream.on('error', (error) => { text += `[${error.message}]` })
    if (body !== undefined) stream.end(body)
    await Promise.race([once(stream, 'close'), sleep(patience, undefined, { ref: false })])
    answers[name] = text
  }
  session.on('error', () => {})
  await Promise.all([
    ...asked.map(async (path) => request(`GET ${path}`, { ':path': path })),
    asked === paths && request('POST', { ':path': '/echo', ':method': 'POST', 'content-type': 'text/plain' }, 'abc')
  ])
  session.destroy()
  return answers
}

/** What is answered to a request in flight while the service closes. */
export async function exchangeInClose (kind: Kind, app: FastifyInstance): Promise<string> {
  const { port } = app.server.address() as AddressInfo
  const arrived = once((app as FastifyInstance & { held: EventEmitter }).held, 'arrived')
  const answer = kind === 'http2'
    ? ask(port, ['/slow']).then((answers) => JSON.stringify(answers))
    : write(kind, port, [head('GET /slow HTTP/1.1', last)])
  // One that never arrives has been answered, or refused, otherwise.
  await Promise.race([arrived, answer])
  // Whether the close comes to its end without every part of the plugin is another question.
  const [text] = await Promise.all([answer, Promise.race([app.close(), sleep(1500, undefined, { ref: false })])])
  return text
}

/** One of everything that a client may do, all at once, and what it was answered. */
export async function exchange (kind: Kind, app: FastifyInstance): Promise<Record<string, string>> {
  const { port } = app.server.address() as AddressInfo
  if (kind === 'http2') return ask(port)
  const results = Object.entries(written).map(async ([name, pieces]) => [name, await write(kind, port, pieces)])
  const injected = app.inject('/slow').then(({ statusCode, body }) => ['inject', `${statusCode} ${body}`])
  const all = await Promise.all([...results, injected, talk(kind, port).then((said) => ['a WebSocket', said])])
  return Object.fromEntries(all) as Record<string, string>
}
