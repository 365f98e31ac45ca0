/** A command that was written wrongly: its message and the way to the help are all that is shown. */
export class UsageError extends Error {
  override name = 'UsageError'
  /** What the command exits with. */
  readonly exitCode: number

  /** @param exitCode by default 2, for systemd's `RestartPreventExitStatus`; other commands may have another meaning for it */
  constructor (message: string, exitCode: number = 2) {
    super(message)
    this.exitCode = exitCode
  }
}
