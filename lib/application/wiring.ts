import type { FastifyInstance } from 'fastify'
import type { CloseHooks } from '../fastify/close-hooks.ts'
import type { CloseOrder } from '../fastify/close-order.ts'
import { abortBoot } from '../fastify/close.ts'
import type { WrappedClose } from '../fastify/close.ts'
import { adviceOnWaiting } from '../lifecycle/advice.ts'
import type { Driver } from '../lifecycle/driver.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import type { Stall } from '../lifecycle/participants.ts'
import type { Phase } from '../lifecycle/phase.ts'
import { noTraffic } from '../lifecycle/report.ts'
import type { Report, ReportDraft } from '../lifecycle/report.ts'
import type { Telemetry } from '../metrics/telemetry.ts'
import { mostShown } from '../page/viewers.ts'
import type { Viewers } from '../page/viewers.ts'
import type { TerminationMessage } from '../platform/kubernetes/termination.ts'
import type { SystemdHandle } from '../platform/systemd/applications.ts'
import { UnfinishedEnd } from '../platform/unfinished.ts'
import type { Membership } from '../process/types.ts'
import type { Settings } from '../settings.ts'
import { adviceOf } from '../traffic/advice.ts'
import type { Traffic } from '../traffic/traffic.ts'
import type { Run } from '../util/context.ts'
import type { Faults } from '../util/faults.ts'
import type { WatchHandle } from '../watchdog/main/types.ts'
import type { ShutdownLog } from './log-lines.ts'

/** Asks somebody outside of the process whether he stalls a phase. */
export type Outside = (phase: Phase) => Stall | undefined

/** What the lifecycle of an application drives. All but `run`, `faults` and `settings` is built after it. */
export interface DrivenParts {
  readonly run: Run
  readonly faults: Faults
  readonly settings: Settings
  readonly lifecycle: Lifecycle
  readonly traffic: Traffic
  readonly telemetry: Telemetry
  readonly viewers: Viewers
  readonly membership: Membership
  readonly close: WrappedClose
  readonly closeHooks: CloseHooks
  readonly outside: Outside | undefined
}

/**
 * What stands behind the functions that the lifecycle calls. A shutdown runs to its end even where a part of its report
 * cannot be made.
 */
export function makeDriver (parts: DrivenParts): Driver {
  const { faults } = parts
  return {
    run: parts.run,
    serving: () => faults.attempt('the look at the listeners', () => parts.traffic.listeners.open, true),
    others: () => faults.attempt('the look at others', () => othersOf(parts)),
    cut: () => {
      faults.attempt('the count of what has drained', () => parts.telemetry.drained())
      return parts.traffic.cut()
    },
    release: () => parts.membership.releaseOthers(),
    end: () => {
      const { close, traffic: { listeners }, viewers } = parts
      if (viewers.size > 0) listeners.release()
      return close.end().finally(faults.guard('the end of the close', () => listeners.settle()))
    },
    closing: (isLast) => faults.attempt('the names of hooks', () =>
      parts.close.replacement() ?? parts.closeHooks.running(isLast)),
    traffic: () => faults.attempt('the summary of traffic', () => parts.traffic.summary(), noTraffic()),
    advice: (report) => faults.attempt('the advice', () => advise(parts, report), [])
  }
}

function othersOf ({ lifecycle, membership, outside }: DrivenParts): Stall | undefined {
  const reason = membership.others()
  if (reason !== undefined) return { name: 'other applications of this process', reason }
  return lifecycle.request?.kind === 'close' ? undefined : outside?.(lifecycle.phase)
}

function advise ({ lifecycle, settings: { budget }, closeHooks }: DrivenParts, report: ReportDraft): string[] {
  // A developer, whose service ends fast, is not told to give its end more time.
  if (lifecycle.request?.isFast === true) return []
  return [...adviceOf(report, budget), ...adviceOnWaiting(report, budget, closeHooks.waiting())]
}

/** Who hears of the lifecycle of an application. */
export interface ListenerParts extends FinishParts {
  root: FastifyInstance
  settings: Pick<Settings, 'stateDirectory' | 'budget'>
  lifecycle: Lifecycle
  traffic: Traffic
  order: CloseOrder
  viewers: Viewers
  telemetry: Telemetry
  message: TerminationMessage
  shutdownLog: ShutdownLog
  watchHandle: WatchHandle | undefined
  systemd: SystemdHandle | undefined
  /** Aborts when draining starts. */
  draining: AbortController
}

