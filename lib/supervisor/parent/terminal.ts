import { closeSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Writable } from 'node:stream'
import { isatty, WriteStream } from 'node:tty'
import { handleOf } from '../../fastify/process-internals.ts'
import { reopen } from '../../process/stderr.ts'

/**
 * Standard output or error, as a stream that never waits inside a write. Those of Node do at a terminal, and one that
 * is stopped (Ctrl-S), or that nobody reads, would hold the supervisor and its signals. Where there is no second
 * description of the terminal (it belongs to another user, it has no name here, or this is not Linux), it is Node's.
 */
export function outputStream (fd: 1 | 2): Writable {
  const standard = fd === 1 ? process.stdout : process.stderr
  const file = isatty(fd) ? reopen(fd) : undefined
  return file === undefined ? standard : impatient(file) ?? standard
}

/** A stream to this terminal. It takes the descriptor over. */
function impatient (file: number): Writable | undefined {
  let terminal: WriteStream
  try {
    terminal = new WriteStream(file)
  } catch {
    closeSync(file)
    return undefined
  }
  const handle = handleOf(terminal)
  // Node opens the terminal once more for itself. One without a name it cannot, and would try each
  // write again until it is taken.
  if (handle?.fd === undefined || handle.fd === file || handle.setBlocking === undefined) {
    terminal.destroy()
    return undefined
  }
  closeSync(file)
  handle.setBlocking(false)
  return terminal
}

/** Gives back what {@link outputStream} has opened. */
export function closeOutput (stream: Writable): void {
  if (stream !== process.stdout && stream !== process.stderr) stream.destroy()
}

/** What the supervisor logs to. */
export interface SupervisorLog {
  info (details: object, message: string): void
  warn (details: object, message: string): void
  error (details: object, message: string): void
}

/** Lines in the form of pino's, which is that of the services: one stream, one parser. */
export function jsonLog (sink: { write (line: string): void }): SupervisorLog {
  const host = hostname()
  const line = (level: number) => (details: object, message: string): void => {
    const origin = { pid: process.pid, hostname: host, name: 'fastify-graceful' }
    sink.write(`${JSON.stringify({ level, time: Date.now(), ...origin, ...details, msg: message })}\n`)
  }
  return { info: line(30), warn: line(40), error: line(50) }
}
