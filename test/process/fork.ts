import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { readLines } from '../support/lines.ts'

/** How a child is started. */
export interface ForkOptions {
  /** Given to the fixture as JSON, in its first argument. */
  given?: unknown
  /** Node's own arguments. */
  node?: string[]
  /** A program that runs it, with its own arguments. */
  under?: readonly string[]
  env?: NodeJS.ProcessEnv
  /** Whether it has an IPC channel. */
  ipc?: boolean
  /** Runs it under `script`, with a terminal as standard input and output. */
  terminal?: boolean
  /** Milliseconds after which it is killed. */
  timeout?: number
}

/** The end of a child. */
export type Result = [code: number | null, signal: NodeJS.Signals | null, output: string]

/** A running fixture. */
export interface Fork {
  readonly child: ChildProcess
  /** What it has written so far to standard output and standard error, in whole lines. */
  output (): string
  /** Waits for a line that matches, and answers the match. */
  waitForLine (pattern: RegExp): Promise<RegExpExecArray>
  kill (signal: NodeJS.Signals): void
  /** Settles when the child has ended and all it wrote has been read. */
  readonly result: Promise<Result>
}

const fixtures = new URL('fixtures/', import.meta.url)

/** The early module, as `--import` wants it. */
export const early = ['--import', new URL('../../dist/process/early.js', import.meta.url).href]

/**
 * Takes variables away from a child. The test runner puts its loaders, and signal listeners with them, into the
 * NODE_OPTIONS of whatever is spawned, after we have let go of it; `env` then becomes the program, with the same
 * process id.
 */
const clean = [
  'env',
  ...['NODE_OPTIONS', 'NODE_V8_COVERAGE', 'KUBERNETES_SERVICE_HOST', 'PRESTOP_SECONDS'].flatMap((name) => ['-u', name])
]

/** Starts a program of `fixtures/`. */
export function fork (
  fixture: string,
  { given = {}, node = [], under = [], env = {}, ipc = false, terminal = false, timeout = 40_000 }: ForkOptions = {}
): Fork {
  const command = [
    ...clean, ...under, process.execPath, ...node, fileURLToPath(new URL(fixture, fixtures)), JSON.stringify(given)
  ]
  const [program = '', ...parameters] = terminal
    ? ['script', '-qec', `exec ${command.map((part) => `'${part.replaceAll("'", "'\\''")}'`).join(' ')}`, '/dev/null']
    : command
  const child = spawn(program, parameters, {
    env: { ...process.env, TERMINATION_GRACE_PERIOD_SECONDS: '', ...env },
    stdio: [terminal ? 'pipe' : 'ignore', 'pipe', 'pipe', ...ipc ? ['ipc' as const] : []]
  })
  let output = ''
  const waiting = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue
    readLines(stream, (text) => {
      output += text
      for (const look of waiting) look()
    })
  }
  const killer = setTimeout(() => {
    output += `\nkilled after ${timeout} ms\n`
    child.kill('SIGKILL')
  }, timeout)
  const result = new Promise<Result>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(killer)
      resolve([code, signal, output])
    })
  })
  const waitForLine = (pattern: RegExp): Promise<RegExpExecArray> => new Promise((resolve, reject) => {
    const look = (): void => {
      const match = pattern.exec(output)
      if (match === null) return
      waiting.delete(look)
      resolve(match)
    }
    waiting.add(look)
    look()
    child.once('close', (code, signal) => {
      if (waiting.delete(look)) reject(new Error(`no ${pattern} before the end (${code} ${signal}): ${output}`))
    })
  })
  return { child, output: () => output, waitForLine, kill: (signal) => { child.kill(signal) }, result }
}

/** Waits until it listens, and answers its address. */
export async function listening (fork: Fork): Promise<string> {
  const [, port] = await fork.waitForLine(/^listening (\d+)\r?$/m)
  return `http://127.0.0.1:${port}`
}
