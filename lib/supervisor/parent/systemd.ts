import { phaseNumber } from '../../lifecycle/phase.ts'
import { logWay, statusIntervalOf } from '../../platform/systemd/applications.ts'
import { takeSystemd } from '../../platform/systemd/environment.ts'
import { Notifier } from '../../platform/systemd/notifier.ts'
import type { View } from '../../platform/systemd/notifier.ts'
import { Sender } from '../../platform/systemd/sender.ts'
import { afterUnref } from '../../util/timers.ts'
import type { SupervisorSettings } from '../options.ts'
import type { Aggregate } from './aggregate.ts'
import type { Child } from './child.ts'
import type { SupervisorLog } from './terminal.ts'
import type { Reload } from './reload.ts'

/** As much of the supervisor as systemd hears of. */
export interface NotifiedSupervisor {
  readonly settings: Pick<SupervisorSettings, 'systemd' | 'workers'>
  readonly children: ReadonlySet<Pick<Child, 'alive' | 'ending' | 'readyFor' | 'responding'>>
  readonly aggregate: Pick<Aggregate, 'onChange' | 'phase' | 'ready' | 'readyChildren'>
  readonly log: SupervisorLog
  readonly stopping: boolean
  readonly reloads: Pick<Reload, 'running' | 'problem'>
  readonly remaining: number
}

/**
 * Tells systemd of the whole: it is ready when the supervisor says so. The children inherit nothing of it, for the
 * variables are taken out of the environment before the first of them starts.
 *
 * @returns ends it
 */
export function notifySystemd (supervisor: NotifiedSupervisor): () => void {
  const { settings: { systemd }, log, aggregate } = supervisor
  const environment = systemd && takeSystemd(process.env)
  if (systemd === undefined || environment === undefined) return () => {}
  logWay(log, environment)
  const { way, watchdog } = environment
  if (way === undefined) return () => {}
  const sender = new Sender(way, (problem) => log.warn({ event: 'graceful.systemd' }, problem))
  const notifier = new Notifier({
    view: () => viewOf(supervisor),
    send: (message) => sender.send(message),
    now: () => performance.now(),
    monotonic: () => process.hrtime.bigint() / 1000n,
    after: afterUnref,
    statusInterval: statusIntervalOf(way),
    extendsTimeout: systemd.extendTimeout === true,
    watchdog,
    isAlive: () => isAlive(supervisor)
  })
  aggregate.onChange(() => notifier.look())
  notifier.look()
  return () => notifier.stop()
}

function viewOf (supervisor: NotifiedSupervisor): View {
  const { aggregate, stopping, reloads, remaining } = supervisor
  return {
    state: stopping ? 'stopping' : reloads.running ? 'reloading' : aggregate.ready ? 'running' : 'starting',
    status: statusOf(supervisor),
    left: remaining
  }
}

function statusOf (
  { settings: { workers }, children, aggregate, stopping, reloads }: NotifiedSupervisor
): string {
  const { phase } = aggregate
  const alive = [...children].filter((child) => child.alive).length
  if (stopping) return `Phase ${phaseNumber(phase)} of 4, ${phase}: ${alive} of ${workers} children left`
  const ready = `${aggregate.readyChildren} of ${workers} children ready`
  if (reloads.running) return `Reloading: ${ready}`
  if (phase !== 'running') return `Drained by hand: ${ready}`
  const problem = reloads.problem === undefined ? '' : `; the last reload was stopped: ${reloads.problem}`
  return `${aggregate.ready ? 'Ready' : 'Not ready'}: ${ready}${problem}`
}

/** A service whose children all hang does, though its supervisor turns; one that starts a child is at work. */
function isAlive ({ children }: NotifiedSupervisor): boolean {
  const serving = [...children].filter(({ alive, ending, readyFor }) => alive && !ending && readyFor !== undefined)
  return serving.length === 0 || serving.some(({ responding }) => responding)
}
