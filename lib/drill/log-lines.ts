import type { Report } from '../lifecycle/report.ts'

/** One line of a replica's output: an object of a JSON log, or any other text as `{ event: 'output', msg }`. */
export type LogLine = Record<string, unknown> & {
  event?: string
  level?: number
  msg?: string
  /** Milliseconds since 1970. */
  time?: number
  report?: Report
}

/** Of a line that is no JSON. */
const outputEvent = 'output'

/** From this level of pino on, a line is a warning. */
const warning = 40

/** Reads one line. */
export function readLine (text: string): LogLine {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as LogLine
  } catch {
    // Other output.
  }
  return { event: outputEvent, msg: text }
}

/** The phase that the plugin's log says has begun. */
export function phaseOf ({ event, phase }: LogLine): string | undefined {
  return event === 'graceful.phase' && typeof phase === 'string' ? phase : undefined
}

/** Whether a line is worth keeping: the plugin's own, a warning, or no log line at all. */
export function isTelling ({ event, level }: LogLine): boolean {
  if (event === outputEvent || String(event).startsWith('graceful.')) return true
  return typeof level === 'number' && level >= warning
}
