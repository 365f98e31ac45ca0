import { constants, closeSync, openSync, fstatSync, readFileSync, write, writeSync } from 'node:fs'
import { hostname } from 'node:os'

/** How long a full pipe is tried again, in milliseconds. */
const patience = 100

/** A line as pino writes it. `level` 40 is a warning, 50 an error, 60 fatal. */
export function logLine (level: 40 | 50 | 60, fields: object, message: string): string {
  return `${JSON.stringify({ level, time: Date.now(), pid: process.pid, hostname: hostname(), ...fields, msg: message })}\n`
}

/**
 * Writes to standard error without ever waiting for its reader longer than a moment: a thread that hangs on a full pipe kills
 * nobody. It does not throw.
 */
export function writeError (text: string): void {
  try {
    const file = waits() ? reopen() : 2
    if (file === undefined) write(2, text, () => {})
    else writePatiently(file, Buffer.from(text))
    if (file !== undefined && file !== 2) closeSync(file)
  } catch {
    // Nobody reads it; what it was about goes on.
  }
}

/** Whether a write could wait for its reader. */
function waits (): boolean {
  if (!fstatSync(2).isFIFO()) return false
  try {
    const flags = /^flags:\s*(\d+)/m.exec(readFileSync('/proc/self/fdinfo/2', 'latin1'))?.[1]
    return flags === undefined || (Number.parseInt(flags, 8) & constants.O_NONBLOCK) === 0
  } catch {
    return true
  }
}

/** A description of the same pipe that does not wait; the other one may be shared with other processes. */
function reopen (): number | undefined {
  try {
    return openSync('/proc/self/fd/2', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return undefined
  }
}

function writePatiently (file: number, bytes: Buffer): void {
  const until = performance.now() + patience
  const bell = new Int32Array(new SharedArrayBuffer(4))
  let written = 0
  while (written < bytes.length) {
    try {
      written += writeSync(file, bytes, written)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || performance.now() > until) throw error
      Atomics.wait(bell, 0, 0, 5)
    }
  }
}
