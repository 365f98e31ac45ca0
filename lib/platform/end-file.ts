import { createHash } from 'node:crypto'
import {
  closeSync, constants, fstatSync, ftruncateSync, openSync, readdirSync, readFileSync, readlinkSync, readSync,
  unlinkSync, writeSync
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { phases } from '../lifecycle/phase.ts'
import type { Phase } from '../lifecycle/phase.ts'

// The watchdog's thread takes such a file away, too: nothing here needs the main thread.

/** An end that is under way: what a process leaves of it that is killed. Times are epoch milliseconds. */
export interface EndRecord {
  /** The service's file. */
  script: string
  host: string
  /** The boot of the machine, and the namespace of the process's number, as far as the kernel tells. */
  boot: string
  space: string
  pid: number
  /** When the process began, in the kernel's own unit. */
  began: string
  reason: string
  phase: Phase
  startedAt: number
  /** When it was to be over, by what was planned. */
  until: number
  /** The last sign of life. */
  seen: number
}

/** Names a directory that outlives the process: what is left there says whether it was killed. */
export const stateVariable = 'GRACEFUL_STATE_DIRECTORY'

const prefix = 'fastify-graceful-'
const suffix = '.end'
/** Bytes of such a file; a longer one is none. */
const mostBytes = 4096
/** Files that are looked at. */
const mostFiles = 1000
/** Follows no symbolic link, waits for no FIFO, takes no terminal. Not every platform has the three. */
const careful = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0)

function tell (read: () => string): string {
  try {
    return read().trim()
  } catch {
    return ''
  }
}

/** When a process began; empty where nobody can say, or there is none. */
const beganAt = (pid: number): string =>
  tell(() => readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ')[19] ?? '')
const bootId = (): string => tell(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1'))
const pidSpace = (): string => tell(() => readlinkSync('/proc/self/ns/pid'))
const script = (): string => process.argv[1] ?? process.execPath

/** Which service this is: others may have their files in the same directory. */
const service = (): string =>
  createHash('sha256').update(`${script()}\0${process.cwd()}`).digest('hex').slice(0, 12)
const ending = (): string => `.${hostname().replaceAll(/[^\w-]/g, '_').slice(0, 64)}.${process.pid}${suffix}`

/** The file of this process, open while its end is under way. */
export class EndFile {
  readonly #path: string
  readonly #file: number
  readonly #origin: Pick<EndRecord, 'script' | 'host' | 'boot' | 'space' | 'pid' | 'began'>

  /** @throws what `node:fs` throws */
  constructor (directory: string) {
    this.#path = join(directory, prefix + service() + ending())
    const { pid } = process
    this.#origin =
      { script: script(), host: hostname(), boot: bootId(), space: pidSpace(), pid, began: beganAt(pid) }
    const mode = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | careful
    try {
      this.#file = openSync(this.#path, mode, 0o600)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      // A file that an earlier process of this number has left, and no process has read.
      unlinkSync(this.#path)
      this.#file = openSync(this.#path, mode, 0o600)
    }
  }

  write (record: Pick<EndRecord, 'reason' | 'phase' | 'startedAt' | 'until' | 'seen'>): void {
    const text = JSON.stringify({ ...this.#origin, ...record, reason: record.reason.slice(0, 200) })
    const bytes = Buffer.from(text)
    writeSync(this.#file, bytes, 0, bytes.length, 0)
    ftruncateSync(this.#file, bytes.length)
  }

  remove (): void {
    closeSync(this.#file)
    unlinkSync(this.#path)
  }
}

/** Takes away what this process has left in a directory, from whichever thread. Does not throw. */
export function forgetEnds (directory: string | undefined): void {
  if (!directory) return
  try {
    for (const name of namesIn(directory, prefix)) if (name.endsWith(ending())) unlinkSync(join(directory, name))
  } catch {
    // Whoever starts next says more than there is to say.
  }
}

function namesIn (directory: string, start: string): string[] {
  return readdirSync(directory).filter((name) => name.startsWith(start) && name.endsWith(suffix)).slice(0, mostFiles)
}

/**
 * Ends of this service that processes of it have not finished which are gone. Each is answered to one process only: its
 * file is taken away.
 *
 * @returns them, and when to look again, where a process may still be there that nobody can see from here
 * @throws what `node:fs` throws where the directory cannot be read
 */
export function takeUnfinished (directory: string, now: number): { ends: EndRecord[], again: number | undefined } {
  const ends: EndRecord[] = []
  let again: number | undefined
  for (const name of namesIn(directory, prefix + service())) {
    const path = join(directory, name)
    const record = readRecord(path)
    if (record === undefined) continue
    const goneAt = whenGone(record)
    if (goneAt > now) {
      if (goneAt < Infinity) again = Math.min(again ?? Infinity, goneAt)
      continue
    }
    try {
      unlinkSync(path)
      ends.push(record)
    } catch {
      // Another process was faster, or it is not ours to take.
    }
  }
  return { ends, again }
}

/** How long somebody without a sign of life counts as there. */
const patience = 15_000

/** When its process counts as gone; Infinity while it is seen to be there. */
function whenGone ({ host, boot, space, pid, began, until, seen }: EndRecord): number {
  const isHere = host === hostname()
  if (isHere && boot !== '' && boot !== bootId()) return seen + patience
  if (isHere && boot !== '' && space !== '' && space === pidSpace()) {
    return began !== '' && began === beganAt(pid) ? Infinity : 0
  }
  // In another container or on another machine: it is over when its own plan and its last sign are.
  return Math.max(until, seen + patience)
}

function readRecord (path: string): EndRecord | undefined {
  try {
    const file = openSync(path, constants.O_RDONLY | careful)
    try {
      const stats = fstatSync(file)
      const user = process.geteuid?.()
      if (!stats.isFile() || stats.nlink > 1 || stats.size > mostBytes) return undefined
      if (user !== undefined && stats.uid !== user) return undefined
      const bytes = Buffer.alloc(mostBytes)
      return checked(JSON.parse(bytes.toString('utf8', 0, readSync(file, bytes))))
    } finally {
      closeSync(file)
    }
  } catch {
    return undefined
  }
}

function checked (value: unknown): EndRecord | undefined {
  const record = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  const texts = ['script', 'host', 'boot', 'space', 'began', 'reason'].every((name) => typeof record[name] === 'string')
  const numbers = ['pid', 'startedAt', 'until', 'seen'].every((name) => Number.isFinite(record[name]))
  return texts && numbers && phases.includes(record['phase'] as Phase) ? record as unknown as EndRecord : undefined
}

/** Whether the machine was started anew since. */
export function wasRestarted ({ host, boot }: EndRecord): boolean {
  return host === hostname() && boot !== bootId()
}
