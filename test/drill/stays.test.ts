import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { RequestListener, Server, ServerResponse } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import { frameOf, FrameReader, objection, opcodes, upgradeHeaders, WebSocketClient } from '../../lib/drill/websocket.ts'
import { claimPort } from '../../lib/drill/processes.ts'
import { startStays } from '../../lib/drill/stays.ts'
import type { StayProfile, StaysResult } from '../../lib/drill/stays.ts'
import { countByKind, Tally } from '../../lib/drill/losses.ts'

t.setTimeout(60_000)

const nothing: RequestListener = (_request, reply) => { reply.writeHead(404).end() }

async function serve (t: Test, answer: RequestListener = nothing): Promise<{ server: Server, port: number }> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  })
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { server, port: (server.address() as AddressInfo).port }
}

interface Opened {
  client: WebSocketClient
  server: WebSocket
  messages: Array<[bytes: number, isText: boolean]>
  pongs: () => number
  closed: Promise<[number, string]>
}

/** One connection of the client with a server of `ws`. */
async function open (t: Test): Promise<Opened> {
  const { server, port } = await serve(t)
  const wss = new WebSocketServer({ server, perMessageDeflate: true })
  const connected = once(wss, 'connection') as Promise<[WebSocket]>
  const key = randomBytes(16).toString('base64')
  const asked = request({ port, host: '127.0.0.1', headers: upgradeHeaders(key) }).end()
  const [response, socket, head] = await once(asked, 'upgrade') as [never, Socket, Buffer]
  t.equal(objection(response, key), undefined)
  t.equal(objection(response, 'another key'), 'another sec-websocket-accept than the right one')
  const messages: Array<[number, boolean]> = []
  let pongs = 0
  let close: (ending: [number, string]) => void
  const closed = new Promise<[number, string]>((resolve) => { close = resolve })
  const client = new WebSocketClient(socket, head, {
    onMessage: (bytes, isText) => messages.push([bytes, isText]),
    onPong: () => { pongs++ },
    onClose: (code, reason) => close([code, reason])
  })
  const [own] = await connected
  return { client, server: own, messages, pongs: () => pongs, closed }
}

async function until (isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => { setTimeout(resolve, 5) })
}

// Scenario (The rehearsal of an update): The client's side of a WebSocket, against the server of ws
t.test('messages of every length, fragments, pings and closes, with the server of ws', async (t) => {
  const { client, server, messages, pongs, closed } = await open(t)
  const received: string[] = []
  server.on('message', (data: Buffer) => received.push(data.toString()))
  for (const length of [0, 1, 125, 126, 65_535, 65_536, 3_000_000]) {
    server.send('x'.repeat(length))
    client.send('y'.repeat(length))
  }
  server.send('frag', { fin: false })
  server.ping('between')
  server.send('men', { fin: false })
  server.send('ted', { fin: true })
  server.send(Buffer.alloc(10), { binary: true })
  const [echo] = await once(server, 'pong') as [Buffer]
  t.equal(String(echo), 'between', 'a ping is answered with its own content')
  client.ping()
  await until(() => pongs() === 1 && messages.length === 9 && received.length === 7)
  t.same(messages, [[0, true], [1, true], [125, true], [126, true], [65_535, true], [65_536, true], [3_000_000, true],
    [10, true], [10, false]])
  t.same(received.map(({ length }) => length), [0, 1, 125, 126, 65_535, 65_536, 3_000_000])
  const ended = once(server, 'close')
  server.close(1012, 'service restart')
  t.same(await closed, [1012, 'service restart'])
  t.same((await ended)[0], 1012, 'it says the same code')
})

// Scenario, too: The client's side of a WebSocket…
t.test('how a WebSocket ends', async (t) => {
  const without = await open(t)
  without.server.close()
  t.same(await without.closed, [1005, ''])
  const dropped = await open(t)
  dropped.server.terminate()
  t.same(await dropped.closed, [1006, ''])
  const own = await open(t)
  const ended = once(own.server, 'close')
  own.client.close(1000)
  own.client.send('is not sent any more')
  t.equal((await ended)[0], 1000)
  t.same((await own.closed)[0], 1000)
  const broken = await open(t)
  const raw = (broken.server as unknown as { _socket: Socket })._socket
  raw.write(Buffer.from([0xc1, 0]))
  t.match(await broken.closed, [1002, /reserved bit/])
})

