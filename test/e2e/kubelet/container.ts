import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { endWithUs, readLine } from '../../../lib/drill/processes.ts'
import type { LogLine } from '../../../lib/drill/processes.ts'
import { prefer } from '../replicas.ts'

/** Longest termination message, in bytes. */
const longestMessage = 4096

/** What is started. */
export interface ContainerSpec {
  command: string[]
  folder: string
  env: Record<string, string>
}

/** How a process ended. */
export interface Exit { code: number | null, signal: NodeJS.Signals | null, at: number }

/** A running process of a pod. */
export interface RunningContainer {
  pid: number
  /** Log lines that carry an event or are warnings and worse, and whatever is no JSON; oldest first. */
  log: LogLine[]
  /** Resolves when it has ended and all it wrote has been read; never rejects. */
  exited: Promise<Exit>
  kill: (signal: NodeJS.Signals) => void
}

/** Most lines of a log that are kept. */
const mostLines = 1000

function keep (log: LogLine[], text: string): void {
  // One line for each request: most are not worth parsing.
  if (text.startsWith('{') && !text.includes('"event"') && /^\{"level":[123]0,/.test(text)) return
  if (log.length < mostLines) log.push(readLine(text))
}

/** Starts a process as a container runtime does: nothing of our environment but PATH comes along. */
export function startContainer ({ command, folder, env }: ContainerSpec): RunningContainer {
  const [program = '', ...parameters] = command
  // The test runner puts its loaders into each child's NODE_OPTIONS; `env` takes them out and becomes the program.
  const child = spawn('env', [
    '-u', 'NODE_OPTIONS', '-u', 'NODE_V8_COVERAGE', program === 'node' ? process.execPath : program, ...parameters
  ], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...env }
  })
  endWithUs(child)
  prefer(child.pid, 0)
  const log: LogLine[] = []
  createInterface({ input: child.stdout }).on('line', (line) => keep(log, line))
  createInterface({ input: child.stderr }).on('line', (line) => keep(log, line))
  // 'close', not 'exit': the last log lines must have been read.
  const exited = once(child, 'close').then(([code, signal]) => ({ code, signal, at: Date.now() }))
  return { pid: child.pid!, log, exited, kill: (signal) => child.kill(signal) }
}

/** The last 4096 bytes of a termination message, as the kubelet reads them. */
export function readTail (file: string): string {
  const descriptor = openSync(file, 'r')
  try {
    const { size } = fstatSync(descriptor)
    const tail = Buffer.alloc(Math.min(size, longestMessage))
    const read = readSync(descriptor, tail, 0, tail.length, size - tail.length)
    return tail.toString('utf8', 0, read)
  } finally {
    closeSync(descriptor)
  }
}
