import type { FastifyBaseLogger } from 'fastify'
import type { Lifecycle } from './lifecycle/lifecycle.ts'
import type { Failure } from './lifecycle/participants.ts'
import type { Phase } from './lifecycle/phase.ts'
import type { PhaseRecord, Report } from './lifecycle/report.ts'

/** What the story is told of. */
export type StoryLifecycle = Pick<Lifecycle, 'request'>

/** The report's level, by its verdict. */
const levels = { clean: 'info', cut: 'warn', failed: 'error' } as const

/** What one application says of its end in the log: one line for each change of phase, and one for the report. */
export class Story {
  readonly #log: FastifyBaseLogger
  readonly #lifecycle: () => StoryLifecycle

  /** @param lifecycle asked when there is something to tell, for the state machine is built after its story */
  constructor (log: FastifyBaseLogger, lifecycle: () => StoryLifecycle) {
    this.#log = log
    this.#lifecycle = lifecycle
  }

  /** A phase has begun; the record is that of the one before. */
  phase (phase: Phase, { phase: previous, duration, endedBy, stalledBy }: PhaseRecord): void {
    const { reason } = this.#lifecycle().request ?? { reason: 'drain' }
    this.#log.info({ event: 'graceful.phase', phase, previous, duration, endedBy, stalledBy, reason }, `graceful: ${previous} -> ${phase}`)
  }

  /** Something has failed, and stops nothing. */
  failed (failure: Failure & { phase: Phase }, error: unknown): void {
    const err = error instanceof Error ? { err: error } : {}
    this.#log.warn({ event: 'graceful.failure', ...failure, ...err }, `${failure.name} failed: ${failure.message}`)
  }

  /** The end is over. */
  report (report: Report): void {
    this.#log[levels[report.verdict]]({ event: 'graceful.report', report }, report.summary)
  }
}
