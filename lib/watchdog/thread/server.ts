import type { Server, ServerResponse } from 'node:http'
import type { Server as Listener } from 'node:net'
import { setTimeout } from 'node:timers'
import { createBoundedServer, addressWithoutIpv6, backlog } from '../../server/bounded.ts'
import type { ServerData, ToMain } from '../protocol.ts'
import { Routes } from './routes.ts'
import type { Reply, ServerPorts } from './routes.ts'

/** The watchdog's HTTP server. It waits for nobody. */
export function makeServer (data: ServerData, ports: ServerPorts): Server {
  const routes = new Routes(data, ports)
  const isProbe = (url: string): boolean => routes.isProbe(url)
  return createBoundedServer(isProbe, (request, response, later) => {
    if (routes.watch(request, response)) return
    routes.answer(request).then((reply) => {
      const answer = (): void => send(response, request.method === 'HEAD', reply)
      // Many may have waited for the same text.
      if (isProbe(request.url ?? '')) answer()
      else later(answer)
    }).catch(() => { response.destroy() })
  }, routes.plainly)
}

function send (response: ServerResponse, isHead: boolean, { code, type, body, headers, sent }: Reply): void {
  const parts = typeof body === 'string' ? [Buffer.from(body)] : body
  response.writeHead(code, {
    'content-type': type.includes('charset=') ? type : `${type}; charset=utf-8`,
    'content-length': parts.reduce((sum, { length }) => sum + length, 0),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers
  })
  if (sent !== undefined) response.once('finish', sent)
  if (!isHead) for (const part of parts) response.write(part)
  response.end()
}

/** Milliseconds between two tries to listen: the port may belong to a process that is about to end. */
const listenInterval = 1000

type Place = Pick<ServerData, 'port' | 'host'>

/** Opens the watchdog's port, and tries again where somebody else has it. */
export function openPort (server: Listener, to: Place, post: (message: ToMain) => void): void {
  const { port } = to
  let address = to.host
  let hasWarned = false
  const listen = (): void => { server.listen({ port, host: address, backlog }) }
  server.on('error', (error: NodeJS.ErrnoException) => {
    // One connection that could not be accepted.
    if (server.listening) return
    const other = addressWithoutIpv6(address, error)
    if (other !== undefined) {
      address = other
      return listen()
    }
    const message = `the watchdog cannot listen on ${address}:${port}, and tries again each second: ${error.message}`
    if (!hasWarned) post({ type: 'warning', message })
    hasWarned = true
    setTimeout(listen, listenInterval)
  })
  server.on('listening', () => {
    const bound = server.address()
    post({ type: 'listening', port: typeof bound === 'object' && bound !== null ? bound.port : port })
  })
  listen()
}
