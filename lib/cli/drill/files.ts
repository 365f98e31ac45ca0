import { readFileSync, statSync } from 'node:fs'

/** Bytes of the largest file that is read: its content is held in memory. */
const mostBytes = 256 * 1024 * 1024

/** Reads a whole file. @throws Error where it cannot be read, is none, or is too large */
export function readBounded (path: string): Buffer {
  const stats = statSync(path)
  if (!stats.isFile()) throw new Error(`${path} is no file`)
  if (stats.size > mostBytes) throw new Error(`it has ${stats.size} bytes, at most ${mostBytes} are read`)
  return readFileSync(path)
}
