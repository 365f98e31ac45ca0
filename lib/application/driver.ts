import type { CloseHooks } from '../fastify/close-hooks.ts'
import type { WrappedClose } from '../fastify/close.ts'
import { adviceOnWaiting } from '../lifecycle/advice.ts'
import type { Driver } from '../lifecycle/driver.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { noTraffic } from '../lifecycle/report.ts'
import type { Stall } from '../lifecycle/participants.ts'
import type { Phase } from '../lifecycle/phase.ts'
import type { ReportDraft } from '../lifecycle/report.ts'
import type { Telemetry } from '../metrics/telemetry.ts'
import type { Viewers } from '../page/viewers.ts'
import type { Membership } from '../process/types.ts'
import type { Settings } from '../settings.ts'
import { adviceOf } from '../traffic/advice.ts'
import type { Traffic } from '../traffic/traffic.ts'
import type { Run } from '../util/context.ts'
import type { Faults } from '../util/faults.ts'

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
  // Who develops a service is not told to give its end more time.
  if (lifecycle.request?.isFast === true) return []
  return [...adviceOf(report, budget), ...adviceOnWaiting(report, budget, closeHooks.waiting())]
}
