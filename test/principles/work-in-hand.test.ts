import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import { request as secureRequest } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { WebSocket } from 'ws'
import { deferred } from '../../lib/util/promises.ts'
import { inTime, Stopwatch } from '../support/stopwatch.ts'
import { Client, ended, serve } from './sockets.ts'
import type { Service } from './sockets.ts'

// Some sixty services are started, one after the other.
t.setTimeout(300_000)

interface Row {
  name: string
  /** The behaviour, or several: by @fastify/websocket, or by `ws` on the server itself. */
  paths: string[]
  given?: { tls?: boolean, [key: string]: unknown }
  /** Given to the client's WebSocket. */
  client?: object
  /** What the client sends before the signal. */
  send?: string[]
  /** What it does from then on. */
  act?: (socket: WebSocket) => void
  messages?: string[]
  /** Bytes that have to arrive. */
  bytes?: number
  /** The close code. Default: 1001. */
  code?: number
  /** Milliseconds after the signal within which the WebSocket closes. */
  within: [number, number]
  verdict?: 'clean' | 'cut'
  exitCode?: number
}

/** Half of what is left of 8 s for phase 3 is about 2.8 s. */
const half: [number, number] = [2200, 4000]

const every = (interval: number, act: (socket: WebSocket) => void) => (socket: WebSocket): void => {
  const timer = setInterval(() => { if (socket.readyState === WebSocket.OPEN) act(socket) }, interval)
  socket.on('close', () => clearInterval(timer))
}
/** Takes nothing for a while: what is sent stays in the kernel's buffers, and in the service. */
const pauseFor = (time: number) => (socket: WebSocket): void => {
  socket.pause()
  setTimeout(() => socket.resume(), time)
}
const pauseNowAndThen = (socket: WebSocket): void => {
  for (const after of [0, 600, 1200]) setTimeout(pauseFor(300), after, socket)
}
const both = (name: string): string[] => [`/${name}`, `/direct/${name}`]

