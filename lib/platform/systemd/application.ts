import { systemClock } from '../../clock.ts'
import type { Health } from '../../health/health.ts'
import type { Holds } from '../../lifecycle/holds.ts'
import type { Lifecycle } from '../../lifecycle/lifecycle.ts'
import { phaseNumber } from '../../lifecycle/phase.ts'
import type { Stall } from '../../lifecycle/participants.ts'
import type { Log } from '../../log.ts'
import type { Membership } from '../../process/types.ts'
import type { Settings } from '../../settings.ts'
import type { WatchHandle } from '../../watchdog/main/types.ts'
import { joinSystemd } from './applications.ts'
import type { SystemdHandle } from './applications.ts'

/** More names than this are too many for a line. */
const most = 5

/** What of an application the service manager is told. `watchHandle` is there later. */
export interface NotifiedParts {
  settings: Settings
  lifecycle: Lifecycle
  health: Health
  holds: Holds
  membership: Membership
  watchHandle: WatchHandle | undefined
  log: Log
  started: () => boolean
}

/** Makes an application known to systemd; undefined where nobody is to hear of it. */
export function notifySystemd (
  shared: { systemd?: object | undefined },
  parts: NotifiedParts
): SystemdHandle | undefined {
  const { settings, lifecycle, health, membership, log, started } = parts
  return settings.systemd && joinSystemd(shared, settings.systemd, {
    log,
    hasBooted: started,
    serves: () => membership.serves(),
    ready: () => health.ready(),
    isEnding: () => membership.endsProcess(),
    status: () => statusOf(parts),
    left: () => lifecycle.graceStart === undefined
      ? 0
      : settings.budget.gracePeriod - (systemClock.now() - lifecycle.graceStart),
    isWatched: () => parts.watchHandle !== undefined && parts.watchHandle.status().state !== 'failed'
  })
}

/** What `systemctl status` shows. */
function statusOf ({ lifecycle, health, holds, membership, started }: NotifiedParts): string {
  const { phase, request } = lifecycle
  if (phase !== 'running') {
    const why = request?.reason ?? 'drained by hand'
    return `Phase ${phaseNumber(phase)} of 4, ${phase} (${why})${waitingFor(lifecycle.stalls())}`
  }
  if (!started()) return 'Booting'
  if (!membership.serves()) return 'Not listening yet'
  const waits = [
    ...holds.reasons().map((reason) => `held by ${reason}`),
    ...health.checks()
      .filter(({ kinds, state }) => kinds.includes('readiness') && (state === 'failing' || state === 'unknown'))
      .map(({ name }) => `check ${name}`)
  ]
  return health.lastReady() ? 'Ready' : `Not ready: ${listed(waits) || 'under pressure'}`
}

const waitingFor = (stalls: readonly Stall[]): string =>
  stalls.length === 0 ? '' : `: waits for ${listed(stalls.map(({ name, reason }) => `${name} (${reason})`))}`

function listed (names: readonly string[]): string {
  const shown = names.slice(0, most).join(', ')
  return names.length > most ? `${shown} and ${names.length - most} more` : shown
}
