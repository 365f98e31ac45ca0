import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A port or a socket that is attacked, and whatever makes a connection to it. */
export interface Door {
  dial: () => Socket
}

/** What a stranger does, until it is told to stop. */
export interface Attack {
  name: string
  /** Only on a port: a unix socket cannot be reset, and whoever may open one is let in. */
  isForPorts?: true
  begin: (door: Door) => Siege
}

/** An attack that is under way. */
interface Siege { stop: () => void }

export const tcp = (port: number): Door => ({ dial: () => connect({ port, host: '127.0.0.1' }) })
export const unix = (path: string): Door => ({ dial: () => connect({ path }) })

/** The head of a request. */
export const ask = (path: string, headers = '', method = 'GET'): string => {
  return `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`
}
const page: string = ask('/-/status', 'Accept: text/html\r\n')

/** So many connections, to each of which something is done once it is there. */
function connections (count: number, act: (socket: Socket, index: number) => void): Attack['begin'] {
  return ({ dial }) => {
    const sockets = Array.from({ length: count }, (_, index) => {
      const socket = dial()
      socket.on('error', () => {})
      socket.once('connect', () => { act(socket, index) })
      return socket
    })
    return { stop: () => { for (const socket of sockets) socket.destroy() } }
  }
}

/** So many more connections every few milliseconds, which say nothing. */
const growing = (each: number, count: number): Attack['begin'] => (door) => {
  const sieges: Siege[] = []
  const timer = setInterval(() => {
    if (sieges.length * each >= count) clearInterval(timer)
    else sieges.push(connections(each, () => {})(door))
  }, 25)
  return {
    stop: () => {
      clearInterval(timer)
      for (const { stop } of sieges) stop()
    }
  }
}

/** Connections that write this at once, and read nothing. */
export const deaf = (count: number, text: string): Attack['begin'] => connections(count, (socket) => {
  socket.pause()
  socket.write(text, 'latin1')
})

/** Likewise, and read everything. */
const keen = (count: number, text: string): Attack['begin'] => connections(count, (socket) => {
  socket.resume()
  socket.write(text)
})

/** Connections that write so many bytes every few milliseconds. */
const dribble = (count: number, begin: string, more: string): Attack['begin'] => connections(count, (socket) => {
  socket.resume()
  socket.write(begin)
  const timer = setInterval(() => {
    if (socket.destroyed) clearInterval(timer)
    else socket.write(more)
  }, 10)
})

/** Connections that write a text byte by byte, one every few milliseconds, and begin again at its end. */
const slowly = (count: number, text: string): Attack['begin'] => connections(count, (socket) => {
  socket.resume().setNoDelay()
  let at = 0
  const timer = setInterval(() => {
    if (socket.destroyed) clearInterval(timer)
    else socket.write(text[at++ % text.length]!, 'latin1')
  }, 10)
})

/** Connections that write this at once, and leave. */
const brief = (count: number, text: string, leave: (socket: Socket) => void): Attack['begin'] =>
  connections(count, (socket) => {
    if (text !== '') socket.write(text, 'latin1')
    leave(socket)
  })

/** Connections that ask again with each answer. */
const eager = (count: number, text: string): Attack['begin'] => connections(count, (socket) => {
  socket.on('data', (data: Buffer) => { if (data.includes('HTTP/1.1 ')) socket.write(text) })
  socket.write(text)
})

/** New connections all the time, each of which asks and leaves. */
const fickle = (each: number, text: string, leave: (socket: Socket) => void): Attack['begin'] => ({ dial }) => {
  const stopped = new AbortController()
  void (async () => {
    while (!stopped.signal.aborted) {
      for (let count = 0; count < each; count++) {
        const socket = dial()
        socket.on('error', () => {})
        socket.once('connect', () => {
          if (text !== '') socket.write(text)
          leave(socket)
        })
      }
      await sleep(10)
    }
  })()
  return { stop: () => { stopped.abort() } }
}

const names = Array.from({ length: 500 }, (_, index) => `exclude=no-such-check-${index}`).join('&').slice(0, 7000)
const wrong = 'Authorization: Bearer another-token-of-length\r\n'
const longProbe = ask(`/readyz?verbose&${names}`, 'Accept: application/json\r\n')
const metrics = ask('/-/metrics') + ask('/metrics')
const nothing = ask('/nothing') + ask('/-/status', '', 'DELETE') + ask('/livez', '', 'PUT')
const acts = ask('/-/prestop', wrong, 'POST') + ask('/-/drain', wrong, 'POST')
const endless = ask('/-/drain', 'Content-Length: 1000000000\r\n', 'POST')
const chunked = ask('/-/status', 'Transfer-Encoding: chunked\r\n', 'POST')
const preface = `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'\u0000'.repeat(2000)}`

/** How HTTP/2 begins, and how TLS does: the head of a first message, of which 512 bytes are announced. */
export const begins: Readonly<Record<'http2' | 'tls', string>> = { http2: preface, tls: `\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003${'x'.repeat(200)}` }

const probes = ask('/readyz').repeat(100)
const lastProbe = ask('/readyz', 'Connection: close\r\n')

const leaveSoon = (socket: Socket): void => { setTimeout(() => { socket.destroy() }, 20) }
const reset = (socket: Socket): void => { socket.resetAndDestroy() }
const leave = (socket: Socket): void => { socket.destroy() }
const halfClose = (socket: Socket): void => { socket.resume().end() }

