import { shorten } from '../util/shown.ts'

/** The exit code of wrong usage: `EX_USAGE` of BSD's `sysexits.h`, which hardly any service uses for itself. */
const usageExitCode = 64

/** What it exits with after a mistake of its own: `EX_SOFTWARE`. */
const mistakeExitCode = 70

/** A command that was written wrongly: its message, cut to a bound, and the way to the help are all that is shown. */
export class UsageError extends Error {
  override name = 'UsageError'

  constructor (message: string) {
    super(shorten(message, 600))
  }
}

/** What was typed, in a message: what is stuck to the option of a token may be one. */
export function typed (text: string): string {
  return text.replaceAll(/(--?(?:status-)?token)[^=\s'"]+/g, '$1...')
}

/**
 * Says why a command has failed, and sets the exit code.
 *
 * @param isUsage whether it was written wrongly: then the way to the help follows
 * @param command the one that was meant, where there is one of that name
 */
export function complain (text: string, isUsage: boolean, command = ''): void {
  const way = command === '' ? '' : `${command} `
  process.stderr.write(isUsage ? `${text}\nSee fastify-graceful ${way}--help\n` : `${text}\n`)
  process.exitCode = isUsage ? usageExitCode : mistakeExitCode
}
