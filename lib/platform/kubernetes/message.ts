import {
  closeSync, constants, fstatSync, ftruncateSync, lstatSync, openSync, readFileSync, readSync, writeSync
} from 'node:fs'
import type { Stats } from 'node:fs'
import type { Cut, CutRequest, PhaseRecord, Report, ShutdownKind, TrafficSummary } from '../../lifecycle/report.ts'
import type { Phase } from '../../lifecycle/phase.ts'

// Nothing but `node:fs` is imported here: a worker thread writes the same message when the main thread hangs.

/** What the kubelet shows of a termination message at most, in bytes: the last of them. */
export const maxMessageBytes = 4096

/** Where the kubelet puts the message, unless a pod says otherwise. */
export const defaultMessagePath = '/dev/termination-log'

/** One application of a process that has several, or one child of a supervisor. */
export interface ApplicationRecord {
  name: string
  final: boolean
  verdict: TerminationRecord['verdict']
  phase: Phase
  summary: string
}

/** A request in flight, and what it is: an ordinary request, a stream, an upgraded socket. */
export interface RequestRecord extends CutRequest { kind: string }

/** What a termination message says. Times are milliseconds unless named otherwise. */
export interface TerminationRecord {
  /**
   * `false`: written when a phase began. Found after the container's end, it says that the container was killed in that
   * phase or a later one.
   */
  final: boolean
  verdict: Report['verdict'] | 'unfinished'
  /** One sentence for a human. */
  summary: string
  /** The phase that was entered last. */
  phase: Phase
  /** What set the end off; `drain` while it is only a drain by hand. */
  kind: ShutdownKind | 'drain'
  reason: string
  exitCode?: number
  /** When this was written, ISO 8601. */
  time: string
  /** When the end was announced, ISO 8601. */
  startedAt?: string
  /** Since the announcement. */
  duration?: number
  pid: number
  gracePeriod?: number
  preStop?: number
  /** The phases that are over. */
  phases?: PhaseRecord[]
  traffic?: TrafficSummary
  /** In flight while this was written, the oldest first. */
  requests?: RequestRecord[]
  cut?: Cut
  failures?: Array<{ name: string, message: string, phase: Phase }>
  advice?: string[]
  /** Only where the process has several; the rest is then about the worst of them. */
  applications?: ApplicationRecord[]
  /** Only a supervisor's: its children, the worst first. */
  children?: ApplicationRecord[]
  /** The name of the child that `phases`, `traffic`, `cut`, `failures` and `advice` are of. */
  worst?: string
  /** How long the event loop had not turned when the watchdog ended the process. */
  silence?: number
  /** The function that held it, as `name (file:line:column)`. */
  blockedIn?: string
  /** It was native code that held it, waiting for the kernel, and nobody can tell which. */
  native?: boolean
  /** The innermost frames of the main thread. */
  stack?: string[]
}

/** How long strings (in UTF-16 units) and lists may be; the first pair that fits is taken. */
const ladder: ReadonlyArray<readonly [text: number, list: number]> = [
  [1024, 64], [512, 32], [512, 16], [256, 16], [256, 8], [128, 8], [128, 4], [96, 4], [64, 4], [48, 2], [32, 1], [16, 0]
]
/** What is kept where even the last pair is too much. */
const essence = ['final', 'verdict', 'phase', 'kind', 'reason', 'exitCode', 'time', 'pid'] as const
/** Deeper than any record goes. */
const maxDepth = 8

/**
 * Writes a record as one line of JSON of at most {@link maxMessageBytes} bytes of UTF-8, whatever it holds: strings
 * are cut, lists are shortened, and how many entries a list lost stands in `omitted`, by its path.
 */
export function formatTerminationMessage (record: TerminationRecord): string {
  for (const [text, list] of ladder) {
    const line = new Shortening(text, list).format(record)
    if (Buffer.byteLength(line) <= maxMessageBytes) return line
  }
  return new Shortening(16, 0).format(Object.fromEntries(essence.map((name) => [name, record[name]])))
}

/** One attempt at a record. */
class Shortening {
  readonly #longestText: number
  readonly #longestList: number
  readonly #omitted: Record<string, number> = {}

  constructor (longestText: number, longestList: number) {
    this.#longestText = longestText
    this.#longestList = longestList
  }

