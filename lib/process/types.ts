import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import type { Released } from '../lifecycle/driver.ts'
import type { Report } from '../lifecycle/report.ts'
import type { Log } from '../log.ts'

/**
 * What a signal does to one application.
 *
 * - `'shutdown'`: the phases, exit code 0
 * - `'restart'`: the phases, exit with the restart code
 * - `'ignore'`: a warning that says what to do instead, and nothing else
 * - `false`: no listener; whatever Node or others do
 */
export type SignalAction = 'shutdown' | 'restart' | 'ignore' | false

/**
 * When listeners of others on the signals that end the service are called.
 *
 * - `'after'`: when its last request has been answered, at the beginning of phase 4
 * - `'beside'`: at once, as without the plugin
 */
export type OtherListenersTime = 'after' | 'beside'

/** As much of the state machine as the process room needs. */
export type MemberLifecycle = Pick<
  Lifecycle,
  'phase' | 'deadline' | 'clear' | 'ending' | 'request' | 'shutdown' | 'hurry' | 'fail' | 'report'
>

/** One application as the registry of the process sees it. */
export interface MemberOptions {
  /** How logs and other applications call it. */
  name: string
  lifecycle: MemberLifecycle
  log: Log
  /** What each signal does. A signal that is not listed is not listened for. */
  signals: Record<string, SignalAction>
  /** When others hear of a signal that ends this application. Default: `'beside'`. */
  otherListeners?: OtherListenersTime
  /** Whether others serve on the listener after a signal has ended this process: nobody is told then. Default: no. */
  othersServe?: boolean
  /** Exit code after a signal whose action is `'restart'`. */
  restartExitCode: number
  /** Whether the end of this application may end the process. `false`: never, and no crash handlers either. */
  exit: boolean
  /** Whether `uncaughtException` and `unhandledRejection` set off a shutdown, from {@link Membership.listening} on. */
  crash: boolean
  /** Writes out what the logger has buffered, before the process exits. */
  flush: () => Promise<void>
  /** Longest time `flush` is waited for, in milliseconds; a function is asked when it begins. */
  flushTimeout: number | (() => number)
  /** Told when the process exits before this application's end, whoever ended it. Synchronous: nothing runs after. */
  exited?: (exitCode: number) => void
  /**
   * Somebody else ends the process in phase 4: the end of the application is over now, synchronously, and it leaves
   * with a report of what has happened so far. Answers whether there is one.
   */
  conclude?: () => boolean
}

/** A signal that counted. `at` is of `performance.now()`; `count` is 1 for the first, 2 for the one that hurries. */
export interface CountedSignal { name: string, at: number, count: number }

/** What {@link joinProcess} answers. */
export interface Membership {
  /**
   * The barrier that keeps the applications of a process in step: names another application that is
   * shutting down too and is either in an earlier phase, or in the same phase and still stalled.
   * Undefined where nobody has to be waited for.
   *
   * There is no barrier in phase `terminated`, nor for an application that is merely being closed:
   * a parent's onClose hook may close a child application, and neither may then wait for the other.
   */
  others (): string | undefined
  /** Called at `onListen`: installs the crash handlers, and names foreign listeners of our signals in one warning. */
  listening (): void
  /** Phase 4 of this application begins: once it has for all that the signal ends, whoever was held back is called. */
  releaseOthers (): Released[]
  /** Whether the application listens and its end is not over, so that the process stays for it. */
  serves (): boolean
  /** Whether its end was asked for, and the process is to end with it. */
  endsProcess (): boolean
  /** The last signals that counted, whoever acts on them; the oldest first. */
  signalled (): readonly CountedSignal[]
  /** Somebody asks for the end of the process: it matters during a plain close, which by itself does not end it. */
  askExit (): void
  /** Whether somebody did. */
  exitAsked (): boolean
  /**
   * The end of the application is over, and everybody in it has heard of it. With the last member the process exits,
   * or the listeners are taken away.
   */
  leave (report: Report): void
  /**
   * Calls `listener` on each `uncaughtException`, after it was logged and recorded. An onClose hook
   * that throws synchronously leaves Fastify's `close` unsettled for ever; this is the only sign of it.
   *
   * @returns what removes the listener
   */
  onUncaught (listener: (error: unknown) => void): () => void
}

/** A member and what became of it. */
export interface Member extends MemberOptions {
  /** Its shutdown is over. */
  finished: boolean
  /** It has called `listening`. */
  listens: boolean
  /** A signal or `shutdown()` asked for the end of the process, though a plain close may have come first. */
  exitAsked: boolean
  readonly uncaught: Set<(error: unknown) => void>
}
