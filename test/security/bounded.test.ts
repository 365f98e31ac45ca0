import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import * as fc from 'fast-check'
import t from 'tap'
import type { Test } from 'tap'
import { createBoundedServer, mayLast } from '../../lib/server/bounded.ts'
import { HeadEnd } from '../../lib/server/plain.ts'
import { Client, until } from '../support/app.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

async function serve (t: Test, answer: Answer): Promise<{ server: Server, port: number }> {
  const server = createBoundedServer((url) => url.startsWith('/probe'), answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return { server, port: (server.address() as AddressInfo).port }
}

const get = (path: string, headers = ''): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`
const post = (header: string): string => `POST /a HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`
const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
const echo: Answer = ({ url }, response) => { response.end(`<${url}>`) }
const bodiesOf = (client: Client): string[] => [...client.text.matchAll(/<([^>]*)>/g)].map(([, body]) => body!)

/** Where heads end in what comes in these pieces. */
function endsOf (pieces: string[]): number[] {
  const head = new HeadEnd()
  const ends: number[] = []
  let before = 0
  for (const piece of pieces) {
    const buffer = Buffer.from(piece)
    for (let from = 0; from < buffer.length;) {
      const end = head.find(buffer.subarray(from))
      if (end === undefined) break
      from += end
      ends.push(before + from)
    }
    before += buffer.length
  }
  return ends
}

// Scenario (Attacks, and failures of the plugin's own code): Requests in one piece, cut anywhere, with bodies, broken,
// half closed, not read, too many, too slow
t.test('the end of a head is found, however it is cut into pieces', async (t) => {
  const [one, two, three] = [get('/a'), get('/bc'), get('/def')]
  const rows: Array<[name: string, text: string, ends: number[]]> = [
    ['one', get('/'), [get('/').length]],
    ['three', [one, two, three].join(''), [one.length, (one + two).length, (one + two + three).length]],
    ['empty lines before it', `\r\n\r\n\n${get('/')}`, [get('/').length + 5]],
    ['line feeds alone', 'GET / HTTP/1.1\nHost: x\n\nGET /b HTTP/1.1\n\n', [24, 41]],
    ['a mixture', 'GET / HTTP/1.1\r\nHost: x\n\r\nrest', [26]],
    ['more than one carriage return', 'GET / HTTP/1.1\r\n\r\r\n', [19]],
    ['none', 'GET / HTTP/1.1\r\nHost: x\r\n', []],
    ['nothing but empty lines', '\r\n'.repeat(50), []]
  ]
  for (const [name, text, ends] of rows) {
    t.strictSame(endsOf([text]), ends, name)
    t.strictSame(endsOf(text.split('')), ends, `${name}, byte by byte`)
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: text.length }), { maxLength: 6 }), (cuts) => {
      const at = [0, ...cuts.toSorted((a, b) => a - b), text.length]
      const pieces = at.slice(1).map((to, index) => text.slice(at[index], to))
      return JSON.stringify(endsOf(pieces)) === JSON.stringify(ends)
    }))
  }
})

// Scenario, too: Requests in one piece…
t.test('one answer is under way per connection, in the order of the questions', async (t) => {
  let running = 0
  let most = 0
  const { port } = await serve(t, (request, response) => {
    most = Math.max(most, ++running)
    setTimeout(() => {
      running--
      echo(request, response)
    }, 1)
  })
  const client = await Client.open(port)
  const paths = Array.from({ length: 900 }, (_, index) => `/${index}`)
  client.socket.write(paths.map((path) => get(path)).join(''))
  await until(() => bodiesOf(client).length === paths.length)
  t.strictSame(bodiesOf(client), paths)
  t.equal(most, 1)
  client.socket.destroy()
})

t.test('who asks without reading the answers fills the buffers of the kernel, and no memory of ours', async (t) => {
  let answered = 0
  const large = Buffer.alloc(64 * 1024, 'x')
  const { port, server } = await serve(t, (_request, response) => {
    answered++
    response.end(large)
  })
  const clients = await Promise.all(Array.from({ length: 20 }, () => Client.open(port)))
  for (const { socket } of clients) {
    socket.pause()
    socket.write(get('/').repeat(2000))
  }
  let before = -1
  while (before !== answered) {
    before = answered
    await sleep(200)
  }
  t.ok(answered < 20 * 200, `${answered} of 40000 were made`)
  const sizes = await new Promise<number>((resolve) => { server.getConnections((_error, count) => resolve(count)) })
  t.equal(sizes, 20)
  for (const { socket } of clients) socket.destroy()
})

// Scenario, too: Requests in one piece…
t.test('what is asked, and how the connection goes on', async (t) => {
  const { port } = await serve(t, (request, response) => {
    if (request.url === '/last') {
      mayLast(request)
      response.writeHead(200, { connection: 'close' })
      response.write('<begun>')
    } else echo(request, response)
  })
  const rows: Array<[name: string, text: string, bodies: string[], isClosed: boolean]> = [
    ['one', get('/a'), ['/a'], false],
    ['two', get('/a') + get('/b'), ['/a', '/b'], false],
    ['the last of them says so', get('/a') + get('/b', 'Connection: close\r\n') + get('/c'), ['/a', '/b'], true],
    ['HTTP/1.0', 'GET /a HTTP/1.0\r\n\r\n', ['/a'], true],
    ['a body that is there is no request', post(`Content-Length: ${get('/b').length}`) + get('/b'), ['/a'], true],
    ['one that never comes', post('Content-Length: 100'), ['/a'], true],
    ['in chunks', `${post('Transfer-Encoding: chunked')}0\r\n\r\n${get('/b')}`, ['/a'], true],
    ['an empty one', post('Content-Length: 0') + get('/b'), ['/a', '/b'], false],
    ['one that is expected', get('/a', 'Expect: 100-continue\r\n') + get('/b'), ['/a', '/b'], false],
    ['something else that is expected', get('/a', 'Expect: nothing\r\n') + get('/b'), ['/a', '/b'], false],
    ['an upgrade that nobody knows', get('/a', upgrade) + get('/b'), ['/a', '/b'], false],
    ['a line without a colon', `${get('/a')}GET /b HTTP/1.1\r\nHost: x\r\nbroken\r\n\r\n${get('/c')}`, ['/a'], true],
    ['no host', `${get('/a')}GET /b HTTP/1.1\r\n\r\n${get('/c')}`, ['/a'], true],
    ['a tunnel', `${get('/a')}CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n${get('/c')}`, ['/a'], true],
    ['a head of 9 KiB', `${get('/a')}${get('/b', `X-Long: ${'x'.repeat(9 * 1024)}\r\n`)}${get('/c')}`, ['/a'], true],
    ['empty lines between', `${get('/a')}\r\n\r\n${get('/b')}`, ['/a', '/b'], false],
    ['one that lasts', get('/a') + get('/last') + get('/b'), ['/a', 'begun'], false],
    ['HTTP/2', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${get('/a')}`, [], true]
  ]
  for (const [name, text, bodies, isClosed] of rows) {
    for (const pieces of [[text], text.split('')]) {
      const client = await Client.open(port)
      for (const piece of pieces) client.socket.write(piece)
      if (isClosed) await client.closed
      else await until(() => bodiesOf(client).length === bodies.length).then(() => sleep(20))
      const seen = [bodiesOf(client), client.socket.destroyed]
      t.strictSame(seen, [bodies, isClosed], `${name}, in ${pieces.length} pieces`)
      client.socket.destroy()
    }
  }
})

