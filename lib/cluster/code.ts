import { constants } from 'node:os'

/** How a child ended. */
export interface ChildEnd { code: number | null, signal: NodeJS.Signals | null }

/** The exit code that a shell would show. */
export function codeOf ({ code, signal }: ChildEnd): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal])
}
