import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { registerQuiet } from '../fastify/quiet-route.ts'
import type { CheckKind, ExternalProbeOptions, ProbesOptions } from './options.ts'
import type { Health } from './health.ts'
import { formatJson, formatText, isVerbose, negotiate, probes } from './answers.ts'
import type { ProbeAnswer } from './answers.ts'

/** {@link ProbesOptions} with the defaults filled in. */
export interface ProbeRoutes extends Required<Pick<ProbesOptions, 'prefix' | 'expose'>> {
  external?: ExternalRoute | false
  /** Told of each answer of a probe, or of the `external` route, before it goes out. */
  answered?: Answered
}

type Answered = (answer: ProbeAnswer, request: FastifyRequest, reply: FastifyReply) => void

/** {@link ExternalProbeOptions} with the defaults filled in. */
interface ExternalRoute extends Required<Omit<ExternalProbeOptions, 'delay'>> {
  /** Whether the service leaves, and the delay is over. */
  leaving: () => boolean
}

/**
 * Registers `/livez`, `/readyz` and `/startupz`, each with `/<check>` below it, for GET, HEAD and OPTIONS, which is
 * what HAProxy's `httpchk` sends by default.
 *
 * @param root the root instance: the prefix of a plugin does not apply to probes
 * @param routeConfig the routes' `config`, which exempts them from what meets ordinary traffic
 */
export function registerProbes (
  root: FastifyInstance,
  health: Pick<Health, 'verdict'>,
  options: ProbeRoutes,
  routeConfig: object
): void {
  for (const [probe, kind] of Object.entries(probes)) {
    for (const path of [probe, `${probe}/:check`]) {
      const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
        answer(request, reply, { ...options, probe, kind, health })
      registerQuiet(root, `${options.prefix}/${path}`, routeConfig, handler, ['OPTIONS'])
    }
  }
  if (options.external) registerExternal(root, health, { ...options.external, answered: options.answered }, routeConfig)
}

/** What only says that the service leaves; the external route has its own word for that. */
const leavingChecks = ['shutdown', 'hold']

/** A balancer may tell the two apart: one that leaves is asked again, one whose checks fail (always 503) is down. */
function registerExternal (
  root: FastifyInstance,
  health: Pick<Health, 'verdict'>,
  { path, status, leaving, answered }: ExternalRoute & { answered: Answered | undefined },
  routeConfig: object
): void {
  registerQuiet(root, path, routeConfig, async (request, reply) => {
    const { ok } = await health.verdict('readiness', { exclude: leavingChecks })
    const code = leaving() ? status : ok ? 200 : 503
    const good = ok && !leaving()
    answered?.({ probe: 'external', kind: 'readiness', ok: good }, request, reply)
    reply
      .code(code)
      .headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
      .type('text/plain; charset=utf-8')
    // Neither has a body, and a content type would be that of one.
    if (code === 204 || code === 304) return reply.removeHeader('content-type').send()
    return reply.send(leaving() ? 'leaving' : ok ? 'ok' : 'failing')
  }, ['OPTIONS'])
}

interface Probe extends ProbeRoutes {
  probe: string
  kind: CheckKind
  health: Pick<Health, 'verdict'>
}

async function answer (
  request: FastifyRequest,
  reply: FastifyReply,
  { probe, kind, health, expose, answered }: Probe
): Promise<FastifyReply> {
  // An empty one is the probe with a slash behind it.
  const only = (request.params as { check?: string }).check || undefined
  const query = queryOf(request.url)
  const verdict = await health.verdict(kind, only === undefined ? { exclude: query.getAll('exclude') } : { only })
  reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', vary: 'accept' })
  if (verdict.checks.length === 0) {
    return reply.code(404).type('text/plain; charset=utf-8').send(`no check of this name belongs to ${probe}\n`)
  }
  reply.code(verdict.ok ? 200 : 503)
  answered?.({ probe, kind, ok: verdict.ok }, request, reply)
  const type = negotiate(request.headers.accept)
  reply.type(`${type}; charset=utf-8`)
  if (type !== 'text/plain') return reply.send(formatJson(verdict, expose))
  return reply.send(formatText(verdict, { probe, verbose: isVerbose(verdict, only, query), expose }))
}

/** Parsed here, as the application's own parser may know other shapes. Accepts whatever a stranger sends. */
function queryOf (url: string): URLSearchParams {
  const start = url.indexOf('?')
  return new URLSearchParams(start === -1 ? '' : url.slice(start))
}