const rows: Row[] = [
  {
    name: 'nothing in hand: told after quiet',
    paths: both('quiet'),
    within: [200, 1500]
  },
  {
    name: 'a message that was answered: told after quiet',
    paths: both('echo'),
    send: ['a'],
    messages: ['a'],
    within: [200, 1500]
  },
  {
    name: 'a message whose handler answers after 1.5 s',
    paths: both('late'),
    send: ['a'],
    messages: ['answer to a'],
    within: [1200, 2500]
  },
  {
    name: 'the same without a promise',
    paths: both('callback'),
    send: ['a'],
    messages: ['answer to a'],
    within: [1200, 2500]
  },
  {
    name: 'the same with addEventListener',
    paths: both('event'),
    send: ['a'],
    messages: ['answer to a'],
    within: [700, 2000]
  },
  {
    name: 'the same in a loop over events.on',
    paths: both('loop'),
    send: ['a'],
    messages: ['answer to a'],
    within: [700, 2000]
  },
  {
    name: 'two messages at once',
    paths: both('late'),
    send: ['a', 'b'],
    messages: ['answer to a', 'answer to b'],
    within: [1200, 2500]
  },
  {
    name: 'two messages that are answered at different times, without a promise',
    paths: both('staggered'),
    send: ['300', '1400'],
    messages: ['answer to 300', 'answer to 1400'],
    within: [1200, 2500]
  },
  {
    name: 'an answer in two parts with a pause of 400 ms',
    paths: both('parts'),
    send: ['a'],
    messages: ['part 1', 'part 2'],
    within: [400, 2000]
  },
  {
    name: 'an answer in many parts with pauses of 350 ms',
    paths: both('tokens'),
    send: ['a'],
    messages: ['token 1', 'token 2', 'token 3', 'token 4', 'token 5', 'done'],
    within: [1500, 3000]
  },
  {
    name: 'a first word that comes a second after the connection',
    paths: ['/welcome'],
    messages: ['welcome'],
    within: [600, 2000]
  },
  {
    name: 'waitUntil with the WebSocket',
    paths: both('waitUntil'),
    send: ['socket'],
    messages: ['accepted', 'done'],
    within: [1200, 2500]
  },
  {
    name: 'waitUntil with the net.Socket',
    paths: both('waitUntil'),
    send: ['connection'],
    messages: ['accepted', 'done'],
    within: [1200, 2500]
  },
  {
    name: 'waitUntil with the request',
    paths: ['/waitUntil'],
    send: ['request'],
    messages: ['accepted', 'done'],
    within: [1200, 2500]
  },
  {
    name: 'a handler that answers after half of what is left',
    paths: both('slowest'),
    send: ['a'],
    messages: [],
    within: half
  },
  {
    name: 'a handler that never settles',
    paths: both('never'),
    send: ['a'],
    messages: [],
    within: half
  },
  {
    name: 'a feed every 100 ms is told at half',
    paths: both('feed'),
    within: half
  },
  {
    name: 'a client that sends every 100 ms is told at half',
    paths: both('sink'),
    act: every(100, (socket) => socket.send('x')),
    messages: [],
    within: half
  },
  {
    name: 'pings of the client every 50 ms are no use',
    paths: both('quiet'),
    act: every(50, (socket) => socket.ping('x')),
    messages: [],
    within: [200, 1500]
  },
  {
    name: 'the same over TLS',
    given: { tls: true },
    paths: both('quiet'),
    act: every(50, (socket) => socket.ping('x')),
    messages: [],
    within: [200, 1500]
  },
  {
    name: 'a message in hand over TLS, with compression',
    given: {
      tls: true,
      direct: { perMessageDeflate: { threshold: 0 } },
      plugin: { options: { perMessageDeflate: { threshold: 0 } } }
    },
    paths: both('late'),
    send: ['a'],
    messages: ['answer to a'],
    within: [1200, 2500]
  },
  {
    name: 'a message that no handler answers, once its promise has settled, is told at half',
    paths: ['/store'],
    send: ['a'],
    messages: [],
    within: half
  },
  ...[false, true].map((tls): Row => ({
    name: `a slow reader of a large message gets all of it, and is told then${tls ? ', over TLS' : ''}`,
    given: { tls, options: { gracePeriod: 12_000 } },
    paths: both('large'),
    send: ['a'],
    act: pauseFor(1200),
    bytes: 10e6,
    within: [500, 7000]
  })),
  {
    name: 'a reader that goes on a little at a time',
    given: { options: { gracePeriod: 12_000 } },
    paths: both('large'),
    send: ['a'],
    act: pauseNowAndThen,
    bytes: 10e6,
    // How long it takes is the reader's matter; had it been closed before, bytes would be missing.
    within: [0, 7000]
  },
  {
    name: 'a reader that takes nothing any more is cut in time',
    given: { options: { gracePeriod: 3000 } },
    paths: both('large'),
    send: ['a'],
    act: pauseFor(3500),
    code: 1006,
    within: [2500, 4500],
    verdict: 'cut'
  },
  {
    name: 'code, reason and quiet of one\'s own',
    given: { options: { drain: { webSocket: { code: 1012, reason: 'come back', quiet: 900 } } } },
    paths: both('quiet'),
    code: 1012,
    within: [850, 2200]
  },
  {
    name: 'drainSignal: the handler\'s own good-bye',
    paths: ['/signal'],
    code: 4001,
    within: [350, 1500]
  },
  {
    name: 'a good-bye in a draining hook',
    given: { hooks: ['draining'] },
    paths: both('quiet'),
    code: 4000,
    within: [0, 1000]
  },
  {
    name: 'a good-bye in a draining hook that takes its time',
    given: { hooks: ['slow draining'] },
    paths: both('quiet'),
    code: 4000,
    within: [500, 1700]
  },
  {
    name: 'webSocket: false and a good-bye of one\'s own',
    given: { hooks: ['slow draining'], options: { drain: { webSocket: false } } },
    paths: both('quiet'),
    code: 4000,
    within: [500, 1700]
  },
  {
    name: 'webSocket: false and no good-bye: cut',
    given: { options: { gracePeriod: 3000, drain: { webSocket: false } } },
    paths: ['/direct/quiet'],
    code: 1006,
    within: [1000, 3000],
    verdict: 'cut'
  }
]