/** A frame of a server. */
function serverFrame (opcode: number, length: number, isLast: boolean, width: 0 | 2 | 8): Buffer {
  const head = width === 0 ? Buffer.from([length])
    : width === 2 ? Buffer.from([126, length >> 8, length & 255])
      : Buffer.concat([Buffer.from([127]), Buffer.alloc(6), Buffer.from([length >> 8, length & 255])])
  return Buffer.concat([Buffer.from([(isLast ? 0x80 : 0) | opcode]), head, Buffer.alloc(length, 120)])
}

t.test('frames are the same however they are cut into pieces', (t) => {
  const message = fc.record({
    isText: fc.boolean(),
    parts: fc.array(fc.record({ length: fc.nat(300), width: fc.constantFrom<2 | 8>(2, 8), ping: fc.boolean() }),
      { minLength: 1, maxLength: 4 })
  })
  fc.assert(fc.property(fc.array(message, { maxLength: 5 }), fc.array(fc.integer({ min: 1, max: 60 })), (all, cuts) => {
    const bytes = Buffer.concat(all.flatMap(({ isText, parts }) => parts.flatMap(({ length, width, ping }, index) => [
      serverFrame(index > 0 ? 0 : isText ? 1 : 2, length, index === parts.length - 1, width),
      ...ping ? [serverFrame(opcodes.ping, 3, true, 0)] : []
    ])))
    const seen: unknown[] = []
    let pings = 0
    const reader = new FrameReader({
      onMessage: (length, isText) => seen.push([length, isText]),
      onControl: (opcode, payload) => { if (opcode === opcodes.ping && String(payload) === 'xxx') pings++ }
    })
    for (let at = 0, turn = 0; at < bytes.length; turn++) {
      const size = cuts[turn % Math.max(1, cuts.length)] ?? 7
      reader.read(bytes.subarray(at, at + size))
      at += size
    }
    const expected = all.map(({ isText, parts }) => [parts.reduce((sum, { length }) => sum + length, 0), isText])
    return JSON.stringify(seen) === JSON.stringify(expected) &&
      pings === all.flatMap(({ parts }) => parts).filter(({ ping }) => ping).length
  }))
  t.end()
})

t.test('what RFC 6455 forbids is refused', (t) => {
  const cases: Array<[bytes: number[], message: RegExp]> = [
    [[0xc1, 0], /reserved bit/], [[0x81, 0x80, 0, 0, 0, 0], /masked/], [[0x83, 0], /opcode 3 is reserved/],
    [[0x8b, 0], /opcode 11 is reserved/], [[0x09, 0], /control frame/], [[0x89, 126, 0, 126], /control frame/],
    [[0x80, 0], /out of place/], [[0x01, 0, 0x81, 0], /out of place/], [[0x82, 127, 255, 0, 0, 0, 0, 0, 0, 0], /too long/]
  ]
  for (const [bytes, message] of cases) {
    const reader = new FrameReader({ onControl: () => {} })
    t.throws(() => reader.read(Buffer.from(bytes)), message, JSON.stringify(bytes))
  }
  t.equal(frameOf(1, Buffer.alloc(126), Buffer.alloc(4)).length, 4 + 4 + 126)
  t.equal(objection({ headers: {} }, ''), 'no upgrade to websocket')
  t.end()
})

/** Clients that stay, until that many connections are over. */
async function stay (port: number, profile: Partial<StayProfile>, count: number, timeout = 5000): Promise<StaysResult> {
  const tally = new Tally()
  const stays = startStays({
    host: '127.0.0.1', port, tally, timeout, trace: () => ({ endpoint: 'the one', isRefused: false }),
    stays: [{ kind: 'events', path: '/live', clients: 2, ...profile }]
  })
  await until(() => tally.requests >= count)
  const result = await stays.stop()
  t.equal(tally.requests, result.requests)
  t.equal(tally.lost, result.losses.length)
  return result
}

