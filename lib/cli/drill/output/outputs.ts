import { closeSync, constants, existsSync, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { wrong } from '../option.ts'
import { formats } from '../output-options.ts'
import type { Format, OutputPlan } from '../output-options.ts'

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
