import type { Stall } from './participants.ts'
import type { Cut, ReportDraft, ShutdownKind, TrafficSummary } from './report.ts'

/** What the machine drives. Rooms outside `lifecycle` stand behind these functions. */
export interface Driver {
  /**
   * Calls a change of phase, and so its listeners and hooks, in an async context of its own, instead of that of the
   * caller. Default: the caller's.
   */
  run?<T> (work: () => T): T
  /** Whether a listener is bound: without one nobody needs the announcement, and phase 1 has no floor. Default: yes. */
  serving? (): boolean
  /** Who else is not done with this phase yet: other applications of the process, other processes of a supervisor. */
  others (): Stall | undefined
  /** Ends whatever is left at the end of phase 3, and says what it was. */
  cut (): Omit<Cut, 'waiting'>
  /**
   * Phase 4, first of all: calls what others were kept from doing at the signal, in its order, and names each one
   * that is not over with its call. Then come the hooks of `terminated`, then `end`. Default: there is nothing.
   */
  release? (): Released[]
  /** Phase 4, last of all: `app.close()`. */
  end (): Promise<unknown>
  /**
   * The name of what `end` waits for now. With `isLast` the report is going to name it, so that finding out may take a
   * moment. Default: unknown.
   */
  closing? (isLast: boolean): string | undefined
  /** What traffic did. */
  traffic (): TrafficSummary
  /** What an operator should change. */
  advice (report: ReportDraft): string[]
}

/** Something that others do in phase 4 and that is waited for; a rejection counts as a failure. */
export interface Released { name: string, settled: PromiseLike<unknown> }

/** A request to end. */
export interface ShutdownRequest {
  kind: ShutdownKind
  reason: string
  /** The exit code where nothing goes wrong. Default 0. */
  exitCode?: number
  /** Whether phase 1 takes place. Default `true`. */
  announce?: boolean
  /**
   * Whether another process serves in the place of this one, on the same listener: the service stays ready, and there
   * is no hurry. Default `false`.
   */
  replaced?: boolean
  /**
   * Whether the next start waits: every phase is capped at one second, as by a second signal, and what does not end by
   * itself is ended as soon as draining starts. Default `false`.
   */
  isFast?: boolean
  /** When it was asked for, on the machine's clock: a signal can come before its handler is there. Default: now. */
  at?: number
}
