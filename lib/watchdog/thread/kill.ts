import { setTimeout } from 'node:timers'
import { forgetEnds, stateVariable } from '../../platform/end-file.ts'
import { formatTerminationMessage, writeTerminationMessage } from '../../platform/kubernetes/message.ts'
import type { TerminationRecord } from '../../platform/kubernetes/message.ts'
import { sharedExpression } from '../../process/shared.ts'
import { logLine, writeError } from '../../process/stderr.ts'
import { killTime } from '../kill-deadline.ts'
import type { WatchedState } from '../protocol.ts'
import { releaseDescriptor } from '../reserved-fd.ts'
import { hangFields, heldBy } from './blocked.ts'
import type { Hang } from './blocked.ts'
import type { MainThread, Pause } from './inspect.ts'
import { furthestFromDone } from './watched-states.ts'

/** How long a pause is waited for: a heartbeat of a main thread that turns is enough of JavaScript to pause in. */
const pauseTimeout = 450
/** What the exit listeners are left at least, in milliseconds. */
const exitTime = 120

/** What tells of the requests, run on the paused main thread. */
const snapshotExpression = `${sharedExpression}?.watchdog?.snapshot?.()`
/** The exit runs the exit listeners, which save what a pino transport holds; it is marked as ours first. */
const exitExpression = (code: number): string =>
  `{ const state = ${sharedExpression}; if (state) state.exiting = true; globalThis.process.exit(${code}) }`

/** The last word on a process whose main thread could not end it. */
export interface Postmortem {
  applications: readonly WatchedState[]
  /** What set the end off, where the main thread has not heard of it. */
  signal: string | undefined
  /** Epoch milliseconds at which that was. */
  signalledAt: number | undefined
  exitCode: number
  /** Undefined where the event loop turned. */
  hang: Hang | undefined
}

/** What {@link killProcess} needs. */
export interface Kill {
  /** Undefined where the inspector may not be used. */
  mainThread: MainThread | undefined
  exitCode: number
  /** Milliseconds that are left before SIGKILL must have been sent. */
  left: number
  terminationMessagePath: string | undefined
  /** A descriptor that is given up for the last word. */
  reservedFd: number | undefined
  /** The last word, from what the paused main thread has told. */
  compose: (pause: Pause | undefined, applications: WatchedState[] | undefined) => Postmortem
}

/**
 * Ends the process, whatever its main thread does. The last step is armed before the first: pause, stack,
 * message, line, `process.exit` on the paused main thread, and SIGKILL where that has not ended it.
 */
export async function killProcess (
  { mainThread, exitCode, left, terminationMessagePath, reservedFd, compose }: Kill
): Promise<void> {
  const time = Math.max(0, Math.min(killTime, left))
  let told = false
  const tell = (pause: Pause | undefined, applications: WatchedState[] | undefined): Promise<void> => {
    told = true
    releaseDescriptor(reservedFd)
    const postmortem = compose(pause, applications)
    leaveTerminationMessage(terminationMessagePath, postmortem)
    // It is told of by now.
    forgetEnds(process.env[stateVariable])
    return writeError(postmortemLine(postmortem))
  }
  setTimeout(() => {
    try {
      // A busy machine may have left no time for a pause.
      if (!told) void tell(undefined, undefined)
    } finally {
      sigkill()
    }
  }, time)
  const start = performance.now()
  const pause = await mainThread?.pause(Math.min(pauseTimeout, time * 2 / 3)).catch(() => undefined)
  const applications = pause && await snapshot(pause, start + time - exitTime - performance.now())
  if (!told) await tell(pause, applications)
  if (pause === undefined) sigkill()
  // As PID 1 we are still here: the kernel delivers no SIGKILL to it from inside. What is left is
  // the return from native code.
  const late = pause ?? await mainThread?.pending
  if (late === undefined) return
  void late.evaluate(exitExpression(exitCode))
  // Under `--inspect` the exit waits for those who are connected.
  mainThread?.disconnect()
}

/** The last step of all. */
export function sigkill (): void {
  process.kill(process.pid, 'SIGKILL')
}

/** What the main thread says of its applications; undefined where it does not. */
async function snapshot (pause: Pause, timeout: number): Promise<WatchedState[] | undefined> {
  const late = new Promise<undefined>((resolve) => { setTimeout(resolve, Math.max(0, timeout), undefined) })
  const text = await Promise.race([pause.evaluate(snapshotExpression), late])
  try {
    return typeof text === 'string' ? JSON.parse(text) as WatchedState[] : undefined
  } catch {
    return undefined
  }
}

/** The last word as one line of the log. */
function postmortemLine (postmortem: Postmortem): string {
  const { applications, hang, signal, exitCode } = postmortem
  const { phase, reason = signal } = furthestFromDone(applications) ?? {}
  const several = applications.length > 1
    ? { applications: applications.map((one) => ({ name: one.name, phase: one.phase, reason: one.reason })) }
    : {}
  return logLine(60, {
    event: 'graceful.killed',
    phase,
    reason,
    exitCode,
    requests: applications.flatMap((application) => application.requests),
    stalledBy: applications.flatMap((application) => application.stalls),
    ...(hang === undefined ? {} : hangFields(hang)),
    ...several
  }, summarize(postmortem))
}

/** Writes the last word to where the kubelet reads it. It does not throw. */
function leaveTerminationMessage (path: string | undefined, postmortem: Postmortem): void {
  if (path === undefined) return
  try {
    writeTerminationMessage(path, formatTerminationMessage(terminationRecord(postmortem)))
  } catch {
    // The line on standard error says the same.
  }
}

function terminationRecord (postmortem: Postmortem): TerminationRecord {
  const { applications, hang, signal, signalledAt, exitCode } = postmortem
  const application = furthestFromDone(applications)
  const now = Date.now()
  const { phase = 'running', since = now, stalls = [], startedAt = signalledAt ?? now } = application ?? {}
  return {
    final: true,
    verdict: 'failed',
    summary: summarize(postmortem),
    phase,
    kind: application?.kind ?? 'shutdown',
    reason: application?.reason ?? signal ?? 'unknown',
    exitCode,
    time: new Date(now).toISOString(),
    startedAt: new Date(startedAt).toISOString(),
    duration: Math.round(now - startedAt),
    pid: process.pid,
    ...(application !== undefined && { gracePeriod: application.gracePeriod, preStop: application.preStop }),
    phases: [{ phase, duration: now - since, endedBy: 'cap', stalledBy: stalls }],
    requests: applications.flatMap(({ requests }) => requests),
    ...(hang !== undefined && hangFields(hang))
  }
}

function summarize ({ applications, hang, signal }: Postmortem): string {
  const { phase = 'running', reason = signal ?? 'unknown' } = furthestFromDone(applications) ?? {}
  const cause = hang === undefined
    ? 'the shutdown did not come to its end in time'
    : `the event loop has not turned for ${Math.round(hang.silence)} ms, ${heldBy(hang)}`
  return `ended by the watchdog at the deadline, in phase '${phase}' of the end by ${reason}: ${cause}`
}
