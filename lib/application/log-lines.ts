import { isMainThread } from 'node:worker_threads'
import type { FastifyInstance } from 'fastify'
import { missingMessage } from '../fastify/check-internals.ts'
import type { ShutdownRequest } from '../lifecycle/driver.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import type { Failure, Stall } from '../lifecycle/participants.ts'
import type { Phase } from '../lifecycle/phase.ts'
import type { PhaseRecord, Report } from '../lifecycle/report.ts'
import type { Log } from '../log.ts'
import { platformLine } from '../platform/surroundings.ts'
import { deafAncestor, deafAncestorMessage } from '../process/ancestors.ts'
import type { Settings } from '../settings.ts'
import { answersHttp1 } from '../traffic/http1-probes.ts'

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

/** A line for the log. */
export interface BootNote { level: 'info' | 'warn', fields: { event: string, port?: number }, message: string }

/** PID 1 is the same for all applications of a process. */
let hasToldOfParent = false

/**
 * Where the process runs, what keeps probes or signals from an application, and what the plugin misses: one line each,
 * once it listens.
 */
export function bootNotes (root: FastifyInstance, settings: Settings): BootNote[] {
  const { exit, signals, probes, watchdog } = settings
  const notes: BootNote[] = [platformNote(settings) ?? []].flat()
  const missing = missingMessage(root)
  if (missing !== undefined) notes.push({ level: 'warn', fields: { event: 'graceful.internals' }, message: missing })
  const isUnheard = speaksCleartextHttp2(root) && !answersHttp1(root.server)
  if (probes !== false && isUnheard) notes.push(noteOnHttp2(watchdog?.port))
  if (exit && isMainThread && signals['SIGTERM'] !== false && signals['SIGTERM'] !== 'ignore' && !hasToldOfParent) {
    const name = deafAncestor()
    hasToldOfParent = name !== undefined
    if (name !== undefined) {
      notes.push({ level: 'warn', fields: { event: 'graceful.parent' }, message: deafAncestorMessage(name) })
    }
  }
  return notes
}

/** Where probes over HTTP/1.1 get an answer. */
function noteOnHttp2 (port: number | undefined): BootNote {
  const server = 'this server speaks HTTP/2 without TLS and nothing else: probes over HTTP/1.1'
  if (port !== undefined) {
    const message = `${server} are answered on the port of the watchdog${port === 0 ? '' : `, ${port}`}`
    return { level: 'info', fields: { event: 'graceful.http2', port }, message }
  }
  return {
    level: 'warn',
    fields: { event: 'graceful.http2' },
    message: `${server}, as those of a kubelet and of most balancers, get no answer from it. The option watchdog.port `
      + 'gives them a port of their own, where HTTP/1.1 is spoken'
  }
}

/** A supervisor speaks for its children. A worker thread gets no signal, but a close by Platformatic's runtime. */
function platformNote (settings: Settings): BootNote | undefined {
  const { surroundings, graceFrom, supervised, inService, budget: { gracePeriod, announce } } = settings
  const isWatt = surroundings.all.some(({ name }) => name === 'platformatic')
  if (supervised || !(isMainThread || isWatt)) return undefined
  return platformLine({ surroundings, graceFrom, inService, gracePeriod, announceMin: announce.min })
}

/** Also where the server was made by a factory. */
function speaksCleartextHttp2 (root: FastifyInstance): boolean {
  return Object.getPrototypeOf(root.server)?.constructor?.name === 'Http2Server'
}
