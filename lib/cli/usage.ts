/** What a command that was written wrongly exits with: `EX_USAGE` of BSD's `sysexits.h`, which hardly a service uses for itself. */
export const usageExitCode = 64

/** What it exits with after a mistake of its own: `EX_SOFTWARE`. */
export const mistakeExitCode = 70

/** A command that was written wrongly: its message and the way to the help are all that is shown. */
export class UsageError extends Error {
  override name = 'UsageError'
}