/** Everything that is tried on a door that speaks HTTP/1. */
export const attacks: readonly Attack[] = [
  { name: 'four connections, a thousand pages each, nothing read', begin: deaf(4, page.repeat(1000)) },
  { name: '200 connections, 30 pages each, nothing read', begin: deaf(200, page.repeat(30)) },
  { name: 'the status, a thousand times on each of 20 connections', begin: deaf(20, ask('/-/status').repeat(1000)) },
  { name: 'the metrics, a hundred times on each of 50 connections', begin: deaf(50, metrics.repeat(50)) },
  { name: 'probes with long questions, nothing read', begin: deaf(50, longProbe.repeat(8)) },
  { name: 'probes, a thousand times on each of 20 connections', begin: deaf(20, ask('/readyz').repeat(1000)) },
  { name: 'what is not there, and what is not allowed', begin: deaf(20, nothing.repeat(300)) },
  { name: 'streams in one piece', begin: deaf(30, ask('/-/status/events').repeat(500)) },
  { name: 'calls with a wrong token', isForPorts: true, begin: deaf(20, acts.repeat(200)) },
  { name: 'bodies that are announced and never come', isForPorts: true, begin: deaf(200, endless) },
  { name: 'a body in many chunks', begin: dribble(50, chunked, '1\r\nx\r\n'.repeat(2000)) },
  { name: 'heads, byte by byte', begin: dribble(250, 'GET /readyz HTTP/1.1\r\n', 'x') },
  { name: 'heads that never end', begin: dribble(50, 'GET / HTTP/1.1\r\n', `x: ${'y'.repeat(4000)}\r\n`) },
  { name: 'heads of many fields', begin: deaf(100, ask('/-/status', 'a:\r\n'.repeat(2500)).repeat(6)) },
  { name: '400 connections at once that say nothing', begin: connections(400, () => {}) },
  { name: '1400 connections in 0.7 s that say nothing', begin: growing(50, 2000) },
  { name: 'connections that come and go', begin: fickle(4, page, leaveSoon) },
  { name: 'connections that are reset at once', isForPorts: true, begin: fickle(4, '', reset) },
  { name: 'connections that ask and are half closed', begin: fickle(3, page.repeat(5), halfClose) },
  { name: 'long requests of connections that leave at once', begin: fickle(8, page.repeat(600), leaveSoon) },
  { name: '200 readers that go on and on', begin: eager(200, page) },
  { name: '200 readers of the metrics', begin: eager(200, ask('/metrics')) },
  { name: 'what is no HTTP', begin: fickle(3, '\u0016\u0003\u0001\u0002\u0000\u0001'.repeat(200), leaveSoon) },
  { name: 'HTTP/2 where HTTP/1 is spoken', begin: deaf(100, preface) },
  { name: 'probes, byte by byte', begin: slowly(250, ask('/readyz')) },
  { name: '200 kept connections that ask for a probe with each answer', begin: eager(200, ask('/readyz')) },
  { name: '2000 connections a second that leave without a word', begin: fickle(20, '', leave) }
]

/** Connections that come all at once, each of which asks for much: a probe's comes behind them. */
export const crowds: readonly Attack[] = [
  { name: '256 connections, a thousand pages each, nothing read', begin: deaf(256, page.repeat(1000)) },
  { name: '1000 connections at once that say nothing', begin: connections(1000, () => {}) },
  { name: '1000 connections at once, a hundred probes each, nothing read', begin: deaf(1000, probes) },
  { name: '1000 connections at once, a hundred probes each', begin: keen(1000, probes) },
  { name: '1000 connections at once that are reset', isForPorts: true, begin: brief(1000, '', reset) },
  { name: '1000 connections at once, half closed without a word', begin: brief(1000, '', halfClose) },
  { name: '1000 connections at once that begin HTTP/2', begin: deaf(1000, begins.http2) },
  { name: '1000 connections at once that begin TLS', begin: deaf(1000, begins.tls) }
]

/** What no stranger can be told by: each asks for one probe, as a kubelet does. */
export const disguisedAs = (count: number): readonly Attack[] => [
  { name: `${count} connections at once that ask for one probe`, begin: deaf(count, ask('/readyz')) },
  { name: `${count} connections at once that ask for one probe and leave`, begin: keen(count, lastProbe) },
  { name: `${count} connections at once that ask for one probe, half closed`, begin: brief(count, ask('/readyz'), halfClose) }
]
export const disguised: readonly Attack[] = [
  ...disguisedAs(1000),
  { name: '1000 connections at once that ask for a probe and are reset', begin: brief(1000, ask('/readyz'), reset) },
  { name: '1000 connections at once that begin a probe', begin: deaf(1000, ask('/readyz').slice(0, -2)) }
]

/** What is tried with a beginning that has no end: of a handshake, or of HTTP/2. */
export const beginnings = (text: string): readonly Attack[] => [
  { name: '300 connections that say nothing', begin: connections(300, () => {}) },
  { name: '300 connections that say one byte', begin: deaf(300, text.slice(0, 1)) },
  { name: '300 connections that say half of it', begin: deaf(300, text.slice(0, text.length / 2)) },
  { name: '100 connections that say it byte by byte', begin: slowly(100, text) },
  { name: '300 connections that say half of it, half closed', begin: brief(300, text.slice(0, 12), halfClose) },
  { name: 'connections that say half of it and are reset', begin: fickle(8, text.slice(0, 12), reset) }
]
