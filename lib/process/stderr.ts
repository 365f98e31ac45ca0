import { constants, closeSync, fstatSync, openSync, readFileSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { hostname } from 'node:os'
import { isatty, WriteStream } from 'node:tty'
import { monotonicNow } from '../clock.ts'
import { sleep } from '../util/timers.ts'
import { handleOf } from '../fastify/process-internals.ts'
import type { StreamHandle } from '../fastify/process-internals.ts'

/** How long a reader who takes nothing is tried again, and how often, in milliseconds. */
const patience = 100
const interval = 5

/** A line as pino writes it. `level` 40 is a warning, 50 an error, 60 fatal. */
export function logLine (level: 40 | 50 | 60, fields: object, message: string): string {
  const origin = { pid: process.pid, hostname: hostname() }
  return `${JSON.stringify({ level, time: Date.now(), ...origin, ...fields, msg: message })}\n`
}

/** The line that is being written; another one takes its place. */
let current: Buffer | undefined
/** The last line was given up in its midst. */
let torn = false

/**
 * Writes to standard error without ever waiting inside a write: one that waits for a reader who has
 * stopped holds whoever exits. A line that nobody takes within a moment is lost, and so is the rest
 * of one that another one follows. It does not reject.
 */
export async function writeError (text: string): Promise<void> {
  const bytes = current = Buffer.from(torn ? `\n${text}` : text)
  const until = monotonicNow() + patience
  try {
    for (let written = 0; ;) {
      written += tryWrite(bytes.subarray(written))
      torn = written > 0 && written < bytes.length
      if (written === bytes.length || monotonicNow() > until) return
      // oxlint-disable-next-line no-await-in-loop -- it is a wait
      await sleep(interval)
      if (current !== bytes) return
    }
  } catch {
    // Nobody reads it; what it was about goes on.
  }
}

/** How many bytes were taken at once. */
function tryWrite (bytes: Buffer): number {
  if (fstatSync(2).isFile() || !waits()) return write(2, bytes)
  const file = reopen()
  if (file === undefined) return writeWithoutWaiting(bytes)
  try {
    return write(file, bytes)
  } finally {
    closeSync(file)
  }
}

function write (file: number, bytes: Buffer): number {
  try {
    return writeSync(file, bytes)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    return 0
  }
}

/** Whether a write could wait. */
function waits (): boolean {
  try {
    const flags = /^flags:\s*(\d+)/m.exec(readFileSync('/proc/self/fdinfo/2', 'latin1'))?.[1]
    return flags === undefined || (Number.parseInt(flags, 8) & constants.O_NONBLOCK) === 0
  } catch {
    return true
  }
}

/**
 * A description of the same pipe or terminal that does not wait; the other one may be shared with
 * other processes. A socket has no second one.
 */
export function reopen (fd = 2): number | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return undefined
  }
}

/** Of standard error, where that is a pipe, a terminal or a stream socket. Kept open, it reads and closes nothing. */
let handle: StreamHandle | undefined

/**
 * Whoever shares standard error sees it not to wait for no longer than this takes. Where it cannot
 * be made so, nothing is written: the termination message says the same.
 */
function writeWithoutWaiting (bytes: Buffer): number {
  // There is nothing like it, and a console is not stopped for long.
  if (process.platform === 'win32') return write(2, bytes)
  handle ??= ownHandle()
  if (handle.setBlocking === undefined) return 0
  try {
    if (handle.setBlocking(false) !== 0) return 0
    return write(2, bytes)
  } finally {
    handle.setBlocking(true)
  }
}

function ownHandle (): StreamHandle {
  try {
    // A terminal is opened anew where the user may; it may be another user's, as under sudo.
    const stream = isatty(2) ? new WriteStream(2) : new Socket({ fd: 2, readable: false, writable: true })
    return handleOf(stream.unref()) ?? {}
  } catch {
    return {}
  }
}
