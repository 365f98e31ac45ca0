import { inspect } from 'node:util'
import type { FastifyBaseLogger } from 'fastify'
import type { Run } from './util/context.ts'
import { writeError } from './watchdog/output.ts'

type Write = (fields: object, message: string) => void

/** As much of a logger as the plugin uses. */
export type Log = Readonly<Record<'debug' | 'info' | 'warn' | 'error' | 'fatal', Write>>

/** What every line of the plugin begins with. */
const prefix = 'fastify-graceful: '

/**
 * The application's logger, with a prefix that tells the plugin's lines from the application's. It
 * is called in the context of `run`: a logger may add what it finds there to each line.
 *
 * Where the application has no logger, warnings and errors go to standard error, one line each. A level
 * that was chosen is kept to, but for a crash: without the plugin, Node would say what ends the process.
 */
export function prefixed (log: FastifyBaseLogger, run: Run = (work) => work()): Log {
  // The level may change at any time, and a logger's methods with it.
  const write = (level: keyof Log): Write => (fields, message) => run(() => log[level](fields, prefix + message))
  const orStandardError = (level: keyof Log): Write => {
    const toLogger = write(level)
    return (fields, message) => {
      toLogger(fields, message)
      if (isAbsent(log)) void writeError(`${oneLine(prefix + message)}\n`)
    }
  }
  const fatal: Write = (fields, message) => {
    write('fatal')(fields, message)
    if (isOff(log)) void writeError(`${prefix}${message}\n${inspect((fields as { err?: unknown }).err)}\n`)
  }
  return {
    debug: write('debug'),
    info: write('info'),
    warn: orStandardError('warn'),
    error: orStandardError('error'),
    fatal
  }
}

/** A logger that is switched off has one function for all levels. */
function isOff (log: FastifyBaseLogger): boolean {
  return log.fatal === log.trace
}

/** `logger: false`, Fastify's default. A logger that was made silent has a level, which somebody has chosen. */
function isAbsent (log: FastifyBaseLogger): boolean {
  return isOff(log) && log.level === undefined
}

function oneLine (text: string): string {
  return text.replaceAll(/\s*[\r\n]+\s*/g, ' ')
}
