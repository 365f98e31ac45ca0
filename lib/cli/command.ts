/** One subcommand. */
export interface Command {
  /** What `--help` shows. */
  help (): string
  /** Answers `'help'` where that is all that was asked for. */
  act (args: string[]): Promise<'help' | undefined>
}
