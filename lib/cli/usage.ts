import { shorten } from '../util/text.ts'

/** One subcommand. */
export interface Command {
  /** What `--help` shows. */
  help (): string
  /** Answers `'help'` where that is all that was asked for. */
  act (args: string[]): Promise<'help' | undefined>
}

/** The exit code of wrong usage: `EX_USAGE` of BSD's `sysexits.h`, which hardly any service uses for itself. */
const usageExitCode = 64

/** The exit code after a mistake of the command's own: `EX_SOFTWARE`. */
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

/** What a time is, as messages say it. */
export const aTime = 'a time with its unit, such as 30s, 500ms or 2m'

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/**
 * `30s`, `500ms`, `1.5m` in milliseconds; undefined for anything else. A number without a unit would be seconds to one
 * reader and milliseconds to the other.
 */
export function parseTime (text: string): number | undefined {
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
  return amount === undefined ? undefined : Number(amount) * (units[unit] ?? 1)
}

/** A time as it is typed: `30s`, `500ms`, `5m`. @param milliseconds a whole number */
export function typedTime (milliseconds: number): string {
  const [unit, size] = Object.entries(units).findLast(([, one]) => milliseconds % one === 0) ?? ['ms', 1]
  return milliseconds === 0 ? '0s' : `${milliseconds / size}${unit}`
}

/** What an amount of memory is, as messages say it. */
export const anAmount = 'an amount of memory with its unit, such as 512MiB, 1.5GiB or 500MB'

/**
 * `512MiB`, `512Mi`, `1.5GiB`, `500MB` in bytes; undefined for anything else. `512M` is 512 x 1024 x 1024 to Docker and
 * systemd, and 512 million to Kubernetes.
 */
export function parseBytes (text: string): number | undefined {
  const [, amount, prefix = '', binary = ''] = /^(\d+(?:\.\d+)?)([KMG])(iB?|B)$/.exec(text) ?? []
  if (amount === undefined) return undefined
  const power = 'KMG'.indexOf(prefix) + 1
  return Math.round(Number(amount) * (binary === 'B' ? 1000 : 1024) ** power)
}
