import { setTimeout } from 'node:timers'
import { forgetEnds, stateVariable } from '../../platform/end-file.ts'
import { sharedExpression } from '../../process/shared.ts'
import { writeError } from '../../process/stderr.ts'
import { killTime, planEnd } from '../kill-deadline.ts'
import type { ProcessEnd, Unheard } from '../kill-deadline.ts'
import type { WatchedState } from '../protocol.ts'
import { freeSpare } from '../reserved-fd.ts'
import type { MainThread, Pause } from './inspect.ts'
import { leaveTerminationMessage, postmortemLine } from './postmortem.ts'
import type { Postmortem } from './postmortem.ts'

/** How long a pause is waited for: a heartbeat of a main thread that turns is enough of JavaScript to pause in. */
const pauseTimeout = 450
/** What the exit listeners are left at least, in milliseconds. */
const exitTime = 120

/** What tells of the requests, run on the paused main thread. */
const snapshotExpression = `${sharedExpression}?.watchdog?.snapshot?.()`
/** The exit runs the exit listeners, which save what a pino transport holds; it is marked as ours first. */
const exitExpression = (code: number): string =>
  `{ const state = ${sharedExpression}; if (state) state.exiting = true; globalThis.process.exit(${code}) }`

/** What {@link killProcess} needs. */
export interface Kill {
  /** Undefined where the inspector may not be used. */
  mainThread: MainThread | undefined
  exitCode: number
  /** Milliseconds that are left before SIGKILL must have been sent. */
  left: number
  terminationMessagePath: string | undefined
  /** A descriptor that is given up for the last word. */
  spare: number | undefined
  /** The last word, from what the paused main thread has told. */
  compose: (pause: Pause | undefined, applications: WatchedState[] | undefined) => Postmortem
}

/**
 * Ends the process, whatever its main thread does. The last step is armed before the first: pause, stack,
 * message, line, `process.exit` on the paused main thread, and SIGKILL where that has not ended it.
 */
export async function killProcess (
  { mainThread, exitCode, left, terminationMessagePath, spare, compose }: Kill
): Promise<void> {
  const time = Math.max(0, Math.min(killTime, left))
  let told = false
  const tell = (pause: Pause | undefined, applications: WatchedState[] | undefined): Promise<void> => {
    told = true
    freeSpare(spare)
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

/**
 * How long the kernel needs to take the memory of a killed process down, in milliseconds per GiB that is resident.
 * It took 100 to 330 of them for 0.5 to 4 GiB (Linux 6.18, pages of 4 KiB, two cores that others used, too).
 */
const teardownPace = 350
/** What the last moments of the grace period have room for anyway, in bytes. */
const smallMemory = 128 * 2 ** 20
/** What is allowed for at most, in milliseconds. */
const longestTeardown = 5000

/** How much earlier a process with so many bytes of resident memory has to be killed, in milliseconds. */
export function teardownTime (resident: number): number {
  return Math.min(longestTeardown, Math.max(0, resident - smallMemory) / 2 ** 30 * teardownPace)
}

/** The same as `planEnd`, early enough for the memory that the process has. That is looked at near the end only. */
export function planTeardown (
  applications: readonly WatchedState[],
  unheard: Unheard,
  now: number,
  resident: () => number = residentMemory
): ProcessEnd | undefined {
  const end = planEnd(applications, unheard)
  if (end === undefined || now < end.hung - longestTeardown) return end
  return planEnd(applications, unheard, teardownTime(resident()))
}

/** In bytes. Read from a file; where the process has no descriptor left for it, what the process has had at most. */
export function residentMemory (): number {
  try {
    return process.memoryUsage.rss()
  } catch {
    return process.resourceUsage().maxRSS * 1024
  }
}
