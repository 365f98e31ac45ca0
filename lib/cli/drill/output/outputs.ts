import { closeSync, constants, existsSync, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { wrong } from '../option.ts'
import type { DrillOption, Given } from '../option.ts'

/** What is written besides the table. */
const formats = ['json', 'junit', 'html'] as const

/** One of the forms in which a result is written. */
export type Format = typeof formats[number]

/** What becomes of the result. */
export const outputOptions: readonly DrillOption[] = [
  { flag: 'json', value: '<file>', text: 'the result as JSON, with the advice; - is standard output' },
  { flag: 'junit', value: '<file>', text: 'as JUnit XML, with a test case for each replica and each run' },
  { flag: 'html', value: '<file>', text: 'as one page: time line, losses, latency, advice' },
  { flag: 'try-advice', text: 'rehearses again with what is advised, as far as variables can say it' }
]

/** Where the result goes. */
export interface OutputPlan {
  /** The paths; `-` is standard output. */
  paths: Partial<Record<Format, string>>
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
  return { paths, tryAdvice: given.has('try-advice') }
}

interface File { path: string, descriptor: number, isNew: boolean }

/** Where a result goes. Files are opened before the drill, and written after it. */
export class Outputs {
  /** Where lines for people go: standard error where standard output has something else. */
  readonly text: NodeJS.WriteStream
  readonly #files = new Map<Format, File>()
  readonly #piped: Format | undefined

  /** @throws UsageError where a file cannot be written */
  constructor ({ paths }: OutputPlan) {
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
