import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { PublicStatus } from '../admin/status.ts'
import { digest, showsToken } from '../admin/token.ts'
import { formatJson, formatText, negotiate } from '../health/format.ts'
import type { Verdict } from '../health/health.ts'
import type { CheckKind } from '../health/options.ts'
import type { Question } from './answers.ts'
import type { ServerData } from './protocol.ts'

/** What the server asks. None of it waits for the main thread longer than a moment. */
export interface ServerPorts {
  verdict: (kind: CheckKind, question: Question) => Verdict
  publicStatus: () => PublicStatus
  /** The whole, as far as it is known. */
  status: () => Promise<object>
  /** Phase 1 for a preStop hook; settles when it could end. */
  prestop: () => Promise<void>
}

/** Bounds for callers that mean no good, or are broken. Times are milliseconds. */
const bounds = { header: 2000, request: 5000, keepAlive: 5000, look: 1000, headerBytes: 8192, headers: 64, perSocket: 1000, connections: 256 } as const
const probes: ReadonlyMap<string, CheckKind> = new Map([['livez', 'liveness'], ['readyz', 'readiness'], ['startupz', 'startup']])
/** The User-Agent of a kubelet that calls a preStop hook. */
const kubelet = /^kube-lifecycle\//

interface Reply { code: number, type: string, body: string, headers?: Record<string, string> }

/**
 * The guardian's HTTP server. It reads no bodies, waits for nobody, and where too many connect, the oldest connection goes:
 * whoever fills the port with idle connections does not keep a probe out.
 */
export function makeServer (data: ServerData, ports: ServerPorts): Server {
  const routes = new Routes(data, ports)
  const server = createServer({
    headersTimeout: bounds.header,
    requestTimeout: bounds.request,
    keepAliveTimeout: bounds.keepAlive,
    connectionsCheckingInterval: bounds.look,
    maxHeaderSize: bounds.headerBytes
  }, (request, response) => {
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
    if (open.size > bounds.connections) oldest(open)?.destroy()
  })
  server.on('clientError', (_error, socket) => { socket.destroy() })
  return server
}

/** Connections that wait for a preStop answer, which may take as long as phase 1. */
const busy = new WeakSet<object>()

function oldest (open: ReadonlySet<Socket>): Socket | undefined {
  for (const socket of open) if (!busy.has(socket)) return socket
  return undefined
}

function send (request: IncomingMessage, response: ServerResponse, { code, type, body, headers }: Reply): void {
  const hasBody = request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
  response.writeHead(code, {
    'content-type': `${type}; charset=utf-8`,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
    ...(hasBody && { connection: 'close' })
  })
  response.end(request.method === 'HEAD' ? undefined : body)
  // Bodies mean nothing here; what is left of one is not read.
  if (hasBody) response.once('finish', () => { request.socket.destroySoon() })
}

class Routes {
  readonly #data: ServerData
  readonly #ports: ServerPorts
  readonly #tokens: Buffer[]

  constructor (data: ServerData, ports: ServerPorts) {
    this.#data = data
    this.#ports = ports
    this.#tokens = (data.admin?.tokens ?? []).map((token) => digest(token))
  }

  async answer (request: IncomingMessage): Promise<Reply> {
    const [path = '', query = ''] = (request.url ?? '').split('?', 2)
    const { admin, probes: probing } = this.#data
    if (admin !== undefined && path === `${admin.prefix}/prestop` && this.#tokens.length > 0) return this.#prestop(request)
    if (request.method !== 'GET' && request.method !== 'HEAD') return problem(405, 'Method Not Allowed', { allow: 'GET, HEAD' })
    if (admin !== undefined && path === `${admin.prefix}/status`) return this.#status(request)
    const inside = probing !== undefined && path.startsWith(`${probing.prefix}/`) ? path.slice(probing.prefix.length + 1) : ''
    const [probe = '', only = '', ...rest] = inside.split('/')
    const kind = rest.length === 0 ? probes.get(probe) : undefined
    if (kind === undefined) return problem(404, 'Not Found')
    return this.#probe(kind, probe, decode(only), new URLSearchParams(query), request.headers.accept)
  }

  #probe (kind: CheckKind, probe: string, only: string, query: URLSearchParams, accept: string | undefined): Reply {
    const expose = this.#data.probes?.expose ?? false
    const verdict = this.#ports.verdict(kind, { exclude: query.getAll('exclude'), only: only === '' ? undefined : only })
    if (verdict.checks.length === 0) return { code: 404, type: 'text/plain', body: `no check of this name belongs to ${probe}\n` }
    const type = negotiate(accept)
    const body = type === 'text/plain' ? formatText(verdict, { probe, verbose: query.has('verbose'), expose }) : formatJson(verdict, expose)
    return { code: verdict.ok ? 200 : 503, type, body, headers: { vary: 'accept' } }
  }

  async #status (request: IncomingMessage): Promise<Reply> {
    const granted = showsToken(request.headers.authorization, this.#tokens)
    return json(200, granted ? await this.#ports.status() : this.#ports.publicStatus())
  }

  async #prestop (request: IncomingMessage): Promise<Reply> {
    const isKubelet = request.method === 'GET' && kubelet.test(request.headers['user-agent'] ?? '')
    if (request.method !== 'POST' && !isKubelet) return problem(405, 'Method Not Allowed', { allow: 'POST' })
    const { authorization } = request.headers
    if (!showsToken(authorization, this.#tokens)) return authorization === undefined ? problem(401, 'Unauthorized', { 'www-authenticate': 'Bearer' }) : problem(403, 'Forbidden')
    busy.add(request.socket)
    try {
      await this.#ports.prestop()
    } finally {
      busy.delete(request.socket)
    }
    return json(200, this.#ports.publicStatus())
  }
}

function decode (segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

function json (code: number, value: object, headers?: Record<string, string>): Reply {
  return { code, type: 'application/json', body: JSON.stringify(value), ...(headers && { headers }) }
}

function problem (statusCode: number, error: string, headers?: Record<string, string>): Reply {
  return json(statusCode, { statusCode, error, message: error }, headers)
}
