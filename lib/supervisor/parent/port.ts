import type { RequestListener, Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { registerAdmin } from '../../admin/routes.ts'
import type { PublicStatus } from '../../status/model.ts'
import { Coalesced } from '../../util/promises.ts'
import { errors, messageOf } from '../../errors.ts'
import { plainProbes } from '../../health/answers.ts'
import { registerProbes } from '../../health/probes.ts'
import type { CheckVerdict, Verdict, VerdictOptions } from '../../health/health.ts'
import type { CheckKind } from '../../health/options.ts'
import { phaseNumber } from '../../lifecycle/phase.ts'
import { addressWithoutIpv6, backlog, createBoundedServer } from '../../server/bounded.ts'
import { clearSocket, listenWithMode } from '../../server/socket-files.ts'
import { Viewers } from '../../page/viewers.ts'
import type { SupervisorSettings } from '../options.ts'
import { TreeMetrics } from './metrics.ts'
import { statusOf } from './status.ts'
import type { Supervisor } from './supervisor.ts'

/** The open status routes. */
export interface OpenStatus {
  /** Where they are: a URL, or the path of a socket. */
  address: string
  /** The last answer to everybody who watches, and the end. */
  close (exitCode: number): Promise<void>
}

/** Requests of each child that the stream names. The page shows the oldest of them, the command as many as fit. */
const mostShown = 50
/** Requests of each child that a single answer names. */
const mostTold = 1000
/** Milliseconds between two looks for them, each of which asks every child. */
const lookInterval = 500

/** Opens the supervisor's own health and admin routes: those of the plugin, for the whole. */
export async function openStatus (
  supervisor: Supervisor,
  { listen, token, unixSocket }: NonNullable<SupervisorSettings['status']>
): Promise<OpenStatus> {
  // Fastify is loaded only where it is needed: a supervisor without these routes stays small.
  const [{ default: Fastify }, { preparePage }] = await Promise.all([import('fastify'), import('../../page/page.ts')])
  // A stranger's first look must not keep a probe waiting.
  preparePage()
  const plainly = plainProbes({
    prefix: '',
    expose: true,
    verdict: (kind) => verdictOf(supervisor, kind),
    sent: (answer, request, address) => supervisor.probes.sent(answer, { ...request, address })
  })
  const serverFactory = (handler: RequestListener): Server => createBoundedServer(isProbe, handler, plainly)
  const app = Fastify({ forceCloseConnections: true, serverFactory }) as FastifyInstance
  // Bodies mean nothing here, and none is read.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => { done(null) })
  registerProbes(app, { verdict: async (kind, options) => verdictOf(supervisor, kind, options) }, {
    prefix: '',
    expose: true,
    answered: (...answer) => supervisor.probes.answered(...answer)
  }, {})
  const publicStatus = (): PublicStatus => {
    const { phase, since, ready } = supervisor.aggregate
    return { phase, number: phaseNumber(phase), since, ready }
  }
  const viewers = new Viewers({ publicStatus, status: () => statusOf(supervisor, mostShown), interval: lookInterval })
  const whole = new Coalesced(() => statusOf(supervisor, mostTold))
  const metrics = new TreeMetrics(supervisor)
  const guard = { unixSocket: unixSocket !== undefined, ...token === undefined ? {} : { token } }
  registerAdmin(app, { prefix: '/-', openly: !supervisor.settings.inService, ...guard }, {
    publicStatus,
    status: () => whole.ask(),
    metrics: () => metrics.text(),
    viewers,
    exempt: () => {},
    drain: () => supervisor.drain('drain'),
    undrain: () => supervisor.drain('undrain'),
    prestop: () => supervisor.drain('prestop'),
    // Nobody is asked here who could not answer.
    draining: new AbortController().signal,
    log: {
      // The routes know their own options; the supervisor's have other names.
      info: (details, message) =>
        supervisor.log.info(
          details,
          message.replace('admin.token, admin.authorize, admin.unixSocket', 'statusToken, statusSocket')
        ),
      warn: (details, message) => supervisor.log.warn(details, message),
      error: (details, message) => supervisor.log.error(details, message)
    }
  }, {})
  if (unixSocket !== undefined) listenWithMode(app.server, unixSocket.mode)
  const address = await listenOn(app, listen)
  supervisor.log.info({ event: 'graceful.supervisor.status', address }, `status routes at ${address}`)
  return {
    address,
    async close (exitCode) {
      viewers.finish({ ...await statusOf(supervisor), exitCode }, publicStatus())
      await app.close()
    }
  }
}

function isProbe (url: string): boolean {
  return /^\/(?:livez|readyz|startupz)(?:[/?]|$)/.test(url)
}

/** @throws FST_GRACEFUL_SUPERVISOR */
async function listenOn (
  app: FastifyInstance,
  listen: NonNullable<SupervisorSettings['status']>['listen']
): Promise<string> {
  try {
    if ('path' in listen) await clearSocket(listen.path)
    return await app.listen({ ...listen, backlog })
  } catch (error) {
    const other = 'host' in listen ? addressWithoutIpv6(listen.host, error) : undefined
    if (other !== undefined) return listenOn(app, { ...listen, host: other })
    await app.close()
    const option = 'path' in listen ? 'statusSocket (--status-socket)' : 'statusPort (--status-port)'
    throw new errors.FST_GRACEFUL_SUPERVISOR(`${option} to be one that it can listen on`, messageOf(error))
  }
}

/** Readiness: enough children are ready, and nobody ends. Start-up: that was so once. Liveness: this answers. */
function verdictOf (supervisor: Supervisor, kind: CheckKind, { only, exclude = [] }: VerdictOptions = {}): Verdict {
  const { aggregate: { started, phase, readyChildren }, settings: { workers, minReady } } = supervisor
  const all: Array<[name: string, ok: boolean, output: string]> = {
    liveness: [['supervisor', true, ''] as [string, boolean, string]],
    startup: [['started', started, 'not ready for the first time yet'] as [string, boolean, string]],
    readiness: [
      ['shutdown', phase === 'running', `phase '${phase}'`],
      ['children', readyChildren >= minReady, `${readyChildren} of ${workers} children ready, ${minReady} needed`]
    ] as Array<[string, boolean, string]>
  }[kind]
  const asked = all.filter(([name]) => only === undefined || name === only)
  const checks = asked.map(([name, ok, output]): CheckVerdict => {
    const excluded = only === undefined && exclude.includes(name)
    return { name, ok: ok || excluded, critical: true, excluded, output, duration: 0, age: 0, time: Date.now() }
  })
  return { kind, ok: checks.every(({ ok }) => ok), checks, warnings: [] }
}
