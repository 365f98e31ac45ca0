import { isMainThread } from 'node:worker_threads'
import { systemClock } from '../../clock.ts'
import { supervisorVariable } from '../../environment.ts'
import type { Health } from '../../health/health.ts'
import { checkKinds } from '../../health/options.ts'
import type { Lifecycle } from '../../lifecycle/lifecycle.ts'
import type { Telemetry } from '../../metrics/telemetry.ts'
import { loadedPageTexts } from '../../page/texts.ts'
import type { SystemdHandle } from '../../platform/systemd/applications.ts'
import { exitProcess } from '../../process/exit.ts'
import { systemHost } from '../../process/host.ts'
import { sharedState } from '../../process/shared.ts'
import type { Membership } from '../../process/types.ts'
import type { Settings } from '../../settings.ts'
import type { Traffic } from '../../traffic/traffic.ts'
import type { Run } from '../../util/context.ts'
import { monotonic } from '../heartbeat.ts'
import type { WatchHandle, WatchdogSettings, WatchdogSetup, WatchedApplication } from './types.ts'
import { Watchdog } from './watchdog.ts'

/** With more connections than this, requests are not listed with each heartbeat: it takes a look at each. */
const mostConnections = 1000

/** What of an application the watchdog has to know. */
export interface WatchedParts {
  name: string
  /** Calls in the context of the registration. */
  run: Run
  settings: Settings
  lifecycle: Lifecycle
  traffic: Traffic
  health: Health
  membership: Membership
  log: WatchedApplication['log']
  started: () => boolean
  status: WatchedApplication['status']
  telemetry: Telemetry
  systemd: SystemdHandle | undefined
}

/** Puts an application under the watchdog of its process; undefined where there is none. */
export function watchApplication (parts: WatchedParts): WatchHandle | undefined {
  const { settings } = parts
  return settings.watchdog
    && joinWatchdog(sharedState(), setupOf(parts, settings.watchdog), watchedApplication(parts))
}

function watchedApplication (parts: WatchedParts): WatchedApplication {
  const { name, run, settings, lifecycle, traffic, health, membership, log, telemetry } = parts
  const { gracePeriod, preStop, reserve, close, announce } = settings.budget
  const signals = Object.entries(settings.signals)
    .flatMap(([signal, action]) => action === 'shutdown' || action === 'restart' ? [signal] : [])
  return {
    log,
    state () {
      const { phase, since, graceStart, request, hurriedAt } = lifecycle
      return {
        name,
        phase,
        since,
        ready: health.lastReady(),
        unreadyFrom: unreadyFrom(lifecycle, announce.readinessDelay),
        started: parts.started(),
        open: membership.serves(),
        ending: membership.endsProcess(),
        exit: settings.exit,
        kind: request?.kind,
        reason: request?.reason,
        startedAt: phase === 'running' ? undefined : lifecycle.draft.startedAt,
        heard: membership.signalled().map((signal) => ({ ...signal, at: sharedTime(signal.at) })),
        hurriedAt: hurriedAt === undefined ? undefined : sharedTime(hurriedAt),
        graceStart: graceStart === undefined ? undefined : sharedTime(graceStart),
        gracePeriod,
        preStop,
        reserve,
        close,
        announceMax: announce.max,
        signals,
        stalls: lifecycle.stalls().map(({ name: stalling, reason }) => ({ name: stalling, reason }))
      }
    },
    inFlight: () => traffic.requests.count(),
    crowded: () => traffic.connections.size > mostConnections,
    requests: (most) =>
      traffic.inFlight
        .oldest(most)
        .map(({ method, route, age, kind }) => ({ method, route, age, kind })),
    async verdicts (kind) {
      const [readiness, liveness, startup] = await Promise.all(
        checkKinds.map((each) => health.verdict(each, { isIdle: each !== kind }))
      )
      return { readiness: readiness!, liveness: liveness!, startup: startup! }
    },
    probed (answers) {
      for (const answer of answers) {
        telemetry.probed(answer.prober, answer.probe, answer.ok, answer.count)
        traffic.front.answeredElsewhere(answer)
      }
    },
    metrics: servedOf(settings).length === 0 ? undefined : async () => telemetry.text(),
    status: (most) => parts.status(most),
    unblocked: (record) => run(() => telemetry.unblocked(record)),
    prestop: (ago) => lifecycle.prestop(systemClock.now() - ago)
  }
}

/** A time of the machine's clock, on the one that the threads share. */
function sharedTime (at: number): number {
  return Math.round(at - systemClock.now() + monotonic())
}

/** When the check `shutdown` begins to fail: where another process has taken over, the service as such stays ready. */
function unreadyFrom ({ phase, since, request }: Lifecycle, delay: number): number | undefined {
  if (phase === 'running' || request?.replaced === true) return undefined
  return phase === 'announcing' ? since + delay : since
}

/** Where Prometheus looks if nobody tells it otherwise, and the application's own route. */
function servedOf ({ metrics }: Settings): string[] {
  return metrics === undefined || metrics.path === false ? [] : [...new Set([metrics.path, '/metrics'])]
}

/** Whether the watchdog serves the status page, so that its thread has to be given the texts of it. */
export function watchdogServesPage (settings: Settings): boolean {
  const { watchdog, admin, inService } = settings
  return watchdog?.port !== undefined && admin !== false && (tokensOf(settings).length > 0 || !inService)
}

function tokensOf ({ admin }: Settings): string[] {
  return admin === false ? [] : [admin.token ?? []].flat()
}

function setupOf ({ settings: all, systemd }: WatchedParts, settings: WatchdogSettings): WatchdogSetup {
  const { probes, admin, terminationMessagePath } = all
  const page = watchdogServesPage(all) ? loadedPageTexts() : undefined
  return {
    settings,
    probes: probes === false ? undefined : { prefix: probes.prefix, expose: probes.expose },
    admin: admin === false ? undefined : { prefix: admin.prefix, tokens: tokensOf(all), page },
    metrics: servedOf(all),
    terminationMessagePath,
    systemd: systemd?.pings,
    parent: parentOf(),
    exit: (code) => exitProcess(systemHost, sharedState(), code)
  }
}

/** Below a supervisor a process ends with the one that has forked it: the loss of its channel says so. */
function parentOf (): number | undefined {
  return process.env[supervisorVariable] !== undefined && process.connected ? process.ppid : undefined
}

/**
 * Puts an application under the watchdog of its process, which all copies of the package share; the first
 * one brings the settings. Undefined in a worker thread, which has neither signals nor an exit of its own.
 */
function joinWatchdog (
  shared: { watchdog?: object | undefined },
  setup: WatchdogSetup,
  application: WatchedApplication
): WatchHandle | undefined {
  if (!isMainThread) return undefined
  const watchdog = shared.watchdog ??= new Watchdog(setup, () => { shared.watchdog = undefined })
  return (watchdog as Watchdog).join(application)
}
