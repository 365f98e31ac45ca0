import { inspect } from './util/node-util.ts'
import type { FastifyBaseLogger } from 'fastify'
import type { Run } from './util/context.ts'
import { messageOf } from './errors.ts'
import { show } from './util/shown.ts'
import { writeError } from './process/stderr.ts'
import { clip } from './util/text.ts'

type Write = (fields: object, message: string) => void

/** As much of a logger as the plugin uses. */
export type Log = Readonly<Record<'debug' | 'info' | 'warn' | 'error' | 'fatal', Write>>

/** What every line of the plugin begins with. */
const prefix = 'fastify-graceful: '

/** Characters of an error's message that a log is given, causes of an error that are looked at, and of a stack. */
const longestMessage = 10_000
const mostCauses = 20
const longestStack = 1_000_000

/**
 * The application's logger, with a prefix that tells the plugin's lines from the application's. It
 * is called in the context of `run`: a logger may add what it finds there to each line.
 *
 * Where the application has no logger, warnings and errors go to standard error, one line each. A level
 * that was chosen is kept to, but for a crash: without the plugin, Node would say what ends the process.
 */
export function prefixed (log: FastifyBaseLogger, run: Run = (work) => work()): Log {
  // The level may change at any time, and a logger's methods with it.
  const write = (level: keyof Log): Write => (fields, message) => {
    const bounded = 'err' in fields ? { ...fields, err: boundedError(fields.err) } : fields
    run(() => log[level](bounded, prefix + message))
  }
  const orStandardError = (level: keyof Log): Write => {
    const toLogger = write(level)
    return (fields, message) => {
      toLogger(fields, message)
      if (isAbsent(log)) void writeError(`${oneLine(prefix + message)}\n`)
    }
  }
  const fatal: Write = (fields, message) => {
    write('fatal')(fields, message)
    const { err } = fields as { err?: unknown }
    if (isOff(log)) void writeError(`${prefix}${message}\n${inspect(boundedError(err))}\n`)
  }
  return {
    debug: write('debug'),
    info: write('info'),
    warn: orStandardError('warn'),
    error: orStandardError('error'),
    fatal
  }
}

/**
 * An error as a log is given it: as it is, unless a message in it is so long that it would be most of the log. Loggers
 * write it twice, and once more within the stack. Of what is thrown and is no error they would write all there is.
 */
function boundedError (error: unknown): unknown {
  try {
    if (typeof error === 'string') return clip(error)
    if (!(error instanceof Error)) return error === undefined || error === null ? error : show(error)
    if (!hasLongMessage(error)) return error
    const [name, message] = [clip(error.name), messageOf(error)]
    const shown = new Error(clip(message))
    return Object.assign(shown, { name, stack: `${name}: ${shown.message}${framesOf(error, message)}` })
  } catch {
    // What it says of itself is no text.
    return messageOf(error)
  }
}

/** Where an error was made, out of its stack, which has the message in it. */
function framesOf (error: Error, message: string): string {
  if (message.length > longestStack) return ''
  const { stack } = error
  if (typeof stack !== 'string') return ''
  const start = stack.indexOf(message)
  return start === -1 ? '' : clip(stack.slice(start + message.length))
}

function hasLongMessage (error: Error): boolean {
  let one: unknown = error
  for (let depth = 0; one instanceof Error && depth < mostCauses; depth++, one = one.cause) {
    if (typeof one.message === 'string' && one.message.length > longestMessage) return true
  }
  return one instanceof Error
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
