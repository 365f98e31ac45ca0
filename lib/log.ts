import type { FastifyBaseLogger } from 'fastify'

type Write = (fields: object, message: string) => void

/** As much of a logger as the plugin uses. */
export type Log = Readonly<Record<'debug' | 'info' | 'warn' | 'error' | 'fatal', Write>>

/** What every line of the plugin begins with. */
const prefix = 'fastify-graceful: '

/** The application's logger, with a prefix that tells the plugin's lines from the application's. */
export function prefixed (log: FastifyBaseLogger): Log {
  // The level may change at any time, and a logger's methods with it.
  const write = (level: keyof Log): Write => (fields, message) => log[level](fields, prefix + message)
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), fatal: write('fatal') }
}
