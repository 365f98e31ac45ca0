import type { Failure, Stall } from './participants.ts'
import type { Phase } from './phase.ts'
import type { Cut, ReportDraft, ShutdownKind, TrafficSummary } from './report.ts'

/** What the machine drives. Rooms outside `lifecycle` stand behind these functions. */
export interface Ports {
  /** Calls a change of phase, and so its listeners and hooks, in an async context that is not that of whoever asked for it. Default: the caller's. */
  run?<T> (work: () => T): T
  /** Ends whatever is left at the end of phase 3, and says what it was. */
  cut (): Omit<Cut, 'waiting'>
  /** Whether anything is bound: without a listener there is nobody to announce the end to, and phase 1 has no floor. Default: yes. */
  serving? (): boolean
  /**
   * Phase 4, first of all: calls what others were kept from doing at the signal, in its order, and names each one that is not over
   * with its call. Then come the hooks of `terminated`, then `end`. Default: there is nothing.
   */
  release? (): Released[]
  /** Phase 4, last of all: `app.close()`. */
  end (): Promise<unknown>
  /** What `end` waits for now, by name; `isLast` where the report is to name it, so that it may take a moment to find out. Default: unknown. */
  closing? (isLast: boolean): string | undefined
  /** What traffic did. */
  traffic (): TrafficSummary
  /** What an operator should change. */
  advice (report: ReportDraft): string[]
  /** Who else is not done with this phase yet: other applications of the process, other processes of a supervisor. */
  others (): Stall | undefined
  /** The end was asked for while phase 1 was under way, by hand or by a preStop call, so no phase begins with it; its milliseconds so far. */
  asked? (request: ShutdownRequest, announcedBefore: number): void
  /** A failure, as it happens, and the error behind it, where there is one. */
  failed (failure: Failure & { phase: Phase }, error?: unknown): void
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
  /** Whether another process serves in this one's place, on the same listener: the service stays ready, and nobody is in a hurry. Default `false`. */
  replaced?: boolean
  /** Whether every phase is capped at one second, as by a second signal: somebody waits for the next start. Default `false`. */
  isFast?: boolean
  /** When it was asked for, on the machine's clock: a signal can come before there is anybody to take it. Default: now. */
  at?: number
}
