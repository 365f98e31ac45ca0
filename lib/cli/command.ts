/** One subcommand. */
export interface Command {
  /** One line. */
  summary: string
  /** What `--help` shows. */
  help (): string
  act (args: string[]): Promise<void>
}
