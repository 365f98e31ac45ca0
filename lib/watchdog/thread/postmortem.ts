import { formatTerminationMessage, writeTerminationMessage } from '../../platform/kubernetes/message.ts'
import type { TerminationRecord } from '../../platform/kubernetes/message.ts'
import { phaseNumber } from '../../lifecycle/phase.ts'
import { frameText } from './inspect.ts'
import type { Frame, ThreadState } from './inspect.ts'
import { logLine } from '../../process/stderr.ts'
import type { WatchedState } from '../protocol.ts'

/** What is known of a main thread that hangs. */
export interface Hang {
  /** How long its event loop has not turned, in milliseconds. */
  silence: number
  /** Its frames; undefined where it could not be paused. */
  stack: readonly Frame[] | undefined
  /** Whether the inspector may be used at all. */
  inspect: boolean
  state: ThreadState
}

/** What holds the event loop, in words. */
export function heldBy ({ stack, inspect, state }: Hang): string {
  if (stack !== undefined) return stack[0] === undefined ? "inside Node's own code" : `in ${frameText(stack[0])}`
  if (!inspect) return 'at a place that cannot be named without the inspector'
  if (isNative(state)) return 'inside native code, waiting for the kernel: its JavaScript stack cannot be read'
  const doing = state.computes === undefined ? '' : state.computes ? ', computing' : ', waiting'
  return `at a place that is not known${doing}: it could not be paused in time, as inside native code`
}

/** A call into the kernel can be told from outside; native code that computes looks like JavaScript slow to pause. */
function isNative ({ computes, waits }: ThreadState): boolean {
  return computes === false && !waits
}

/** The fields that tell of a hang, in a line as in the termination message. */
export function hangFields ({ silence, stack, inspect, state }: Hang): HangFields {
  const [first] = stack ?? []
  return {
    silence: Math.round(silence),
    ...(stack === undefined && inspect && isNative(state) && { native: true }),
    ...(first !== undefined && { blockedIn: frameText(first) }),
    ...(stack !== undefined && { stack: stack.map(frameText) })
  }
}

type HangFields = Pick<TerminationRecord, 'silence' | 'native' | 'blockedIn' | 'stack'>

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

/** The application whose end is the furthest from done. */
function worst (applications: readonly WatchedState[]): WatchedState | undefined {
  return applications.toSorted((a, b) => phaseNumber(a.phase) - phaseNumber(b.phase))[0]
}

function summarize ({ applications, hang, signal }: Postmortem): string {
  const { phase = 'running', reason = signal ?? 'unknown' } = worst(applications) ?? {}
  const cause = hang === undefined
    ? 'the shutdown did not come to its end in time'
    : `the event loop has not turned for ${Math.round(hang.silence)} ms, ${heldBy(hang)}`
  return `ended by the watchdog at the deadline, in phase '${phase}' of the end by ${reason}: ${cause}`
}

/** The same as one line of the log. */
export function postmortemLine (postmortem: Postmortem): string {
  const { applications, hang, signal, exitCode } = postmortem
  const { phase, reason = signal } = worst(applications) ?? {}
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

/** Writes the same to where the kubelet reads it. It does not throw. */
export function leaveTerminationMessage (path: string | undefined, postmortem: Postmortem): void {
  if (path === undefined) return
  try {
    writeTerminationMessage(path, formatTerminationMessage(terminationRecord(postmortem)))
  } catch {
    // The line on standard error says the same.
  }
}

function terminationRecord (postmortem: Postmortem): TerminationRecord {
  const { applications, hang, signal, signalledAt, exitCode } = postmortem
  const application = worst(applications)
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
