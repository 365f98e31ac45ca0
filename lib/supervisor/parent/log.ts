import { hostname } from 'node:os'
import type { Sink } from './output.ts'

/** What the supervisor logs to. */
export interface SupervisorLog {
  info (details: object, message: string): void
  warn (details: object, message: string): void
  error (details: object, message: string): void
}

/** Lines in the form of pino's, which is that of the services: one stream, one parser. */
export function jsonLog (sink: Pick<Sink, 'write'>): SupervisorLog {
  const host = hostname()
  const line = (level: number) => (details: object, message: string): void => {
    const origin = { pid: process.pid, hostname: host, name: 'fastify-graceful' }
    sink.write(`${JSON.stringify({ level, time: Date.now(), ...origin, ...details, msg: message })}\n`)
  }
  return { info: line(30), warn: line(40), error: line(50) }
}
