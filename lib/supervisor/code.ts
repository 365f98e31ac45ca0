import { constants } from 'node:os'

/** How a child ended. */
export interface ChildEnd { code: number | null, signal: NodeJS.Signals | null }

/** Whether a signal is one of those by which people and process managers ask for an end. */
export function isRequest (signal: string | null | undefined): boolean {
  return signal === 'SIGTERM' || signal === 'SIGINT' || signal === 'SIGHUP'
}

/** The exit code that a shell would show. */
export function codeOf ({ code, signal }: ChildEnd): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal])
}
