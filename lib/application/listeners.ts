import type { FastifyInstance } from 'fastify'
import type { CloseOrder } from '../fastify/close-order.ts'
import { abortBoot } from '../fastify/close.ts'
import { finish } from './finish.ts'
import type { FinishParts } from './finish.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import type { Phase } from '../lifecycle/phase.ts'
import type { Telemetry } from '../metrics/telemetry.ts'
import type { Viewers } from '../page/viewers.ts'
import type { TerminationMessage } from '../platform/kubernetes/termination.ts'
import { UnfinishedEnd } from '../platform/unfinished.ts'
import type { Settings } from '../settings.ts'
import type { SystemdHandle } from '../platform/systemd/applications.ts'
import type { ShutdownLog } from './shutdown-log.ts'
import type { Traffic } from '../traffic/traffic.ts'
import type { WatchHandle } from '../watchdog/main/types.ts'

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

/** What is left for whoever starts next, should the process be killed. */
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