/** Connects the rooms of an application with its lifecycle. This is the order in which they hear of each event. */
export function connectListeners (parts: ListenerParts): void {
  const { lifecycle, telemetry, message, shutdownLog, watchHandle, systemd } = parts
  lifecycle.on('requested', (_request, announcedBefore) => { if (announcedBefore !== undefined) message.requested() })
  lifecycle.on('requested', (request, announcedBefore) => {
    if (announcedBefore !== undefined) shutdownLog.requested(request, announcedBefore)
  })
  lifecycle.on('requested', () => noteEnd(parts))
  lifecycle.on('requested', (_request, announcedBefore) => { if (announcedBefore !== undefined) systemd?.changed() })
  lifecycle.on('phase', (phase, previous, record) => telemetry.phase(phase, previous, record))
  lifecycle.on('phase', (phase, previous) => enterPhase(parts, phase, previous))
  lifecycle.on('phase', (phase) => message.enter(phase))
  lifecycle.on('phase', () => noteEnd(parts))
  lifecycle.on('phase', (phase, _previous, record) => shutdownLog.phase(phase, record))
  lifecycle.on('phase', () => watchHandle?.changed())
  lifecycle.on('phase', () => systemd?.changed())
  lifecycle.on('failure', (failure, error) => shutdownLog.failed(failure, error))
  lifecycle.on('cut', (cut) => telemetry.cut(cut))
  lifecycle.on('report', () => { if (systemd !== undefined && !parts.membership.endsProcess()) systemd.leave() })
  lifecycle.on('report', (report) => finish(parts, report))
}

/** Notes the end in a file, for the next process of this service, should this one be killed. */
function noteEnd (parts: ListenerParts): void {
  const { settings: { stateDirectory, budget }, lifecycle: { phase, request }, membership } = parts
  if (stateDirectory === undefined || request === undefined || !membership.endsProcess()) return
  const { gracePeriod, preStop } = budget
  UnfinishedEnd.at(stateDirectory).note({ reason: request.reason, phase, gracePeriod, preStop })
}

/** What each phase asks of the rooms that serve. */
function enterPhase (parts: ListenerParts, phase: Phase, previous: Phase): void {
  const { root, lifecycle, traffic, order, viewers, draining } = parts
  // In phase 2 as well: `localhost` may be looking for its second address while the first is bound.
  if (phase === 'closing' || (previous === 'running' && lifecycle.ending && !traffic.listeners.open)) abortBoot(root)
  switch (phase) {
    case 'running': return traffic.undo()
    case 'announcing': return traffic.announce()
    case 'closing': return order.close()
    case 'draining':
      if (lifecycle.request?.replaced === true) traffic.linger()
      traffic.endings.isFast = lifecycle.request?.isFast === true
      traffic.drain(traffic.endings.isFast || lifecycle.request?.kind === 'close')
      order.drain()
      draining.abort(new DOMException('The service is draining', 'AbortError'))
      return
    case 'terminated':
      traffic.listeners.finish()
      if (viewers.size > 0) traffic.listeners.release()
      return order.stop()
  }
}

/** Who has something to do when the end of an application is over. */
interface FinishParts {
  faults: Pick<Faults, 'attempt'>
  health: { stop (): void }
  holds: { stop (): void }
  shutdownLog: { report (report: Report): void }
  message: { finish (report: Report): void }
  viewers: { finish (whole: object, open: object): void }
  /** The last status for viewers of the whole, with at most so many requests. */
  status (mostRequests: number): object
  /** The last status for all other viewers. */
  publicStatus (): object
  telemetry: { report (report: Report): void }
  /** Undefined without a watchdog. */
  watchHandle: { farewell (): void, leave (): void } | undefined
  membership: { endsProcess (): boolean, leave (report: Report): void }
}

/** A step of the end, by its name in the log where it fails. */
type Step = readonly [name: string, take: (parts: FinishParts, report: Report) => void]

/**
 * What an application does when its end is over, in this order. None of the steps waits: `process.exit` of others may
 * have left no turn of the event loop. What has to be waited for is bounded: the watchdog's thread by 250 ms, and the
 * logs, which the registry flushes, by `flushTimeout`.
 */
export const finishSteps: readonly Step[] = [
  ['checks', ({ health }) => health.stop()],
  ['holds', ({ holds }) => holds.stop()],
  ['log', ({ shutdownLog }, report) => shutdownLog.report(report)],
  ['termination message', ({ message }, report) => message.finish(report)],
  ['viewers', (parts) => parts.viewers.finish(parts.status(mostShown), parts.publicStatus())],
  ['metrics', ({ telemetry }, report) => telemetry.report(report)],
  ['viewers of the watchdog', ({ watchHandle }) => watchHandle?.farewell()],
  // Until the process has ended, its end is watched.
  ['watchdog', ({ watchHandle, membership }) => { if (!membership.endsProcess()) watchHandle?.leave() }],
  // The last one: the process exits when its last application has left.
  ['leave', ({ membership }, report) => membership.leave(report)]
]

/** The one way to the end of an application: takes each step, whichever of them throws. */
function finish (parts: FinishParts, report: Report): void {
  for (const [name, take] of finishSteps) {
    parts.faults.attempt(`the last step '${name}'`, () => take(parts, report))
  }
}
