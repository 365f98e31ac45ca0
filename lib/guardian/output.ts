import { constants, closeSync, openSync, fstatSync, readFileSync, write, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { clearTimeout, setTimeout } from 'node:timers'

/** How long a full pipe is tried again, and a write elsewhere is waited for, in milliseconds. */
const patience = 100

/** A line as pino writes it. `level` 40 is a warning, 50 an error, 60 fatal. */
export function logLine (level: 40 | 50 | 60, fields: object, message: string): string {
  return `${JSON.stringify({ level, time: Date.now(), pid: process.pid, hostname: hostname(), ...fields, msg: message })}\n`
}

/** The write that has not come back. It holds a thread of the pool, which the whole process shares, so there is one at most. */
let pending: Promise<true> | undefined

/**
 * Writes to standard error without ever waiting for its reader longer than a moment: a thread that hangs on a full pipe kills
 * nobody. It does not reject. Answers false where the write still holds a thread of the pool, for which an exit would wait.
 */
export async function writeError (text: string): Promise<boolean> {
  const bytes = Buffer.from(text)
  try {
    const file = openAtHand()
    if (file === undefined) return await writeAside(bytes)
    try {
      writePatiently(file, bytes)
    } finally {
      if (file !== 2) closeSync(file)
    }
  } catch {
    // Nobody reads it; what it was about goes on.
  }
  return true
}

/** Where a write comes back at once; undefined where it could wait for its reader, as into a socket, which cannot be opened anew. */
function openAtHand (): number | undefined {
  const stat = fstatSync(2)
  if (stat.isFile()) return 2
  if (!stat.isFIFO()) return undefined
  return waits() ? reopen() : 2
}

/** Whether a write to the pipe could wait. */
function waits (): boolean {
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

/** Writes in the pool of threads; whether that came back in time. */
async function writeAside (bytes: Buffer): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => { timer = setTimeout(resolve, patience, false) })
  try {
    if (pending !== undefined && !await Promise.race([pending, late])) return false
    pending = writeAll(bytes).finally(() => { pending = undefined })
    return await Promise.race([pending, late])
  } finally {
    clearTimeout(timer)
  }
}

async function writeAll (bytes: Buffer): Promise<true> {
  const until = performance.now() + patience
  for (let written = 0; written < bytes.length;) {
    const error = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
      write(2, bytes, written, (failure, count) => {
        written += count ?? 0
        resolve(failure)
      })
    })
    if (error === null) continue
    if (error.code !== 'EAGAIN' || performance.now() > until) break
    await new Promise((resolve) => { setTimeout(resolve, 5) })
  }
  return true
}