  format (record: object): string {
    const short = this.#shorten(record, '', 0) as object
    return JSON.stringify(Object.keys(this.#omitted).length > 0 ? { ...short, omitted: this.#omitted } : short)
  }

  #shorten (value: unknown, path: string, depth: number): unknown {
    if (typeof value === 'string') return this.#cut(value)
    if (typeof value === 'bigint') return Number(value)
    if (typeof value !== 'object' || value === null) return value
    if (depth > maxDepth) return undefined
    if (Array.isArray(value)) {
      if (value.length > this.#longestList) {
        this.#omitted[path] = (this.#omitted[path] ?? 0) + value.length - this.#longestList
      }
      return value.slice(0, this.#longestList).map((entry) => this.#shorten(entry, path, depth + 1))
    }
    return Object.fromEntries(Object.entries(value)
      .map(([key, entry]) => [key, this.#shorten(entry, path === '' ? key : `${path}.${key}`, depth + 1)]))
  }

  #cut (text: string): string {
    if (text.length <= this.#longestText) return text
    // Half of a character outside the basic plane is none.
    return `${text.slice(0, this.#longestText - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
  }
}

/**
 * Follows no symbolic link, waits for no reader of a FIFO, and makes no terminal the process's own. Not every platform
 * has the three.
 */
const careful = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0)

/**
 * Overwrites the termination message. The kubelet has made the file; it is never created here, and nothing is written
 * to but a regular file without a second hard link that belongs to this process's user, or to root, who made it for the
 * container. The new text is there before the rest of the old one is cut off, so that nobody finds the file empty.
 *
 * @throws what `node:fs` throws, or an error that says what is there instead of a file
 */
export function writeTerminationMessage (path: string, text: string): void {
  const file = open(path, constants.O_WRONLY)
  try {
    const bytes = Buffer.from(text)
    // What is left of a longer text becomes spaces in the same write.
    const padded = Buffer.alloc(Math.max(bytes.length, Math.min(fstatSync(file).size, maxMessageBytes)), ' ')
    bytes.copy(padded)
    const written = writeSync(file, padded, 0, padded.length, 0)
    if (written < bytes.length) throw new Error(`only ${written} of ${bytes.length} bytes could be written to ${path}`)
    ftruncateSync(file, bytes.length)
  } finally {
    closeSync(file)
  }
}

/** Whether {@link writeTerminationMessage} would work: the error it would throw, or undefined. */
export function probeTerminationMessage (path: string): Error | undefined {
  try {
    closeSync(open(path, constants.O_WRONLY))
    return undefined
  } catch (error) {
    return error as Error
  }
}

/** What the file says now; undefined where that is no record of ours, or cannot be read. */
export function readTerminationMessage (path: string): Partial<TerminationRecord> | undefined {
  try {
    const file = open(path, constants.O_RDONLY)
    try {
      const bytes = Buffer.alloc(maxMessageBytes)
      const record: unknown = JSON.parse(bytes.toString('utf8', 0, readSync(file, bytes)))
      return typeof record === 'object' && record !== null ? record : undefined
    } finally {
      closeSync(file)
    }
  } catch {
    return undefined
  }
}

/** @throws what `node:fs` throws, or an error that says what is there instead of a file of ours */
function open (path: string, mode: number): number {
  // Looked at before it is opened: to open a device can be an act in itself. What counts is what was opened.
  refuse(path, lstatSync(path))
  const file = openSync(path, mode | careful)
  try {
    refuse(path, fstatSync(file))
    return file
  } catch (error) {
    closeSync(file)
    throw error
  }
}

function refuse (path: string, stats: Stats): void {
  if (stats.isSymbolicLink()) throw new Error(`${path} is a symbolic link, and not followed`)
  if (!stats.isFile()) throw new Error(`${path} is no regular file`)
  if (stats.nlink > 1) throw new Error(`${path} has ${stats.nlink} hard links: it may be somebody else's file`)
  if (!isOurs(stats.uid)) throw new Error(`${path} belongs to user ${stats.uid}, neither to this process's nor to root`)
}

/** Whether a file's owner is this process's user, or root. Windows has no such users. */
function isOurs (owner: number): boolean {
  const user = process.geteuid?.()
  return user === undefined || owner === user || owner === 0 || isUnmapped(owner)
}

/** Whether this is a user namespace, in which a file from outside shows an owner who stands for all others. */
function isUnmapped (owner: number): boolean {
  try {
    const [, , count] = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/)
    return Number(count) < 2 ** 32 - 1 && owner === Number(readFileSync('/proc/sys/kernel/overflowuid', 'utf8'))
  } catch {
    return false
  }
}
