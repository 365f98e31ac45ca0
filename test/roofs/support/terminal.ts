import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { endWithUs } from '../../../lib/drill/processes.ts'
import { cleanEnv } from '../../support/clean-env.ts'

/** A prompt that shows the exit code of what ran before it. */
const prompt = /\[prompt (\d+)\] /g

/**
 * A shell at a terminal of its own, as a person has it: what it runs is the foreground process group, and Ctrl-C goes
 * to each process of that.
 */
export class Terminal {
  readonly pid: number
  readonly #child
  #output = ''

  constructor (folder: string, env: Record<string, string>) {
    const shell = ['script', '--quiet', '--flush', '--command', 'bash --noprofile --norc --noediting -i', '/dev/null']
    this.#child = spawn('env', [...cleanEnv, '-u', 'NODE_ENV', '-u', 'CI', ...shell], {
      cwd: folder,
      stdio: 'pipe',
      detached: true,
      env: { ...process.env, TERM: 'dumb', HISTFILE: '', ...env }
    })
    endWithUs(this.#child)
    this.pid = this.#child.pid!
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => { this.#output += text })
    }
  }

  /** A shell that is started by another one forgets its prompt. */
  async open (): Promise<void> {
    this.type("PS1='[prompt $?] '\n")
    await this.until(() => this.codes.length > 0)
  }

  get output (): string { return this.#output }

  /** Exit codes that the prompts have shown so far: the first one is that of a shell that has run nothing. */
  get codes (): number[] {
    return [...this.#output.matchAll(prompt)].map(([, code]) => Number(code))
  }

  type (text: string): void {
    this.#child.stdin.write(text)
  }

  /** Ctrl-C. Answers the exit code of what ran. */
  async interrupt (): Promise<number> {
    const { length } = this.codes
    this.type('\u0003')
    await this.until(() => this.codes.length > length)
    return this.codes[length]!
  }

  /** @throws Error with all that was written, where it does not come to be in time */
  async until (holds: () => boolean, time = 20_000): Promise<void> {
    for (const end = Date.now() + time; !holds(); await sleep(5)) {
      if (Date.now() > end) throw new Error(`not within ${time} ms:\n${this.#output}`)
    }
  }

  /** Ends what is left, and the shell. */
  async close (): Promise<void> {
    this.#child.stdin.end('\u0003exit\n')
    const gone = once(this.#child, 'close')
    this.#child.kill('SIGHUP')
    await gone
  }
}
