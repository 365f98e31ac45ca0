import type { IncomingMessage, ServerResponse } from 'node:http'
import type { PublicStatus } from '../../status/model.ts'
import { digest, showsToken } from '../../admin/guard.ts'
import { formatJson, formatText, isVerbose, negotiate, probes, plainProbes } from '../../health/answers.ts'
import type { Verdict } from '../../health/health.ts'
import type { CheckKind } from '../../health/options.ts'
import { pageMaker, wantsPage } from '../../page/document.ts'
import type { PageMaker } from '../../page/document.ts'
import { streamBounds } from '../../page/viewers.ts'
import { streamHeaders } from '../../page/outlet.ts'
import type { Access, Viewers } from '../../page/viewers.ts'
import { mayLast } from '../../server/bounded.ts'
import type { AnswerPlainly } from '../../server/plain.ts'
import { identityOf } from '../../traffic/callers.ts'
import { proberOf } from '../../traffic/probers.ts'
import type { Question } from './verdict.ts'
import type { ProbeAnswers, RefusedMetrics, ServerData } from '../protocol.ts'

/** Metrics as they are sent. */
export type ServedMetrics = { body: Buffer, type: string } | RefusedMetrics

/** What the server asks. None of it waits for the main thread longer than a moment. */
export interface ServerPorts {
  verdict: (kind: CheckKind, question: Question) => Promise<Verdict>
  /** The verdict over all checks of a kind, at once; undefined where something has to be waited for. */
  verdictNow: (kind: CheckKind) => Verdict | undefined
  /** The answer to a probe has gone out. */
  probed: (answer: Pick<ProbeAnswers, 'prober' | 'probe' | 'ok' | 'caller'>) => void
  publicStatus: () => PublicStatus
  /** The whole, as far as it is known. */
  status: () => Promise<object>
  /** Undefined where there are none yet. */
  metrics: () => Promise<ServedMetrics | undefined>
  /** Phase 1 for a preStop hook; settles when it could end. */
  prestop: () => Promise<void>
  /** Those who watch the status. */
  viewers: Viewers
}

/** What a request is answered with. */
export interface Reply {
  code: number
  /** UTF-8, unless it says otherwise. */
  type: string
  /** What never changes in it is shared by all who are answered. */
  body: string | readonly Buffer[]
  headers?: Record<string, string>
  /** Called when it has gone out. */
  sent?: () => void
}

/** A probe that is asked for: its kind, its route, and the one check that is asked, or none. */
interface Probe { kind: CheckKind, name: string, only: string }

const kinds: ReadonlyMap<string, CheckKind> = new Map(Object.entries(probes))
/** The User-Agent of a kubelet that calls a preStop hook. */
const kubelet = /^kube-lifecycle\//

/** What the watchdog's port answers. */
export class Routes {
  readonly #data: ServerData
  readonly #ports: ServerPorts
  readonly #makePage: PageMaker | undefined
  readonly #tokens: Buffer[]
  /** Answers what asks for nothing but a probe. */
  readonly plainly: AnswerPlainly | undefined

  constructor (data: ServerData, ports: ServerPorts) {
    this.#data = data
    this.#ports = ports
    this.#makePage = data.admin?.page && pageMaker(data.admin.page)
    this.#tokens = (data.admin?.tokens ?? []).map((token) => digest(token))
    this.plainly = data.probes && plainProbes({
      ...data.probes,
      except: data.metrics,
      verdict: ports.verdictNow,
      sent: ({ probe, kind, ok }, { path, method, userAgent, host }, address) => {
        const caller = kind === 'readiness' ? identityOf(path, method, userAgent, host, inIpv4(address)) : undefined
        ports.probed({ prober: proberOf(userAgent) ?? 'other', probe, ok, caller })
      }
    })
  }

  async answer (request: IncomingMessage): Promise<Reply> {
    const [path = '', query = ''] = (request.url ?? '').split('?', 2)
    const { admin, metrics } = this.#data
    if (admin !== undefined && path === `${admin.prefix}/prestop` && this.#tokens.length > 0) {
      return this.#prestop(request)
    }
    const probe = this.#probeAt(path)
    // HAProxy's checks are OPTIONS by default.
    if (probe !== undefined && request.method === 'OPTIONS') {
      return this.#probe(probe, new URLSearchParams(query), request)
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return problem(405, 'Method Not Allowed', { allow: 'GET, HEAD' })
    }
    if (admin !== undefined && path === `${admin.prefix}/status`) return this.#status(request)
    if (metrics.includes(path)) return this.#metrics()
    return probe === undefined ? problem(404, 'Not Found') : this.#probe(probe, new URLSearchParams(query), request)
  }

