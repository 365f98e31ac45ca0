import { createServer } from 'node:http'
import type { Server, Socket } from 'node:net'
import { http2ListenerOf } from '../fastify/process-internals.ts'
import type { Faults } from '../util/faults.ts'
import type { Connections } from './connections.ts'

/** How long a connection may say nothing, in milliseconds: as long as Fastify lets a session do nothing. */
const longestSilence = 72_000
/** The first line of a request of HTTP/1 that may be a probe. */
const firstLine = /^(?:GET|HEAD|OPTIONS) (\/[^ ?]*)[^ ]* HTTP\/1\.[01]\r\n/
const followed = new WeakSet<Server>()

/** Whether a server of HTTP/2 without TLS answers probes over HTTP/1.1. */
export function answersHttp1 (server: Server): boolean {
  return followed.has(server)
}

/**
 * Lets probes over HTTP/1.1 reach a server that speaks HTTP/2 without TLS. The first bytes of a connection tell what it
 * is: what does not begin with the whole first line of a probe is Node's, as it was.
 */
export class Http1Probes {
  readonly #connections: Connections
  readonly #isProbe: (path: string) => boolean
  readonly #faults: Faults

  /** @param paths the routes of the probes, which may have something below them */
  constructor (connections: Connections, paths: readonly string[], faults: Faults) {
    this.#connections = connections
    this.#isProbe = (path) => paths.some((probe) => path === probe || path.startsWith(`${probe}/`))
    this.#faults = faults
  }

  /** Looks at the connections of a server from now on. One that speaks something else is left alone. */
  follow (server: Server): void {
    const speak = http2ListenerOf(server)
    if (speak === undefined || followed.has(server)) return
    followed.add(server)
    const http1 = createServer((request, response) => {
      // A connection has one question.
      response.shouldKeepAlive = false
      if (this.#isProbe((request.url ?? '').split('?', 1)[0]!)) server.emit('request', request, response)
      else request.socket.destroy()
    })
    http1.timeout = longestSilence
    this.#connections.follow(http1)
    server.off('connection', speak)
    const where = 'the first bytes of a connection'
    server.prependListener('connection', (socket: Socket) => {
      const isWaiting = this.#faults.attempt(where, () => {
        this.#wait(socket, (isProbe) => isProbe ? http1.emit('connection', socket) : speak.call(server, socket))
        return true
      })
      if (isWaiting !== true) this.#faults.attempt(where, () => speak.call(server, socket))
    })
  }

  #wait (socket: Socket, decide: (isProbe: boolean) => void): void {
    const { handshakes } = this.#connections
    const end = (): void => { socket.destroy() }
    const gone = (): void => { handshakes.delete(socket) }
    const look = this.#faults.guard('the first bytes of a connection', () => {
      const chunk = socket.read() as Buffer | null
      if (chunk === null) return
      socket.off('readable', look).off('error', end).off('end', end).off('timeout', end).off('close', gone)
      socket.setTimeout(0)
      socket.unshift(chunk)
      gone()
      const [, path] = firstLine.exec(chunk.toString('latin1', 0, 1024)) ?? []
      decide(path !== undefined && this.#isProbe(path))
    })
    handshakes.add(socket)
    socket.on('readable', look).on('error', end).on('end', end).on('timeout', end).on('close', gone)
    socket.setTimeout(longestSilence)
  }
}
