import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
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

const folder = mkdtempSync(join(tmpdir(), 'fastify-graceful-guardian-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
/** Nobody ever writes to it. */
export const fifo = join(folder, 'fifo')
execFileSync('mkfifo', [fifo])

const source = readFileSync(new URL('fixtures/hang.js', import.meta.url), 'utf8').split('\n')

/** The line of the fixture that hangs in this way, counted from 1. */
export function markedLine (way: string): number {
  return source.findIndex((text) => text.endsWith(`// marked: ${way}`)) + 1
}

/** Starts the fixture that hangs. */
export function hanging (given: object, options: ForkOptions = {}): Fork {
  return fork('../../guardian/fixtures/hang.js', { ...options, given: { fifo, ...given } })
}

/** Waits until a fixture listens, and answers the addresses of the application and of the guardian. */
export async function watched (app: Fork): Promise<{ url: string, guardian: string }> {
  const url = await listening(app)
  const [, port] = await app.waitForLine(/^guardian watching (\d+|undefined)$/m)
  return { url, guardian: `http://127.0.0.1:${port}` }
}

/** Waits for a JSON line with this event. */
export async function eventOf (app: Fork, event: string): Promise<Line> {
  await app.waitForLine(new RegExp(`^\\{.*"event":"${event.replace('.', '\\.')}".*\\}$`, 'm'))
  return eventsOf(app.output(), event)[0]!
}

/** By how much this very process is late at its worst: on a busy machine the others are late, too. */
export function measureLateness (): { readonly worst: number, stop: () => void } {
  let worst = 0
  let expected = performance.now() + 20
  const ticker = setInterval(() => {
    worst = Math.max(worst, performance.now() - expected)
    expected = performance.now() + 20
  }, 20)
  return { get worst () { return worst }, stop: () => { clearInterval(ticker) } }
}

/**
 * How long the kernel has kept the threads of a process waiting for a processor since this call, all of them together, in
 * milliseconds. Where several processes compute, that is more than this process, which rests, sees of it by its own clock.
 */
export function measureDelay (pid: number): { readonly total: number, stop: () => void } {
  const before = delayOf(pid)
  let total = 0
  const look = (): void => { total = Math.max(total, delayOf(pid) - before) }
  const ticker = setInterval(look, 20)
  return { get total () { return total }, stop: () => { clearInterval(ticker) } }
}

/** The second figure of a thread's `schedstat` is nanoseconds on a run queue. */
function delayOf (pid: number): number {
  const folder = `/proc/${pid}/task`
  try {
    const delays = readdirSync(folder).map((task) => Number(readFileSync(`${folder}/${task}/schedstat`, 'utf8').split(' ')[1]))
    return delays.reduce((sum, delay) => sum + delay, 0) / 1e6
  } catch {
    // A thread, or the whole process, has ended in between, or the kernel does not count.
    return 0
  }
}

/** The JSON lines of an output with this event. */
export function eventsOf (output: string, event: string): Line[] {
  return output.split('\n').flatMap((text) => {
    if (!text.startsWith('{')) return []
    const line = JSON.parse(text) as Line
    return line.event === event ? [line] : []
  })
}
