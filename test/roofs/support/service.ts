import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Report } from '../../../lib/lifecycle/report.ts'
import { claimPort, endWithUs, probe } from '../../../lib/drill/processes.ts'
import { prefer } from '../../e2e/replicas.ts'
import { cleanEnv } from '../../support/clean-env.ts'
import { readLines } from '../../support/lines.ts'

/** How a service is started. */
export interface Command {
  folder: string
  /** The program and its arguments; `node` is the Node that runs the test. */
  command: string[]
  env?: Record<string, string>
  /** Answers 200 where it is ready. @default '/readyz' */
  ready?: string
}

/** A line of JSON in the log. */
export interface LogLine {
  level?: number
  msg?: string
  time?: number
  event?: string
  report?: Report
  [field: string]: unknown
}

/** A service that runs. */
export interface Service {
  port: number
  pid: number
  /** Everything that it has written, line by line, with the milliseconds since the epoch at which it came. */
  lines: Array<{ text: string, at: number }>
  exited: Promise<{ code: number | null, signal: NodeJS.Signals | null, at: number }>
  kill (signal: NodeJS.Signals): void
  /** Waits for a line, also for one that has come. @throws Error with all lines, where it ends before or in 30 s */
  waitFor (pattern: RegExp): Promise<RegExpExecArray>
}

/** Starts a program as its user would: without the loaders of a test run. It ends with the test. */
function launch ({ folder, command, env = {} }: Command, port = 0): Service {
  const [program = '', ...args] = command
  const child = spawn('env', [...cleanEnv, program === 'node' ? process.execPath : program, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_ENV: 'production', PORT: String(port), ...env }
  })
  endWithUs(child)
  prefer(child.pid, 0)
  const lines: Service['lines'] = []
  const keep = (text: string): void => {
    for (const line of text.split('\n')) if (line !== '') lines.push({ text: line, at: Date.now() })
  }
  readLines(child.stdout, keep)
  readLines(child.stderr, keep)
  const exited = once(child, 'close').then(
    ([code, signal]) => ({ code: code as number | null, signal: signal as NodeJS.Signals | null, at: Date.now() })
  )
  let isOver = false
  void exited.then(() => { isOver = true })
  return {
    port,
    pid: child.pid!,
    lines,
    exited,
    kill: (signal) => child.kill(signal),
    async waitFor (pattern) {
      for (let seen = 0, end = Date.now() + 30_000; ;) {
        for (; seen < lines.length; seen++) {
          const found = pattern.exec(lines[seen]!.text)
          if (found !== null) return found
        }
        if (isOver || Date.now() > end) {
          throw new Error(`no ${pattern} in:\n${lines.map(({ text }) => text).join('\n')}`)
        }
        await sleep(20)
      }
    }
  }
}

/** Starts a service, and waits until it is ready. @throws Error with all that it wrote */
export async function start (command: Command): Promise<Service> {
  const service = launch(command, await claimPort())
  let ended = false
  void service.exited.then(() => { ended = true })
  for (const end = Date.now() + 120_000; ;) {
    if (await probe(service, command.ready ?? '/readyz') === 200) return service
    // A process that starts on a busy machine takes its time.
    if (ended || Date.now() > end) {
      service.kill('SIGKILL')
      throw new Error(
        `${command.command.join(' ')} did not become ready:\n${service.lines.map(({ text }) => text).join('\n')}`
      )
    }
    await sleep(50)
  }
}

/** The lines that are JSON. */
export function logOf ({ lines }: Pick<Service, 'lines'>): LogLine[] {
  return lines.flatMap(({ text }) => {
    try {
      return text.startsWith('{') ? [JSON.parse(text) as LogLine] : []
    } catch {
      return []
    }
  })
}
