import type { Server, ServerResponse } from 'node:http'
import { createBoundedServer } from '../../server/bounded.ts'
import type { ServerData } from '../protocol.ts'
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