const websocket = { kind: 'websocket' } as const

// Scenario (The rehearsal of an update): Clients that stay come back when they are told to leave, and are lost when
// they are dropped
t.test('who is told to leave comes back, and whoever is dropped is lost', async (t) => {
  const { server, port } = await serve(t)
  const wss = new WebSocketServer({ server, path: '/live' })
  const act: Array<(socket: WebSocket) => void> = [
    (socket) => socket.close(1001), (socket) => socket.close(), (socket) => socket.close(1012),
    (socket) => socket.close(1011, 'a fault'), (socket) => socket.terminate()
  ]
  let count = 0
  wss.on('connection', (socket) => act[count++]?.(socket))
  const { losses, connections, requests } = await stay(port, websocket, 5)
  t.same(losses.map(({ kind, detail }) => `${kind}: ${detail}`).toSorted(),
    ['dropped: closed with 1006', 'dropped: closed with 1011 a fault'])
  t.ok(connections >= 5 && requests >= 5)
  t.match(losses[0], { profile: 'websocket /live', replica: 'the one', method: 'GET', isReused: false })
})

const kinds = async (port: number, profile: Partial<StayProfile>, timeout?: number): Promise<string[]> => {
  const { losses } = await stay(port, { clients: 1, ...profile }, 1, timeout)
  return losses.slice(0, 1).map(({ kind, detail }) => `${kind}: ${detail}`)
}

const status = (code: number): RequestListener => (_request, reply) => { reply.writeHead(code).end() }

// Scenario, too: Clients that stay come back…
t.test('each way in which one that stays is lost has its kind', async (t) => {
  const answering = async (answer: RequestListener): Promise<number> => (await serve(t, answer)).port
  const dead = await claimPort()
  for (const profile of [{}, websocket]) {
    t.same(await kinds(dead, profile), ['refused: ECONNREFUSED'])
    t.same(await kinds(await answering(status(503)), profile), ['answered-5xx: status 503'])
    t.same(await kinds(await answering(status(404)), profile), ['wrong-answer: status 404'])
    t.same(await kinds(await answering(() => {}), profile, 200), ['timeout: no answer in 200 ms'])
  }
  t.same(await kinds(await answering((_, reply) => { reply.end('{}') }), {}), ['wrong-answer: content-type none'])
  const tcp = createTcpServer((socket) => {
    socket.once('data', (head) => {
      const key = /sec-websocket-key: (\S+)/i.exec(String(head))?.[1]
      socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n')
      socket.write(`sec-websocket-accept: ${key}\r\n\r\n`)
    }).on('error', () => {})
  }).listen(0, '127.0.0.1')
  t.teardown(() => tcp.close())
  await once(tcp, 'listening')
  t.same(await kinds((tcp.address() as AddressInfo).port, websocket),
    ['wrong-answer: another sec-websocket-accept than the right one'])
  const deaf = await serve(t)
  const wss = new WebSocketServer({ server: deaf.server, autoPong: false })
  t.teardown(() => wss.close())
  t.same(await kinds(deaf.port, websocket, 300), ['timeout: no pong in 300 ms'])
})

// Scenario, too: Clients that stay come back…
t.test('event streams: an end tells, a cut loses', async (t) => {
  const act: Array<(reply: ServerResponse) => void> = [
    (reply) => reply.end('data: 1\n\n'), (reply) => reply.socket!.resetAndDestroy(), (reply) => reply.end(),
    (reply) => reply.destroy()
  ]
  let count = 0
  const asked: unknown[] = []
  const { port } = await serve(t, ({ headers }, reply) => {
    asked.push([headers.accept, headers['x-shop']])
    reply.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' }).write(': hello\n\n')
    setImmediate(() => act[count++]?.(reply))
  })
  const { losses } = await stay(port, { headers: { 'x-shop': '7' } }, 4)
  t.same(losses.map(({ kind }) => kind), ['dropped', 'dropped'])
  t.same(asked[0], ['text/event-stream', '7'])
  t.same(countByKind(losses), { dropped: 2 })
})