t.test('who closes its side after the question gets the answer', async (t) => {
  const { port } = await serve(t, (request, response) => { setTimeout(() => echo(request, response), 50) })
  const client = await Client.open(port)
  client.socket.end(get('/a') + get('/b'))
  await client.closed
  t.strictSame(bodiesOf(client), ['/a', '/b'])
})

// Scenario, too: Requests in one piece…
t.test('who closes its side with the question is gone with the answer', async (t) => {
  const { port } = await serve(t, echo)
  const from = performance.now()
  // Whether the end comes with the question, or behind it, is a matter of time.
  for (let round = 0; round < 30; round++) {
    const clients = [new Client(port), new Client(port)]
    for (const { socket } of clients) socket.end(get('/a'))
    await Promise.all(clients.map(({ closed }) => closed))
    t.strictSame(clients.map((client) => bodiesOf(client)), [['/a'], ['/a']])
  }
  const time = performance.now() - from
  t.ok(time < 5000, `${Math.round(time)} ms`)
})

t.test('whoever watches a stream and leaves is noticed, though nothing is written', async (t) => {
  let left = 0
  const { port } = await serve(t, (request, response) => {
    mayLast(request)
    response.writeHead(200).write('<begun>')
    response.on('close', () => { left++ })
  })
  const leave: Array<(client: Client) => void> = [
    ({ socket }) => socket.destroy(),
    ({ socket }) => socket.end(),
    ({ socket }) => socket.resetAndDestroy()
  ]
  for (const [index, go] of leave.entries()) {
    const client = await Client.open(port)
    client.socket.write(get('/') + get('/more'))
    await until(() => bodiesOf(client).length === 1)
    go(client)
    await until(() => left === index + 1)
  }
  t.equal(left, 3)
})

