import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { cleanEnv } from '../../support/clean-env.ts'
import { readLines } from '../../support/lines.ts'

/** A datagram that came: its lines, who has sent it, and when on the clock `CLOCK_MONOTONIC`, in microseconds. */
export interface Received { lines: string[], pid: number, at: number }

interface Told extends Partial<Received> {
  ports?: number[]
  started?: number
  ended?: number
  code?: number | null
  signal?: number | null
}

/** How a process is started. In variables `$PID` is its number. */
export interface Start {
  command: string[]
  env?: Record<string, string>
  /** Passes a connected socket named `notify`, which waits or does not; without, systemd-notify is all there is. */
  notify?: 'waits' | 'at once'
}

const program = fileURLToPath(new URL('fixtures/manager.py', import.meta.url))
export const service: string = fileURLToPath(new URL('fixtures/service.js', import.meta.url))

/** A small service manager: a socket that is read, and processes that are started as systemd does. */
export class Manager {
  readonly #told: Told[] = []
  readonly #waiting = new Set<() => void>()
  readonly #child
  #output = ''

  constructor (t: Pick<Test, 'teardown'>, { abstract = false }: { abstract?: boolean } = {}) {
    const folder = mkdtempSync(join(tmpdir(), 'systemd-'))
    const socket = abstract ? `@fastify-graceful-${process.pid}-${Math.random()}` : join(folder, 'notify')
    const child = this.#child = spawn('env', [...cleanEnv, ...['KUBERNETES_SERVICE_HOST', 'NODE_ENV', 'PRESTOP_SECONDS']
      .flatMap((name) => ['-u', name]), 'python3', program, JSON.stringify({ socket })], { stdio: 'pipe' })
    readLines(child.stdout, (text) => {
      for (const line of text.trim().split('\n')) this.#told.push(JSON.parse(line) as Told)
      this.#look()
    })
    readLines(child.stderr, (text) => {
      this.#output += text
      this.#look()
    })
    child.once('close', () => this.#look())
    t.teardown(() => {
      child.stdin.end()
      rmSync(folder, { recursive: true, force: true })
    })
  }

  /** What the processes have written. */
  get output (): string { return this.#output }

  /** All datagrams so far. */
  get received (): Received[] { return this.#told.filter((told): told is Received => told.lines !== undefined) }

  /** All that they say, but that the event loop turns, and that systemd-notify waits until it was read. */
  get lines (): string[] { return this.received.flatMap(({ lines }) => lines).filter((line) => line !== 'WATCHDOG=1' && line !== 'BARRIER=1') }

  /** When the manager was told that the event loop turns, in milliseconds. */
  get beats (): number[] {
    return this.received.filter(({ lines }) => lines.includes('WATCHDOG=1')).map(({ at }) => at / 1000)
  }

  /** Opens listeners that outlive whoever is started; answers their ports. */
  listen (count = 1): Promise<number[]> {
    this.#order({ listen: count })
    return this.until('ports', () => this.#told.find(({ ports }) => ports !== undefined)?.ports)
  }

  /** Starts a process; answers its number. */
  start ({ command, env = {}, notify }: Start): Promise<number> {
    const before = this.#told.length
    this.#order({ start: command, env, notify })
    return this.until('a process', () => this.#told.slice(before).find(({ started }) => started !== undefined)?.started)
  }

  /** Sends a signal to the process that was started last. */
  kill (signal: number): void {
    this.#order({ kill: signal })
  }

  /** The end of a process. */
  ended (pid: number): Promise<Told> {
    return this.until(`the end of ${pid}`, () => this.#told.find(({ ended }) => ended === pid))
  }

  /** Waits for a line that matches, of all that were told or written. */
  line (pattern: RegExp): Promise<RegExpExecArray> {
    return this.until(String(pattern), () => pattern.exec(`${this.lines.join('\n')}\n${this.#output}`) ?? undefined)
  }

  /** Waits until there is an answer, half a minute at most: so long that only a fault is that late. */
  until<T> (what: string, find: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(look)
      }
      const fail = (why: string): void => {
        stop()
        reject(new Error(`${why} before ${what}: ${this.lines.join(' | ')}\n${this.#output}`))
      }
      const look = (): void => {
        const found = find()
        if (found === undefined) {
          if (this.#child.exitCode !== null) fail('the manager has ended')
          return
        }
        stop()
        resolve(found)
      }
      const timer = setTimeout(() => fail('30 s'), 30_000)
      this.#waiting.add(look)
      look()
    })
  }

  #look (): void {
    for (const look of this.#waiting) look()
  }

  #order (order: object): void {
    this.#child.stdin.write(`${JSON.stringify(order)}\n`)
  }
}

/** The command of the fixture. */
export const serviceCommand = (given: object = {}): string[] => [process.execPath, service, JSON.stringify(given)]

/** Its address, once it listens. */
export async function addressOf (manager: Manager, pid?: number): Promise<string> {
  const [, port] = await manager.line(new RegExp(`^listening (\\d+) as ${pid ?? '\\d+'}$`, 'm'))
  return `http://127.0.0.1:${port}`
}

/** When the fixture has hung, in milliseconds. */
export async function hung (manager: Manager): Promise<{ from: number, until: number }> {
  const [, until] = await manager.line(/^until (\d+)$/m)
  const [, from] = await manager.line(/^hangs from (\d+)$/m)
  return { from: Number(from), until: Number(until) }
}

/** Asks for a page on a connection of its own. */
export async function ask (url: string): Promise<string> {
  const response = await fetch(url, { headers: { connection: 'close' } })
  return response.text()
}