// Scenario (HTTP/2, upgrades, streams): Work in hand on a WebSocket, of many kinds; slow readers of a large message
t.test('WebSockets', { jobs: 3 }, async (t) => {
  for (const row of rows) {
    const { name, paths, given = {}, client: options, send = [], act, messages, bytes } = row
    const { code = 1001, within: [least, most], verdict = 'clean', exitCode = 0 } = row
    t.test(name, async (t) => {
      const service = await serve(t, given)
      const clients = paths.map((path) => new Client(service.url + path, options))
      // All first: on a busy machine a second one may take long, and what the first one does goes by its own clock.
      await Promise.all(
        clients.map(async ({ socket }) => socket.readyState === WebSocket.OPEN || await once(socket, 'open'))
      )
      const watch = new Stopwatch(service.fork.child.pid)
      for (const { socket } of clients) {
        for (const text of send) socket.send(text)
        act?.(socket)
      }
      await sleep(100)
      for (const client of clients) client.started = performance.now()
      service.fork.kill('SIGTERM')
      await Promise.all(clients.map(async ({ closed }) => closed))
      const { late } = watch.stop()
      for (const [index, client] of clients.entries()) {
        if (messages !== undefined) t.strictSame(client.messages, messages, `${paths[index]}: what arrived`)
        if (bytes !== undefined) t.equal(client.bytes, bytes, `${paths[index]}: how much arrived`)
        t.equal(client.code, code, `${paths[index]}: close code`)
        // The signal is late as well, and what a message has set off is over that much sooner after it.
        inTime(t, { time: client.closedAt, late }, [least - late, most], `${paths[index]}: closed after`)
      }
      const { code: exit, report } = await ended(service)
      t.equal(exit, exitCode)
      t.match(report, { verdict, cut: { requests: [], upgraded: verdict === 'cut' ? paths.length : 0 } })
    })
  }
})

interface Stream {
  name: string
  path: string
  /** How it ends for its client: in order, or broken. */
  ends: 'in order' | 'broken'
  /** What it ends with, if that matters. */
  last?: RegExp
  status?: number
  /** What the report says. */
  cut: { requests: number, streams: number }
  exitCode?: number
  /** Hooks of the service. */
  hooks?: string[]
}

const streams: Stream[] = [
  {
    name: 'an event stream that hears of the end by drainSignal',
    path: '/sse/signal',
    ends: 'in order',
    last: /event: bye\ndata: \n\n$/,
    cut: { requests: 0, streams: 0 }
  },
  {
    name: 'an event stream whose route says so',
    path: '/sse/route',
    ends: 'in order',
    last: /data: \d+\n\n$/,
    cut: { requests: 0, streams: 0 }
  },
  {
    name: 'another type whose route says so',
    path: '/ndjson/route',
    ends: 'in order',
    last: /data: \d+\n\n$/,
    cut: { requests: 0, streams: 0 }
  },
  {
    name: 'a long poll whose route says so',
    path: '/poll/route',
    ends: 'in order',
    status: 503,
    cut: { requests: 0, streams: 0 }
  },
  {
    name: 'an event stream that goes on',
    path: '/sse/piped',
    ends: 'in order',
    last: /data: \d+\n\n$/,
    cut: { requests: 0, streams: 1 }
  },
  {
    name: 'a hijacked event stream whose owner goes on writing',
    path: '/sse/raw',
    ends: 'in order',
    last: /data: 1\n\n$/,
    cut: { requests: 0, streams: 1 }
  },
  {
    name: 'multipart/x-mixed-replace',
    path: '/mjpeg',
    ends: 'in order',
    cut: { requests: 0, streams: 1 }
  },
  {
    name: 'a long poll with drainSignal that does not answer',
    path: '/poll/signal',
    ends: 'in order',
    status: 503,
    cut: { requests: 0, streams: 1 }
  },
  {
    name: 'a document that is begun must not look whole',
    path: '/json/signal',
    ends: 'broken',
    cut: { requests: 0, streams: 1 }
  },
  {
    name: 'an ordinary reply that is cut must not look whole',
    path: '/ndjson',
    ends: 'broken',
    cut: { requests: 1, streams: 0 },
    exitCode: 1
  },
  {
    name: 'a stream that a preClose hook ends',
    path: '/raw/stream',
    hooks: ['preClose'],
    ends: 'in order',
    last: /^begin\nevent: bye\n\n$/,
    cut: { requests: 0, streams: 0 }
  },
  {
    name: 'a stream that a draining hook ends',
    path: '/raw/stream',
    hooks: ['slow draining'],
    ends: 'in order',
    last: /^begin\nevent: bye\n\n$/,
    cut: { requests: 0, streams: 0 }
  }
]

