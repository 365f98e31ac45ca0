import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import type { Failure, Stall } from '../lifecycle/participants.ts'
import type { Phase } from '../lifecycle/phase.ts'
import type { ShutdownRequest } from '../lifecycle/driver.ts'
import type { PhaseRecord, Report } from '../lifecycle/report.ts'
import type { Log } from '../log.ts'

/** What the log of a shutdown is told of. */
export type LoggedLifecycle = Pick<
  Lifecycle,
  'budget' | 'elapsed' | 'observers' | 'phase' | 'progress' | 'request' | 'stalls'
>

/** Calls back once after `delay` milliseconds; the answer cancels it. */
type After = (delay: number, callback: () => void) => () => void

/** Time between two lines that say what a phase waits for, in milliseconds. */
export const waitingInterval = 10_000
/** From this share of its cap on, a phase that still waits is likely to be cut. */
const lateShare = 1 / 2

/** More names than this fill the log. */
const most = 10

/** The report's level, by its verdict. */
const levels = { clean: 'info', cut: 'warn', failed: 'error' } as const

/**
 * What one application says of its end in the log: one line for each change of phase, one for the
 * report, and what a phase waits for where it lasts.
 */
export class ShutdownLog {
  readonly #log: Log
  readonly #after: After
  readonly #lifecycle: () => LoggedLifecycle
  #cancel: (() => void) | undefined

  /** @param lifecycle asked when there is something to tell, for the state machine is built after this */
  constructor (log: Log, after: After, lifecycle: () => LoggedLifecycle) {
    this.#log = log
    this.#after = after
    this.#lifecycle = lifecycle
  }

  /** A phase has begun; the record is that of the one before. */
  phase (phase: Phase, { phase: previous, duration, endedBy, stalledBy }: PhaseRecord): void {
    this.#cancel?.()
    if (phase !== 'running') this.#watch()
    const reason = endedBy === 'undrain' ? endedBy : this.#reason
    const after = previous === 'running' ? '' : ` after ${duration} ms`
    const cap = endedBy === 'cap' ? `, no longer waiting for ${describe(stalledBy)}` : ''
    this.#log.info(
      { event: 'graceful.phase', phase, previous, duration, endedBy, stalledBy, reason },
      `${previous} -> ${phase}${after} (${reason})${cap}`
    )
  }

  /** The end was asked for while phase 1 was under way: a drain by hand or a preStop call had begun it. */
  requested ({ kind, reason }: ShutdownRequest, announcedBefore: number): void {
    const { phase } = this.#lifecycle()
    this.#log.info(
      { event: 'graceful.shutdown', kind, reason, phase, announcedBefore },
      `${reason}, ${announcedBefore} ms after the announcement`
    )
  }

  /** Somebody holds readiness, or holds it no longer. */
  hold (reason: string, held: boolean, holds: string[]): void {
    this.#log.info(
      { event: 'graceful.hold', reason, held, holds },
      held ? `not ready, held by '${reason}'` : `no longer held by '${reason}'`
    )
  }

  /** Somebody has held readiness for too long. */
  holdFailed (reason: string, timeout: number): void {
    this.#log.error(
      { event: 'graceful.hold', reason, held: true, timeout },
      `not ready: '${reason}' was not released within ${timeout} ms, so the startup probe fails`
    )
  }

  /** Something has failed, and stops nothing. */
  failed (failure: Failure & { phase: Phase }, error: unknown): void {
    const err = error instanceof Error ? { err: error } : {}
    this.#log.warn({ event: 'graceful.failure', ...failure, ...err }, `${failure.name} failed: ${failure.message}`)
  }

  /** Somebody else has closed the servers, so that nobody can come any more. */
  closed (): void {
    const { phase } = this.#lifecycle()
    this.#log.warn(
      { event: 'graceful.closed', phase },
      `other code has closed the server in phase '${phase}': new connections are refused, and a shutdown cannot be `
        + 'announced any more. Call app.close() instead, which answers all requests first'
    )
  }

  /** The end is over. */
  report (report: Report): void {
    this.#cancel?.()
    this.#late(report)
    this.#log[levels[report.verdict]]({ event: 'graceful.report', report }, report.summary)
  }

  /** Clients were refused, and nothing else would tell: neither a status code nor an error is in this log. */
  #late ({ traffic: { lateArrivals, lateSources, suggestedMin, lastArrival }, advice }: Report): void {
    if (lateArrivals === 0) return
    this.#log.warn(
      { event: 'graceful.late', lateArrivals, lateSources, lastArrival, suggestedMin },
      advice[0] ?? 'connections came late'
    )
  }

  get #reason (): string {
    return this.#lifecycle().request?.reason ?? 'drain'
  }

  #watch (): void {
    this.#cancel = this.#after(waitingInterval, () => {
      this.#watch()
      this.#wait()
    })
  }

  #wait (): void {
    const lifecycle = this.#lifecycle()
    const { phase } = lifecycle
    const elapsed = Math.round(lifecycle.elapsed)
    const stalls = lifecycle.stalls()
    if (stalls.length === 0) return
    const level = this.#isExpected(stalls) ? 'debug' : 'warn'
    const fields = {
      event: 'graceful.waiting',
      phase,
      elapsed,
      stalls: stalls.length,
      stalledBy: stalls.slice(0, most),
      reason: this.#reason
    }
    this.#log[level](
      fields,
      `${phase} for ${Math.round(elapsed / 1000)} s, waiting for ${describe(stalls)} (${this.#reason})`
    )
  }

  /**
   * A clean shutdown waits, too, and a drain by hand for as long as somebody likes; phase 1 for the
   * balancer as long as it was told to.
   */
  #isExpected (stalls: Stall[]): boolean {
    const { phase, elapsed, budget: { announce }, observers, progress } = this.#lifecycle()
    if (progress?.cap === undefined || elapsed <= lateShare * progress.cap) return true
    const own = observers.names()
    return phase === 'announcing' && elapsed <= Math.max(announce.min, announce.blind)
      && stalls.every(({ name }) => own.includes(name))
  }
}

function describe (stalls: Stall[]): string {
  const named = stalls.slice(0, most).map(({ name, reason }) => `${name}: ${reason}`)
  if (stalls.length > most) named.push(`and ${stalls.length - most} more`)
  return named.length === 0 ? 'nobody' : named.join(', ')
}
