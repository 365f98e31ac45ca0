import {
  closeSync, constants, existsSync, ftruncateSync, openSync, readFileSync, unlinkSync, writeSync
} from 'node:fs'
import type { DrillRecord, RunRecord } from '../../../drill/index.ts'
import { messageOf } from '../../../errors.ts'
import { unfit, wrong } from '../option.ts'
import type { DrillOption, Given } from '../option.ts'
import type { Compared } from './result.ts'

/** What is written besides the table. */
const formats = ['json', 'junit', 'html'] as const

/** One of the forms in which a result is written. */
export type Format = typeof formats[number]

/** What becomes of the result. */
export const outputOptions: readonly DrillOption[] = [
  { flag: 'json', value: '<file>', text: 'the result as JSON, with the advice; - is standard output' },
  { flag: 'junit', value: '<file>', text: 'as JUnit XML, with a test case for each replica and each run' },
  { flag: 'html', value: '<file>', text: 'as one page: time line, losses, latency, advice' },
  { flag: 'compare', value: '<file>', text: 'shows the result beside that of another drill, which --json has written' },
  { flag: 'try-advice', text: 'rehearses again with what is advised, as far as variables can say it' }
]

/** Where the result goes. */
export interface OutputPlan {
  /** The paths; `-` is standard output. */
  paths: Partial<Record<Format, string>>
  /** What it is shown beside. */
  compared?: Compared
  tryAdvice: boolean
}

/** Reads from what was typed where the result goes. @throws UsageError */
export function readOutput (given: Given): OutputPlan {
  const paths: Partial<Record<Format, string>> = {}
  for (const format of formats) {
    const path = given.text(format)
    if (path === undefined) continue
    if (path === '') throw wrong(`option '--${format}' must be the path of a file, or - for standard output, got ''`)
    const other = formats.find((one) => paths[one] === path)
    if (other !== undefined) {
      throw wrong(`options '--${other}' and '--${format}' must be different files, got '${path}'`)
    }
    paths[format] = path
  }
  const other = given.text('compare')
  return {
    paths,
    ...other === undefined ? {} : { compared: { name: other, record: readRecord(other) } },
    tryAdvice: given.has('try-advice')
  }
}

/** Reads what another drill has written. @throws UsageError */
function readRecord (path: string): DrillRecord {
  const expected = 'a file that --json of a drill has written'
  let value: unknown
  try {
    value = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw unfit('compare', `${expected} (${messageOf(error)})`, path)
  }
  if (!isRecord(value)) throw unfit('compare', expected, path)
  return value
}

/** Whether it has what the table shows of a record. */
function isRecord (value: unknown): value is DrillRecord {
  const { version, service, front, fault = '', replicas, grace, rate, runs } = Object(value) as Partial<DrillRecord>
  return version === 1 && [service, front, fault].every((text) => typeof text === 'string')
    && [replicas, grace, rate].every(Number.isFinite) && Array.isArray(runs) && runs.length > 0 && runs.every(isRun)
}

function isRun (value: unknown): boolean {
  const { requests, lost, byKind, latency } = Object(value) as Partial<RunRecord>
  return byKind !== undefined
    && [requests, lost, latency?.p99, latency?.max, ...Object.values(byKind)].every(Number.isFinite)
}

interface File { path: string, descriptor: number, isNew: boolean }

/** Where a result goes. Files are opened before the drill, and written after it. */
export class Outputs {
  /** Where lines for people go: standard error where standard output has something else. */
  readonly text: NodeJS.WriteStream
  /** What the result is shown beside. */
  readonly compared: Compared | undefined
  readonly #files = new Map<Format, File>()
  readonly #piped: Format | undefined

  /** @throws UsageError where a file cannot be written */
  constructor ({ paths, compared }: OutputPlan) {
    this.compared = compared
    this.#piped = formats.find((format) => paths[format] === '-')
    this.text = this.#piped === undefined ? process.stdout : process.stderr
    try {
      for (const format of formats) this.#open(format, paths[format])
    } catch (error) {
      this.close()
      throw error
    }
    // Whatever ends the drill, no empty file is left that was not there.
    process.once('exit', () => this.close())
  }

  /** Whether anybody wants it. */
  wants (format: Format): boolean {
    return this.#piped === format || this.#files.has(format)
  }

  /** Writes one form of the result, in place of what the file held. */
  write (format: Format, text: string): void {
    if (this.#piped === format) process.stdout.write(text)
    const file = this.#files.get(format)
    if (file === undefined) return
    this.#files.delete(format)
    const bytes = Buffer.from(text)
    try {
      // A pipe or a device has no end that could be moved.
      if (!file.isNew) truncate(file.descriptor)
      for (let at = 0; at < bytes.length;) at += writeSync(file.descriptor, bytes, at)
    } finally {
      closeSync(file.descriptor)
    }
  }

  /** Gives up what was not written. */
  close (): void {
    for (const { path, descriptor, isNew } of this.#files.values()) {
      closeSync(descriptor)
      if (isNew) unlinkSync(path)
    }
    this.#files.clear()
  }

  #open (format: Format, path: string | undefined): void {
    if (path === undefined || path === '-') return
    const isNew = !existsSync(path)
    try {
      this.#files.set(format, { path, descriptor: openSync(path, isNew ? 'wx' : constants.O_WRONLY), isNew })
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code ?? String(error)
      throw wrong(`option '--${format}' must be a file that can be written, got '${path}' (${why})`)
    }
  }
}

function truncate (descriptor: number): void {
  try {
    ftruncateSync(descriptor, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
  }
}
