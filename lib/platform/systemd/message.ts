import { shorten } from '../../util/shown.ts'

/** What the service manager is told at once: variables of `sd_notify(3)`. Times are microseconds. */
export interface Message {
  READY?: 1
  RELOADING?: 1
  /** Beside `RELOADING`: now, on the clock `CLOCK_MONOTONIC`. */
  MONOTONIC_USEC?: bigint
  STOPPING?: 1
  STATUS?: string
  EXTEND_TIMEOUT_USEC?: number
  WATCHDOG?: 1
}

/** Characters of a status: with four bytes for each it is well below the 4096 bytes that systemd reads. */
const longestStatus = 400

/**
 * A line for each variable. A text of the application's own has none of its line breaks left: with one, `MAINPID=` and
 * whatever else a line may say could be put into it.
 */
export function linesOf (message: Message): string[] {
  return Object.entries(message).map(([name, value]) =>
    `${name}=${typeof value === 'string' ? oneLine(value) : String(value)}`)
}

const oneLine = (text: string): string => shorten(text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim(), longestStatus)

/** Whether a message says nothing that a later one does not say anew. */
export function isPassing ({ READY, RELOADING, STOPPING }: Message): boolean {
  return READY === undefined && RELOADING === undefined && STOPPING === undefined
}
