import { invalidArgument, takeOptions } from './errors.ts'
import type { AddedCheck, Health } from './health/health.ts'
import type { Check, CheckOptions } from './health/options.ts'
import { takeWorkOptions } from './lifecycle/participants.ts'
import type { Hold, HoldOptions, Holds } from './lifecycle/holds.ts'
import type { HookOptions, PhaseHook } from './lifecycle/hooks.ts'
import type { Lifecycle } from './lifecycle/lifecycle.ts'
import type { Participant } from './lifecycle/participants.ts'
import { phases } from './lifecycle/phase.ts'
import type { HookPhase, Phase } from './lifecycle/phase.ts'
import type { Report } from './lifecycle/report.ts'
import type { Status } from './status/model.ts'
import type { SocketWork, WorkOwner } from './traffic/socket-work.ts'
import { clip } from './util/text.ts'

/** Removes what was added; `using` does it too. */
export interface Registration extends Disposable {
  /** A second call does nothing. */
  remove (): void
}

/** Options of `shutdown`. */
export interface ShutdownOptions {
  /** Shown in logs, status and report. Default: `'shutdown()'`. */
  reason?: string
  /** Exit code if nothing fails, 0 to 255. The first caller's applies. Default: 0. */
  exitCode?: number
}

/** Options of `waitUntil`. */
export interface WorkOptions {
  /** Shown while the work runs and in the report. Default: `'background work'`. */
  name?: string
  /**
   * The owner of the work: a `WebSocket` of the package `ws`, its connection, or the request or reply with which it, or
   * a stream, began. It is told to close when the work is done, at the latest after half of what phase 3 has left.
   */
  socket?: WorkOwner
}

/** `app.graceful`. All times are milliseconds. */
export interface Graceful {
  /** The phase the application is in. */
  readonly phase: Phase
  /** All phases in their order, 0 to 4. */
  readonly phases: readonly Phase[]
  /**
   * Epoch milliseconds by which all work must be done: until phase 4 the moment at which requests
   * are cut, in phase 4 the deadline of the process (grace period less `reserve`). A second signal
   * shortens it. Undefined while running and during a drain by hand.
   */
  readonly deadline: number | undefined
  /** For jobs and loops: aborts when draining starts. Work of one request uses `request.drainSignal`. */
  readonly signal: AbortSignal
  /**
   * Shuts the application down in its phases, and then ends the process unless `exit` is `false`. A
   * later call returns the same promise; the first reason and the first exit code apply. A request
   * handler must not await it: it waits for that request.
   *
   * @throws FST_GRACEFUL_INVALID_ARGUMENT, FST_GRACEFUL_UNKNOWN_OPTION
   */
  shutdown (options?: ShutdownOptions): Promise<Report>
  /**
   * Adds a participant, which is called on every tick of phases 1 to 3 and may hold the phase.
   *
   * @throws FST_GRACEFUL_INVALID_ARGUMENT
   */
  stall (name: string, participant: Participant): Registration
  /**
   * Adds work that starts with a phase. The phase waits for it, until `timeout` or its own cap.
   * Hooks of `terminated` run before `app.close()`.
   *
   * @throws FST_GRACEFUL_INVALID_ARGUMENT, FST_GRACEFUL_UNKNOWN_OPTION
   */
  addHook (phase: HookPhase, hook: PhaseHook, options?: HookOptions): Registration
  /**
   * Background work that a request or a message has started: phase 3 waits for it. A rejection is logged.
   *
   * @throws FST_GRACEFUL_INVALID_ARGUMENT, FST_GRACEFUL_UNKNOWN_OPTION
   */
  waitUntil (promise: PromiseLike<unknown>, options?: WorkOptions): void
  /**
   * Keeps the service unready until the release: for a cache that warms up, or for maintenance. Each
   * holder takes its own. With a `timeout`, the startup probe fails if it is not released in time.
   *
   * @throws FST_GRACEFUL_INVALID_ARGUMENT, FST_GRACEFUL_UNKNOWN_OPTION
   */
  hold (reason: string, options?: HoldOptions): Hold
  /**
   * Adds a health check, which fails if it throws, rejects or returns `false`.
   *
   * @throws FST_GRACEFUL_INVALID_ARGUMENT, FST_GRACEFUL_UNKNOWN_OPTION, FST_GRACEFUL_DUPLICATE_CHECK
   */
  addCheck (name: string, check: Check, options?: CheckOptions): AddedCheck
  /**
   * Determines readiness as `/readyz` does: each check runs, at most once per `ttl`. For a health
   * route of your own. It never rejects, and settles within the longest timeout of a check.
   */
  ready (): Promise<boolean>
  /**
   * The whole status, as the admin route returns it to authorised clients. Its `ready` is the last
   * known one: reading it re-runs, in the background, the checks whose `ttl` is over.
   */
  status (): Status
}

/** Makes a {@link Registration} of what removes something. */
function registration (remove: () => void): Registration {
  return { remove, [Symbol.dispose]: remove }
}

/** What stands behind `app.graceful`. */
export interface GracefulParts extends Pick<Graceful, 'signal' | 'status'> {
  lifecycle: Lifecycle
  health: Health
  holds: Holds
  /** Work that belongs to a connection. */
  socketWork: SocketWork
  /** Somebody asks for the end of the process. */
  askExit: () => void
}

/** Makes what is decorated as `app.graceful`. */
export function makeGraceful (parts: GracefulParts): Graceful {
  const { lifecycle, health, holds, socketWork, askExit, signal, status } = parts
  return {
    get phase () { return lifecycle.phase },
    phases,
    get deadline () { return lifecycle.deadline },
    signal,
    shutdown: (options) => {
      const request = readShutdown(options)
      askExit()
      return lifecycle.shutdown({ kind: 'shutdown', ...request })
    },
    stall: (name, participant) => registration(lifecycle.participants.add(name, participant)),
    addHook: (phase, hook, options) => registration(lifecycle.hooks.add(phase, hook, options)),
    waitUntil: (promise, options) => waitUntil({ lifecycle, socketWork }, promise, options),
    hold: (reason, options) => holds.add(reason, options),
    addCheck: (name, check, options) => health.addCheck(name, check, options),
    ready: async () => (await health.verdict('readiness')).ok,
    status
  }
}

function waitUntil (
  { lifecycle, socketWork }: Pick<GracefulParts, 'lifecycle' | 'socketWork'>,
  promise: PromiseLike<unknown>,
  options?: WorkOptions
): void {
  // Looked at first: nothing is begun where one of the arguments is wrong.
  const taken = options === undefined ? undefined : takeWorkOptions(options)
  const owner = taken?.socket
  const end = owner === undefined ? undefined : socketWork.begin(owner)
  try {
    lifecycle.work.follow(promise, taken?.name)
  } catch (error) {
    end?.()
    throw error
  }
  if (end !== undefined) Promise.resolve(promise).then(end, end)
}

function readShutdown (options: ShutdownOptions = {}): { reason: string, exitCode: number } {
  const { reason = 'shutdown()', exitCode = 0 } = takeOptions(options, "'shutdown'", ['reason', 'exitCode'])
  if (typeof reason !== 'string' || reason === '') {
    throw invalidArgument("the reason given to 'shutdown'", 'a non-empty string', reason)
  }
  if (!Number.isInteger(exitCode) || exitCode < 0 || exitCode > 255) {
    throw invalidArgument("the exitCode given to 'shutdown'", 'an integer from 0 to 255', exitCode)
  }
  return { reason: clip(reason), exitCode }
}
