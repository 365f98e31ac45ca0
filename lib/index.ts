import fp from 'fastify-plugin'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { registerAdmin } from './admin/routes.ts'
import type { Graceful } from './graceful.ts'
import { Application } from './application.ts'
import { publishApplication } from './supervisor-link.ts'
import { errors } from './errors.ts'
import { probes as probeKinds } from './health/answers.ts'
import { registerProbes } from './health/probes.ts'
import { readEnvironment } from './environment.ts'
import { phases } from './lifecycle/phase.ts'
import { loadClient, registerMetrics } from './metrics/meter.ts'
import { readOptions } from './options.ts'
import type { GracefulOptions } from './options.ts'
import { tellPm2 } from './process/pm2.ts'
import { loadPageTexts } from './page/texts.ts'
import { checkInternals } from './fastify/check-internals.ts'
import { boundServers, hasBooted, rootOf } from './fastify/close.ts'
import { hookRequests } from './fastify/request-hook.ts'
import { listenWithMode } from './server/socket-files.ts'
import { Http1Probes } from './traffic/http1-probes.ts'
import { followMarked } from './traffic/incoming.ts'
import { proberOf } from './traffic/probers.ts'
import { followRoute, problemOf } from './traffic/web-socket.ts'
import { watchdogServesPage } from './watchdog/main/watched-application.ts'

export type { Graceful, Registration, ShutdownOptions, WorkOptions } from './graceful.ts'
export type { WorkOwner } from './traffic/socket-work.ts'
export type {
  GracefulOptions,
  AdminOptions,
  AnnounceOptions,
  DrainOptions,
  ExternalProbeOptions,
  WatchdogOptions,
  KubernetesOptions,
  MetricsOptions,
  MetricsRegistry,
  ProbesOptions,
  SystemdOptions,
  WebSocketOptions
} from './options.ts'
export type { PressureOptions } from './health/pressure.ts'
export type { CheckStatus, PressureStatus } from './status/model.ts'
export type {
  ParticipantStatus,
  PublicStatus,
  RequestStatus,
  Status,
  TrafficStatus,
  WatchdogState
} from './status/model.ts'
export type { Check, CheckContext, CheckKind, CheckOptions } from './health/options.ts'
export type { AddedCheck } from './health/health.ts'
export type { Hold, HoldOptions } from './lifecycle/holds.ts'
export type {
  Events,
  LateConnectionEvent,
  PhaseEvent,
  ReportEvent,
  RequestCutEvent,
  BlockedEvent
} from './metrics/events.ts'
export type { HookContext, HookOptions, PhaseHook } from './lifecycle/hooks.ts'
export type { Answer, Failure, Participant, Stall } from './lifecycle/participants.ts'
export type { HookPhase, Phase, StallPhase } from './lifecycle/phase.ts'
export type {
  Cut,
  CutConnection,
  CutRequest,
  FrontEnd,
  LateSource,
  PhaseEnd,
  PhaseRecord,
  ProbeSummary,
  Report,
  ShutdownKind,
  ShutdownProgress,
  TrafficSummary
} from './lifecycle/report.ts'
export type { OtherListenersTime, SignalAction } from './process/types.ts'
export type { Shed } from './traffic/stagger.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Shutdown, readiness and health checks of the service. */
    graceful: Graceful
  }
  interface FastifyRequest {
    /** Aborts when draining starts, spread over some seconds: for streams, event streams and long polls. */
    readonly drainSignal: AbortSignal
  }
  interface FastifyContextConfig {
    graceful?: {
      /** `false`: requests of this route are no traffic, for a route that is probed often. */
      traffic?: boolean
      /**
       * `true`: a balancer acts on the status of this route, which fails (400 and above) when the
       * service shuts down; it is no traffic. Default: true with `traffic: false`, else false.
       */
      probe?: boolean
      /**
       * `true`: the reply is a stream that its handler never ends by itself and whose client reconnects.
       * It is ended in order when draining starts, or by a handler that reads `request.drainSignal`.
       */
      stream?: boolean
    }
  }
}

/** Requests that an answer of the admin routes names: `inFlight` says how many there are. */
const mostTold = 1000

/** What exempts our own routes from what meets ordinary traffic. */
const routeConfig = {
  graceful: { traffic: false, probe: false },
  pressureHandler: (): undefined => undefined,
  rateLimit: false
}

