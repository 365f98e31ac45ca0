import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fork, listening } from '../process/fork.ts'
import type { Fork, ForkOptions } from '../process/fork.ts'

/** One JSON line of a fixture's output. */
export interface Line {
  event?: string
  level: number
  msg: string
  [name: string]: unknown
}

const folder = mkdtempSync(join(tmpdir(), 'fastify-graceful-watchdog-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
/** Nobody ever writes to it. */
const fifo = join(folder, 'fifo')
execFileSync('mkfifo', [fifo])

const source = readFileSync(new URL('fixtures/hang.js', import.meta.url), 'utf8').split('\n')

/** The line of the fixture that hangs in this way, counted from 1. */
export function markedLine (way: string): number {
  return source.findIndex((text) => text.endsWith(`// marked: ${way}`)) + 1
}

/** Starts the fixture that hangs. */
export function hanging (given: object, options: ForkOptions = {}): Fork {
  return fork('../../watchdog/fixtures/hang.js', { ...options, given: { fifo, ...given } })
}

/** Waits until a fixture listens, and answers the addresses of the application and of the watchdog. */
export async function watched (app: Fork): Promise<{ url: string, watchdog: string }> {
  const url = await listening(app)
  const [, port] = await app.waitForLine(/^watchdog watching (\d+|undefined)$/m)
  return { url, watchdog: `http://127.0.0.1:${port}` }
}

/** Waits for a JSON line with this event. */
export async function eventOf (app: Fork, event: string): Promise<Line> {
  await app.waitForLine(new RegExp(`^\\{.*"event":"${event.replace('.', '\\.')}".*\\}$`, 'm'))
  return eventsOf(app.output(), event)[0]!
}

/** The JSON lines of an output with this event. */
export function eventsOf (output: string, event: string): Line[] {
  return output.split('\n').flatMap((text) => {
    if (!text.startsWith('{')) return []
    const line = JSON.parse(text) as Line
    return line.event === event ? [line] : []
  })
}