interface Ended { status: number | undefined, text: string, error: Error | undefined }

/** Reads a stream to its end, over HTTP/1 with or without TLS; says when it begins. */
function readHttp1 (service: Service, secure: boolean, path: string, begins: () => void): Promise<Ended> {
  return new Promise((resolve) => {
    const result: Ended = { status: undefined, text: '', error: undefined }
    const get = secure ? secureRequest : request
    get({ host: '127.0.0.1', port: service.port, path, rejectUnauthorized: false, agent: false }, (response) => {
      result.status = response.statusCode
      response.setEncoding('utf8').once('data', begins).on('data', (text: string) => { result.text += text })
      response.on('error', (error) => { result.error = error }).on('close', () => resolve(result))
    }).on('error', (error) => {
      result.error ??= error
      resolve(result)
    }).end()
  })
}

/** The same over HTTP/2. Several share a session. */
function readHttp2 (session: ClientHttp2Session, path: string, begins: () => void): Promise<Ended> {
  return new Promise((resolve) => {
    const result: Ended = { status: undefined, text: '', error: undefined }
    const stream = session.request({ ':path': path })
    stream.on('response', (headers) => { result.status = headers[':status'] })
    stream.setEncoding('utf8').once('data', begins).on('data', (text: string) => { result.text += text })
    stream.on('error', (error) => { result.error = error }).on('close', () => resolve(result)).end()
  })
}

// Scenario (HTTP/2, upgrades, streams): Streams at the end, told by hook, route or signal, and cut, over HTTP/1, TLS
// and HTTP/2
t.test('streams', { jobs: 3 }, async (t) => {
  for (const protocol of ['HTTP/1', 'HTTP/1 and TLS', 'HTTP/2']) {
    for (const { name, path, hooks = [], ends, last, status = 200, cut, exitCode = 0 } of streams) {
      t.test(`${name}, over ${protocol}`, async (t) => {
        const tls = protocol !== 'HTTP/1'
        const service = await serve(t, { tls, http2: protocol === 'HTTP/2', hooks, options: { gracePeriod: 3000 } })
        const session = protocol === 'HTTP/2'
          ? connect(`https://127.0.0.1:${service.port}`, { rejectUnauthorized: false })
          : undefined
        session?.on('error', () => {})
        const begun = deferred<void>()
        const read = session === undefined
          ? readHttp1(service, tls, path, begun.resolve)
          : readHttp2(session, path, begun.resolve)
        await (path.startsWith('/poll/') ? service.fork.waitForLine(/^poll begins$/m) : begun.promise)
        service.fork.kill('SIGTERM')
        const result = await read
        session?.close()
        if (ends === 'in order') {
          t.equal(result.error, undefined)
          t.equal(result.status, status)
          if (last !== undefined) t.match(result.text, last)
        } else t.ok(result.error, 'the client knows that it is not all')
        const { code, report } = await ended(service)
        t.equal(code, exitCode, service.fork.output())
        t.match({ requests: report.cut.requests.length, streams: report.cut.streams }, cut)
        t.strictSame(report.failures, [])
      })
    }
  }
})