  /** Whether a request for this URL asks a probe, whatever comes of it. */
  isProbe (url: string): boolean {
    return this.#probeAt(pathOf(url)) !== undefined
  }

  #probeAt (path: string): Probe | undefined {
    const { probes: probing } = this.#data
    const inside = probing !== undefined && path.startsWith(`${probing.prefix}/`)
      ? path.slice(probing.prefix.length + 1)
      : ''
    const [name = '', only = '', ...rest] = inside.split('/')
    const kind = rest.length === 0 ? kinds.get(name) : undefined
    return kind && { kind, name, only: decode(only) }
  }

  /** Answers with the stream of changes, where a request asks for it. */
  watch (request: IncomingMessage, response: ServerResponse): boolean {
    const { admin } = this.#data
    if (admin?.page === undefined || request.method !== 'GET') return false
    if (pathOf(request.url ?? '') !== `${admin.prefix}/status/events`) return false
    const access = this.#accessOf(request)
    const { viewers } = this.#ports
    if (!viewers.hasRoom(access)) {
      response.writeHead(503, {
        'retry-after': `${streamBounds.retryAfter}`,
        'cache-control': 'no-store',
        'content-type': 'text/plain; charset=utf-8'
      })
      response.end(`${streamBounds.viewers} viewers are watching, which is the most: try again later\n`)
      return true
    }
    mayLast(request)
    response.writeHead(200, streamHeaders(false))
    void viewers.add(response, access)
    return true
  }

  #accessOf ({ headers: { authorization } }: IncomingMessage): Access {
    if (showsToken(authorization, this.#tokens)) return 'whole'
    return this.#tokens.length > 0 ? 'token' : 'public'
  }

  async #probe ({ kind, name: probe, only }: Probe, query: URLSearchParams, request: IncomingMessage): Promise<Reply> {
    const expose = this.#data.probes?.expose ?? false
    const { url = '', method = '', headers: { accept, host, 'user-agent': userAgent }, socket } = request
    const check = only === '' ? undefined : only
    const verdict = await this.#ports.verdict(kind, { exclude: query.getAll('exclude'), only: check })
    if (verdict.checks.length === 0) {
      return { code: 404, type: 'text/plain', body: `no check of this name belongs to ${probe}\n` }
    }
    const type = negotiate(accept)
    const body = type === 'text/plain'
      ? formatText(verdict, { probe, verbose: isVerbose(verdict, check, query), expose })
      : formatJson(verdict, expose)
    const address = inIpv4(socket.remoteAddress)
    const caller = kind === 'readiness' ? identityOf(url, method, userAgent, host, address) : undefined
    const sent = (): void =>
      this.#ports.probed({ prober: proberOf(userAgent) ?? 'other', probe, ok: verdict.ok, caller })
    return { code: verdict.ok ? 200 : 503, type, body, headers: { vary: 'accept' }, sent }
  }

  async #metrics (): Promise<Reply> {
    const metrics = await this.#ports.metrics()
    if (metrics === undefined) return { code: 503, type: 'text/plain', body: 'no metrics yet\n' }
    if ('refused' in metrics) return { code: 503, type: 'text/plain', body: `${metrics.refused}\n` }
    return { code: 200, type: metrics.type, body: [metrics.body] }
  }

  async #status (request: IncomingMessage): Promise<Reply> {
    const access = this.#accessOf(request)
    if (this.#makePage !== undefined && wantsPage(request.headers.accept)) {
      const { headers, body } = this.#makePage(await this.#ports.viewers.show(access))
      return { code: 200, type: 'text/html', body, headers }
    }
    return json(200, { ...access === 'whole' ? await this.#ports.status() : this.#ports.publicStatus(), access })
  }

  async #prestop (request: IncomingMessage): Promise<Reply> {
    const isKubelet = request.method === 'GET' && kubelet.test(request.headers['user-agent'] ?? '')
    if (request.method !== 'POST' && !isKubelet) return problem(405, 'Method Not Allowed', { allow: 'POST' })
    const { authorization } = request.headers
    if (!showsToken(authorization, this.#tokens)) {
      return authorization === undefined
        ? problem(401, 'Unauthorized', { 'www-authenticate': 'Bearer' })
        : problem(403, 'Forbidden')
    }
    mayLast(request)
    await this.#ports.prestop()
    return json(200, this.#ports.publicStatus())
  }
}

/** Who asks: an address of IPv4 as such, also where the port listens on both families. */
function inIpv4 (address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:(?=[\d.]+$)/, '')
}

function pathOf (url: string): string {
  return url.split('?', 1)[0]!
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
