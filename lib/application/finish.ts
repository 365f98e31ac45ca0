import type { Report } from '../lifecycle/report.ts'
import { mostShown } from '../page/viewers.ts'
import type { Faults } from '../util/faults.ts'

/** Who has something to do when the end of an application is over. */
export interface FinishParts {
  faults: Pick<Faults, 'attempt'>
  health: { stop (): void }
  holds: { stop (): void }
  shutdownLog: { report (report: Report): void }
  message: { finish (report: Report): void }
  viewers: { finish (whole: object, open: object): void }
  /** What those who are shown the whole are told last; of the requests at most so many. */
  status (mostRequests: number): object
  /** And everybody else. */
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
export function finish (parts: FinishParts, report: Report): void {
  for (const [name, take] of finishSteps) {
    parts.faults.attempt(`the last step '${name}'`, () => take(parts, report))
  }
}
