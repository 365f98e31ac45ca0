import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import { setTimeout } from 'node:timers'
import type { MainThread, Pause } from './inspect.ts'
import { leaveTerminationMessage, obituaryLine } from './obituary.ts'
import type { Obituary } from './obituary.ts'
import { writeError } from './output.ts'
import { killTime } from './plan.ts'
import type { WardState } from './protocol.ts'

/** How long a pause is waited for: a heartbeat of a main thread that turns is enough of JavaScript to pause in. */
const pauseTimeout = 450
/** What the exit listeners are left at least, in milliseconds. */
const exitTime = 120

/** What tells of the requests, run on the paused main thread. */
const snapshotExpression = "globalThis[Symbol.for('fastify-graceful.process')]?.guardian?.snapshot?.()"
/** The exit runs the exit listeners, which save what a pino transport holds; it is marked as ours first. */
const exitExpression = (code: number): string => `{ const state = globalThis[Symbol.for('fastify-graceful.process')]; if (state) state.exiting = true; globalThis.process.exit(${code}) }`

/** A descriptor is kept for the end: the message and the look at the main thread need one, and a process that hangs may have none left. */
let spare = openSpare()

function openSpare (): number | undefined {
  try {
    return openSync(devNull, 'r')
  } catch {
    return undefined
  }
}

function freeSpare (): void {
  if (spare !== undefined) closeSync(spare)
  spare = undefined
}

/** What {@link killProcess} needs. */
export interface Kill {
  /** Undefined where the inspector may not be used. */
  mainThread: MainThread | undefined
  exitCode: number
  /** Milliseconds that are left before SIGKILL must have been sent. */
  left: number
  terminationMessagePath: string | undefined
  /** The last word, from what the paused main thread has told. */
  compose: (pause: Pause | undefined, wards: WardState[] | undefined) => Obituary
}

/**
 * Ends the process, whatever its main thread does. The last step is armed before the first: pause, stack, message, line,
 * `process.exit` on the paused main thread, and SIGKILL where that has not ended it.
 */
export async function killProcess ({ mainThread, exitCode, left, terminationMessagePath, compose }: Kill): Promise<void> {
  const time = Math.max(0, Math.min(killTime, left))
  let told = false
  const tell = (obituary: Obituary): Promise<void> => {
    told = true
    leaveTerminationMessage(terminationMessagePath, obituary)
    return writeError(obituaryLine(obituary))
  }
  setTimeout(() => {
    // A busy machine may have left no time for a pause.
    if (!told) void tell(compose(undefined, undefined))
    sigkill()
  }, time)
  freeSpare()
  const start = performance.now()
  const pause = await mainThread?.pause(Math.min(pauseTimeout, time * 2 / 3)).catch(() => undefined)
  const wards = pause && await snapshot(pause, start + time - exitTime - performance.now())
  if (!told) await tell(compose(pause, wards))
  if (pause === undefined) sigkill()
  // As PID 1 we are still here: the kernel delivers no SIGKILL to it from inside. What is left is the return from native code.
  const late = pause ?? await mainThread?.pending
  if (late === undefined) return
  void late.evaluate(exitExpression(exitCode))
  // Under `--inspect` the exit waits for those who are connected.
  mainThread?.disconnect()
}

function sigkill (): void {
  process.kill(process.pid, 'SIGKILL')
}

/** What the main thread says of its applications; undefined where it does not. */
async function snapshot (pause: Pause, timeout: number): Promise<WardState[] | undefined> {
  const late = new Promise<undefined>((resolve) => { setTimeout(resolve, Math.max(0, timeout), undefined) })
  const text = await Promise.race([pause.evaluate(snapshotExpression), late])
  try {
    return typeof text === 'string' ? JSON.parse(text) as WardState[] : undefined
  } catch {
    return undefined
  }
}