// Scenario, too: Requests in one piece…
t.test('how long who does not speak, or does not listen, is waited for', async (t) => {
  const { port } = await serve(t, (_request, response) => { response.end(Buffer.alloc(16 * 2 ** 20)) })
  const rows: Array<[name: string, text: string, least: number, most: number]> = [
    ['nothing is sent', '', 1500, 7000],
    ['half of a head', 'GET / HTTP/1.1\r\nHost: x\r\n', 1500, 4000],
    ['an answer that is not read', get('/'), 9500, 12_000]
  ]
  await Promise.all(rows.map(async ([name, text, least, most]) => {
    const client = await Client.open(port)
    const watch = new Stopwatch(process.pid)
    if (text.endsWith('\r\n\r\n')) client.socket.pause()
    client.socket.write(text)
    if (client.socket.isPaused()) {
      // Who does not read notices the end when it writes.
      while (!client.socket.destroyed && watch.time < 20_000) {
        client.socket.write(' ')
        await sleep(50)
      }
    } else await client.closed
    inTime(t, watch.stop(), [least, most], `${name}:`)
  }))
})

// Scenario, too: Requests in one piece…
t.test('a server that closes waits for nobody who has said nothing', async (t) => {
  const { port, server } = await serve(t, echo)
  const silent = await Client.open(port)
  const asked = await Client.open(port)
  asked.socket.write(get('/a'))
  await until(() => bodiesOf(asked).length === 1)
  const watch = new Stopwatch(process.pid)
  const closed = once(server, 'close')
  server.close()
  await Promise.all([closed, silent.closed, asked.closed])
  inTime(t, watch.stop(), [0, 2000])
})

// Scenario, too: Requests in one piece…
t.test('where too many connect the oldest goes, and answers that last are kept', async (t) => {
  const { port, server } = await serve(t, (request, response) => {
    if (request.url !== '/last') return echo(request, response)
    mayLast(request)
    response.writeHead(200).write('<begun>')
  })
  const lasting = await Client.open(port)
  lasting.socket.write(get('/last'))
  await until(() => bodiesOf(lasting).length === 1)
  const idle: Client[] = []
  for (let count = 0; count < 300; count++) idle.push(await Client.open(port))
  const probe = await Client.open(port)
  probe.socket.write(get('/probe'))
  await until(() => bodiesOf(probe).length === 1)
  await until(() => idle.filter(({ socket }) => socket.destroyed).length >= 46)
  const gone = idle.map(({ socket }) => socket.destroyed)
  t.equal(gone.filter(Boolean).length, 46)
  // Where several come in one turn they are read in another order.
  t.ok(gone.lastIndexOf(true) < 60, `the oldest ones, up to the one at ${gone.lastIndexOf(true)}`)
  t.notOk(lasting.socket.destroyed)
  t.equal(await new Promise((resolve) => { server.getConnections((_error, count) => resolve(count)) }), 256)
  for (const { socket } of [...idle, lasting, probe]) socket.destroy()
})
