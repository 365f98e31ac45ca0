import { inspect } from 'node:util'
import type { FastifyBaseLogger } from 'fastify'
import type { Run } from './context.ts'
import { writeError } from './guardian/output.ts'

type Write = (fields: object, message: string) => void

/** As much of a logger as the plugin uses. */
export type Log = Readonly<Record<'debug' | 'info' | 'warn' | 'error' | 'fatal', Write>>

/** What every line of the plugin begins with. */
const prefix = 'fastify-graceful: '

/** The application's logger, with a prefix that tells the plugin's lines from the application's. Where it is off, what is fatal goes to standard error. It is called in the context of `run`: a logger may add what it finds there to each line. */
export function prefixed (log: FastifyBaseLogger, run: Run = (work) => work()): Log {
  // The level may change at any time, and a logger's methods with it.
  const write = (level: keyof Log): Write => (fields, message) => run(() => log[level](fields, prefix + message))
  const fatal: Write = (fields, message) => {
    write('fatal')(fields, message)
    // A logger that is switched off has one function for all levels. Without the plugin, Node would say what ends the process.
    if (log.fatal === log.trace) void writeError(`${prefix}${message}\n${inspect((fields as { err?: unknown }).err)}\n`)
  }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), fatal }
}
