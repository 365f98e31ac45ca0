import { excludeWarnings } from '../../health/options.ts'
import { isPassing } from '../../health/health.ts'
import type { CheckVerdict, Verdict } from '../../health/health.ts'
import type { CheckKind } from '../../health/options.ts'
import type { Verdicts, WatchedState } from '../protocol.ts'

/** Whether the event loop turns, as it is seen from outside of the main thread. */
export interface LoopState {
  /** How long the event loop has not turned, in milliseconds. */
  silence: number
  /** The event loop is blocked. */
  blocked: boolean
  /** It has lasted so long that only a restart helps. */
  dead: boolean
}

/** What of a verdict is asked for. */
export interface Question {
  exclude: readonly string[]
  /** The one check that is asked; a name that does not exist gives a verdict without checks. */
  only: string | undefined
}

/** Name of the check that the watchdog adds. */
const loopCheck = 'event-loop'
/** Name of the check that fails with the end, as the main thread has it. */
const shutdownCheck = 'shutdown'

/** What is known in the thread. */
export interface Known {
  /** The last verdicts of all applications. A slow check holds them up. */
  verdicts: readonly Verdicts[]
  applications: readonly Pick<WatchedState, 'unreadyFrom'>[]
  loop: LoopState
}

/**
 * What a probe is answered with: the last verdicts of all applications, and whether the event loop turns. Readiness
 * fails with the end, whatever the verdicts still say, and while the event loop is blocked, liveness when nothing but
 * a restart helps.
 */
export function buildVerdict (
  kind: CheckKind,
  { verdicts, applications, loop }: Known,
  { exclude, only }: Question
): Verdict {
  const given = verdicts.flatMap((own, index) =>
    own[kind].checks
      .map((check) =>
        check.name === shutdownCheck && isLeaving(applications[index])
          ? line(shutdownCheck, 'process is shutting down')
          : check
      )
      .map((check) => verdicts.length === 1 ? check : { ...check, name: `${check.name}-${index + 1}` })
  )
  const unknown = verdicts.length === 0 && kind !== 'liveness'
    ? [line('started', 'the application has said nothing yet')]
    : []
  const failed = kind === 'liveness' ? loop.dead : kind === 'readiness' && loop.blocked
  const all = [
    ...unknown,
    ...given,
    line(loopCheck, failed ? `the event loop has not turned for ${Math.round(loop.silence)} ms` : undefined)
  ]
  const asked = only === undefined ? all : all.filter(({ name }) => name === only)
  const checks = asked.map((check) =>
    only === undefined && exclude.includes(check.name) ? { ...check, ok: true, excluded: true } : check
  )
  const unmatched = only === undefined
    ? [...new Set(exclude)].filter((name) => !all.some((check) => check.name === name))
    : []
  return { kind, ok: isPassing(checks), checks, warnings: excludeWarnings(unmatched) }
}

function isLeaving (application: Known['applications'][number] | undefined): boolean {
  return application?.unreadyFrom !== undefined && Date.now() >= application.unreadyFrom
}

function line (name: string, output: string | undefined): CheckVerdict {
  const check = {
    name,
    ok: output === undefined,
    critical: true,
    excluded: false,
    duration: 0,
    age: 0,
    time: Date.now()
  }
  return output === undefined ? check : { ...check, output }
}