const plugin: FastifyPluginAsync<GracefulOptions> = async (instance, options) => {
  const root = rootOf(instance)
  if (hasBooted(root)) throw new errors.FST_GRACEFUL_TOO_LATE()
  if (root.hasDecorator('graceful')) throw new errors.FST_GRACEFUL_ALREADY_REGISTERED()
  checkInternals(root)
  const settings = readOptions(options, readEnvironment(process.env))
  const client = settings.metrics && await loadClient()
  if (watchdogServesPage(settings)) await loadPageTexts()
  const application = new Application(instance, root, settings)
  const { lifecycle, traffic, health, faults } = application
  const { incoming } = traffic

  const graceful = application.face()
  root.decorate('graceful', graceful)
  publishApplication(application, graceful)
  root.decorateRequest('drainSignal', {
    getter (this: FastifyRequest) {
      try {
        return traffic.endings.signalOf(this)
      } catch (error) {
        faults.note("getter 'drainSignal'", error)
        return new AbortController().signal
      }
    }
  })
  hookRequests(root, incoming, faults)
  application.closeHooks.follow(() => root.addHook('onClose', async () => {
    faults.attempt("hook 'onClose'", () => application.closed())
  }))
  root.addHook('onRoute', (route) => {
    faults.attempt("hook 'onRoute'", () => followMarked(route, traffic.front, faults))
  })
  root.addHook('onRoute', (route) => {
    const problem = faults.attempt("hook 'onRoute'", () => problemOf(route))
    if (problem !== undefined) throw problem
    faults.attempt("hook 'onRoute'", () => followRoute(route, traffic.upgrades.source))
  })
  root.addHook('onReady', async () => {
    try {
      await application.start()
    } catch (error) {
      faults.note("hook 'onReady'", error)
    }
  })
  root.addHook('onListen', async () => faults.attempt("hook 'onListen'", () => {
    application.listening()
    void application.run(() => tellPm2(async () => application.lifecycle.ending
      ? undefined
      : (await application.health.verdict('readiness')).ok && application.traffic.listeners.open))
  }))
  if (settings.probes) {
    const { external, prefix } = settings.probes
    const paths = Object.keys(probeKinds).map((probe) => `${prefix}/${probe}`)
    if (external) paths.push(external.path)
    const http1 = new Http1Probes(traffic.connections, paths, faults)
    http1.follow(root.server)
    // `localhost` is two.
    root.addHook('onListen', async () => { for (const server of boundServers(root)) http1.follow(server) })
    registerProbes(root, health, {
      ...settings.probes,
      external: external && { ...external, leaving: () => application.leaving(external.delay) },
      answered: ({ probe, kind, ok }, request, reply) => {
        try {
          application.telemetry.probed(proberOf(request.headers['user-agent']) ?? 'other', probe, ok)
          if (kind === 'readiness') traffic.front.probed(request, reply, ok)
        } catch (error) {
          faults.note('the count of probes', error)
        }
      }
    }, routeConfig)
  }
  if (settings.metrics && client) {
    const registry = application.telemetry.measure(client, settings.metrics.registry)
    if (settings.metrics.path !== false) registerMetrics(root, settings.metrics.path, registry, routeConfig)
  }
  if (settings.admin) {
    if (settings.admin.socketMode !== undefined) listenWithMode(root.server, settings.admin.socketMode)
    registerAdmin(root, { ...settings.admin, openly: !settings.inService }, {
      publicStatus: () => application.publicStatus(),
      status: () => application.status(mostTold),
      viewers: application.viewers,
      exempt: (request, reply) => incoming.exempt(request, reply),
      drain: () => lifecycle.drain(),
      undrain: () => lifecycle.undrain(),
      prestop: () => lifecycle.prestop(),
      draining: graceful.signal,
      log: application.log
    }, routeConfig)
  }
}

type Plugin = FastifyPluginAsync<GracefulOptions> & { phases: typeof phases, errors: typeof errors }
const registered: Plugin = Object.assign(fp(plugin, { fastify: '5.x', name: 'fastify-graceful' }), { phases, errors })

/**
 * Takes a service out of rotation and down without losing one request. Register it first, before everything else.
 *
 * @example
 * ```ts
 * app.register(graceful)
 * ```
 */
export const fastifyGraceful: Plugin & { fastifyGraceful: Plugin } =
  Object.assign(registered, { fastifyGraceful: registered })

export { fastifyGraceful as default, fastifyGraceful as 'module.exports', errors, phases }
