import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { probe } from '../../../lib/drill/processes.ts'
import { cleanEnv } from '../../support/clean-env.ts'
import { isAlive } from './install.ts'

const execute = promisify(execFile)

/** How a process ended, as pm2 has logged it. */
export interface Exit { id: string, code: number, signal: string }

/** A daemon of pm2's own, with its home in a folder that goes with the test. */
export class Pm2 {
  readonly #folder: string
  readonly #home = mkdtempSync(join(tmpdir(), 'pm2-'))
  readonly #env: NodeJS.ProcessEnv

  /**
   * @param folder where pm2 is installed
   * @param env what ecosystem.config.cjs asks for
   */
  constructor (t: Pick<Test, 'teardown'>, folder: string, env: Record<string, string>) {
    this.#folder = folder
    this.#env = { ...process.env, ...env, PM2_HOME: this.#home }
    t.teardown(async () => this.#end())
    // A run that is broken off must leave no daemon, which would start its applications again.
    process.once('exit', () => this.#killNow())
  }

  /** Runs a command. @returns how many milliseconds it took */
  async run (...args: string[]): Promise<number> {
    const from = Date.now()
    const command = [...cleanEnv, process.execPath, this.#program, '--no-color', ...args]
    await execute('env', command, { cwd: this.#folder, env: this.#env, timeout: 120_000 })
    return Date.now() - from
  }

  /**
   * Starts what ecosystem.config.cjs says, and waits until it is ready.
   *
   * @returns how many milliseconds pm2 took until it had heard that it is
   * @throws Error with all logs
   */
  async start (...ports: number[]): Promise<number> {
    const took = await this.run('start', 'ecosystem.config.cjs')
    for (const end = Date.now() + 60_000; !await areReady(ports);) {
      const texts = [this.log(), ...this.lines().map(({ text }) => text)]
      if (Date.now() > end) throw new Error(`pm2's applications did not become ready:\n${texts.join('\n')}`)
      await sleep(100)
    }
    return took
  }

  /** What the applications have written, to standard output and error. */
  lines (): Array<{ text: string, at: number }> {
    const folder = join(this.#home, 'logs')
    const texts = readdirSync(folder).toSorted().map((file) => readFileSync(join(folder, file), 'utf8'))
    return texts.flatMap((text) => text.split('\n')).filter((text) => text !== '').map((text) => ({ text, at: 0 }))
  }

  /** What pm2 itself has written. */
  log (): string {
    return readFileSync(join(this.#home, 'pm2.log'), 'utf8')
  }

  /** How processes have ended so far, in order. */
  exits (): Exit[] {
    const ends = this.log().matchAll(/App \[([^\]]*)\] exited with code \[(\d+)\] via signal \[(\w+)\]/g)
    return [...ends].map(([, id = '', code, signal = '']) => ({ id, code: Number(code), signal }))
  }

  get #program (): string {
    return join(this.#folder, 'node_modules/pm2/bin/pm2')
  }

  /** The daemon's process; undefined where there is none. */
  get #pid (): number | undefined {
    const file = join(this.#home, 'pm2.pid')
    return existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined
  }

  async #end (): Promise<void> {
    await this.run('kill').catch(() => {})
    this.#killNow()
    rmSync(this.#home, { recursive: true, force: true })
  }

  #killNow (): void {
    const pid = this.#pid
    if (pid === undefined || !isAlive(pid)) return
    for (const child of childrenOf(pid)) kill(child)
    kill(pid)
  }
}

async function areReady (ports: number[]): Promise<boolean> {
  const statuses = await Promise.all(ports.map(async (port) => probe({ port }, '/readyz')))
  return statuses.every((status) => status === 200)
}

function childrenOf (pid: number): number[] {
  try {
    const listed = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' })
    return listed.split('\n').map(Number).filter((child) => child > 0)
  } catch {
    return []
  }
}

function kill (pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}
