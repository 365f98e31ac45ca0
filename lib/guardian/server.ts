import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ServerData } from './protocol.ts'
import { Routes } from './routes.ts'
import type { Reply, ServerPorts } from './routes.ts'

/** Bounds for callers that mean no good, or are broken. Times are milliseconds. */
const bounds = { header: 2000, request: 5000, keepAlive: 5000, look: 1000, headerBytes: 8192, headers: 64, perSocket: 1000, connections: 256 } as const

/**
 * The guardian's HTTP server. It reads no bodies, waits for nobody, and where too many connect, the oldest connection goes:
 * whoever fills the port with idle connections does not keep a probe out.
 */
export function makeServer (data: ServerData, ports: ServerPorts): Server {
  /** Connections that wait for an answer which may take as long as phase 1. */
  const busy = new WeakSet<object>()
  const routes = new Routes(data, ports, busy)
  const server = createServer({
    headersTimeout: bounds.header,
    requestTimeout: bounds.request,
    keepAliveTimeout: bounds.keepAlive,
    connectionsCheckingInterval: bounds.look,
    maxHeaderSize: bounds.headerBytes
  }, (request, response) => {
    if (routes.watch(request, response)) return
    void routes.answer(request).then((reply) => send(request, response, reply), () => response.destroy())
  })
  server.maxHeadersCount = bounds.headers
  server.maxRequestsPerSocket = bounds.perSocket
  const open = new Set<Socket>()
  server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', () => { open.delete(socket) })
    // One that sends nothing at all has no request whose time could run out.
    socket.setTimeout(bounds.request, () => { if (!busy.has(socket)) socket.destroy() })
    if (open.size > bounds.connections) oldest(open, busy)?.destroy()
  })
  server.on('clientError', (_error, socket) => { socket.destroy() })
  return server
}

function oldest (open: ReadonlySet<Socket>, busy: WeakSet<object>): Socket | undefined {
  for (const socket of open) if (!busy.has(socket)) return socket
  return undefined
}

function send (request: IncomingMessage, response: ServerResponse, { code, type, body, headers, sent }: Reply): void {
  const hasBody = request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
  response.writeHead(code, {
    'content-type': type.includes('charset=') ? type : `${type}; charset=utf-8`,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
    ...(hasBody && { connection: 'close' })
  })
  if (sent !== undefined) response.once('finish', sent)
  response.end(request.method === 'HEAD' ? undefined : body)
  // Bodies mean nothing here; what is left of one is not read.
  if (hasBody) response.once('finish', () => { request.socket.destroySoon() })
}
