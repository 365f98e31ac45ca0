/** A command that was written wrongly: its message and the way to the help are all that is shown. */
export class UsageError extends Error {
  override name = 'UsageError'
}
