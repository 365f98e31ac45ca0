import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { Report } from '../../lib/lifecycle/report.ts'
import { prefer } from '../e2e/replicas.ts'

/** A line of its log. */
export type Line = Record<string, unknown> & { event?: string, level?: number, msg?: string }

/** A running service. */
export interface Replica {
  pid: number
  /** A port, or the path of a socket. */
  address: number | string
  port: number
  lines: Line[]
  signal (name?: NodeJS.Signals): void
  ended: Promise<{ code: number | null, signal: NodeJS.Signals | null, at: number }>
}

/** How it went. */
export interface Departure { code: number | null, took: number, report: Report, warnings: Line[] }

/** What a test runner and Kubernetes put into the environment of whatever is started. */
const unset = [
  'NODE_OPTIONS',
  'NODE_V8_COVERAGE',
  'NODE_ENV',
  'KUBERNETES_SERVICE_HOST',
  'PRESTOP_SECONDS',
  'TERMINATION_GRACE_PERIOD_SECONDS',
  'NODE_UNIQUE_ID'
]

/** Starts a program of `fixtures/` and waits until it listens. */
export async function start (
  t: Test,
  given: object = {},
  { env = {}, fixture = 'replica.js' }: { env?: NodeJS.ProcessEnv, fixture?: string } = {}
): Promise<Replica> {
  const file = fileURLToPath(new URL(`fixtures/${fixture}`, import.meta.url))
  const command = [
    ...unset.flatMap((name) => ['-u', name]),
    ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
    process.execPath,
    file,
    JSON.stringify(given)
  ]
  const child = spawn('env', command, { stdio: ['pipe', 'pipe', 'pipe'] })
  prefer(child.pid, 0)
  const lines: Line[] = []
  let listening: (line: Line) => void
  const listens = new Promise<Line>((resolve) => { listening = resolve })
  const read = (text: string): void => {
    let line: Line
    try { line = JSON.parse(text) as Line } catch { line = { level: 50, msg: text } }
    if (line.event === undefined && (line.level ?? 0) < 40) return
    lines.push(line)
    if (line.event === 'replica.listening') listening(line)
  }
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', read)
  const ended = new Promise<{ code: number | null, signal: NodeJS.Signals | null, at: number }>((resolve) => {
    let at = 0
    child.once('exit', () => { at = performance.now() })
    child.once('close', (code, signal) => resolve({ code, signal, at }))
  })
  t.teardown(() => {
    child.kill('SIGKILL')
    // Children of a supervisor would live on without it.
    for (const { childPid } of lines) if (typeof childPid === 'number') kill(childPid)
  })
  const line = await Promise.race([listens, ended.then(() => undefined), sleep(30_000, undefined, { ref: false })])
  if (line === undefined) throw new Error(`${fixture} does not listen: ${JSON.stringify(lines)}`)
  const address = line['address'] as number | string
  return {
    pid: child.pid!,
    address,
    port: Number(address),
    lines,
    ended,
    signal: (name = 'SIGTERM') => { child.kill(name) }
  }
}

function kill (pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has gone.
  }
}

/** Ends a service, and tells how it went. */
export async function end (replica: Replica, signal: NodeJS.Signals = 'SIGTERM'): Promise<Departure> {
  const from = performance.now()
  replica.signal(signal)
  const { code, at } = await replica.ended
  const report = replica.lines.find(({ event }) => event === 'graceful.report')?.['report'] as Report | undefined
  if (report === undefined) throw new Error(`no report: ${JSON.stringify(replica.lines)}`)
  return {
    code,
    took: at - from,
    report,
    warnings: replica.lines.filter(({ level = 0, event }) => level >= 40 && event !== 'graceful.report')
  }
}
