import { write, writeSync } from 'node:fs'
import { messageOf } from '../../errors.ts'
import { afterUnref, sleep } from '../../util/timers.ts'
import { shorten } from '../../util/text.ts'
import type { Way } from './environment.ts'

/** What the service manager is told at once: variables of `sd_notify(3)`. Times are microseconds. */
export interface Message {
  READY?: 1
  RELOADING?: 1
  /** Beside `RELOADING`: now, on the clock `CLOCK_MONOTONIC`. */
  MONOTONIC_USEC?: bigint
  STOPPING?: 1
  STATUS?: string
  EXTEND_TIMEOUT_USEC?: number
  WATCHDOG?: 1
}

/** Characters of a status: with four bytes for each it is well below the 4096 bytes that systemd reads. */
const longestStatus = 400

/**
 * A line for each variable. A text of the application's own has none of its line breaks left: with one, `MAINPID=` and
 * whatever else a line may say could be put into it.
 */
export function linesOf (message: Message): string[] {
  return Object.entries(message).map(([name, value]) =>
    `${name}=${typeof value === 'string' ? oneLine(value) : String(value)}`)
}

const oneLine = (text: string): string => shorten(text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim(), longestStatus)

/** Whether a message says nothing that a later one does not say anew. */
export function isPassing ({ READY, RELOADING, STOPPING }: Message): boolean {
  return READY === undefined && RELOADING === undefined && STOPPING === undefined
}

/** Milliseconds after which `systemd-notify`, which waits 5 s for systemd to have read it, is given up. */
const longestRun = 10_000
/** How often a message is tried whose way is busy, and milliseconds between two tries. */
const mostTries = 20
const pause = 100

/**
 * Sends messages to the service manager, one after the other, and never waits for it. What has not gone out when
 * something newer comes is told together with that.
 */
export class Sender {
  readonly #way: Way
  readonly #failed: (problem: string) => void
  readonly #mayWait: boolean
  readonly #waiting: Message[] = []
  #isSending = false
  #hasFailed = false

  /**
   * @param failed hears of the first message that did not get through, in one sentence
   * @param mayWait whether a write to a socket may hold this thread. Node's pool, which writes elsewhere, may be full:
   * of names that nobody resolves, for example
   */
  constructor (way: Way, failed: (problem: string) => void, mayWait = false) {
    this.#way = way
    this.#failed = failed
    this.#mayWait = mayWait
  }

  send (message: Message): void {
    const last = this.#waiting.at(-1)
    if (last !== undefined && isPassing(last) && isPassing(message)) Object.assign(last, message)
    else this.#waiting.push({ ...message })
    if (!this.#isSending) void this.#sendAll()
  }

  async #sendAll (): Promise<void> {
    this.#isSending = true
    for (let message = this.#waiting.shift(); message !== undefined; message = this.#waiting.shift()) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one after the other is the point
        await this.#deliver(linesOf(message))
      } catch (error) {
        if (!this.#hasFailed) this.#failed(`the service manager could not be told: ${messageOf(error)}`)
        this.#hasFailed = true
      }
    }
    this.#isSending = false
  }

  async #deliver (lines: string[]): Promise<void> {
    const way = this.#way
    if ('command' in way) {
      // A signal to the whole control group may have met it.
      if (await runNotify(way, lines) === 'killed') await runNotify(way, lines)
      return
    }
    const bytes = Buffer.from(lines.join('\n'))
    for (let tries = 1; ; tries++) {
      try {
        if (this.#mayWait) writeSync(way.fd, bytes)
        else await writeLater(way.fd, bytes)
        return
      } catch (error) {
        const { code = '' } = error as NodeJS.ErrnoException
        if (tries === mostTries || !['EAGAIN', 'ENOBUFS', 'EINTR'].includes(code)) throw error
      }
      // oxlint-disable-next-line no-await-in-loop -- it is a wait
      await sleep(pause)
    }
  }
}

/** In a thread of Node's pool, which may wait. */
function writeLater (fd: number, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, (error) => { if (error === null) resolve(); else reject(error) })
  })
}

/** Runs it with nothing in its environment but where to send. It keeps no process, and outlives this one if it must. */
function runNotify (
  { command, socket }: Extract<Way, { command: string }>,
  lines: string[]
): Promise<'sent' | 'killed'> {
  // Not imported: most processes never need it, and the watchdog's thread has little memory.
  const { spawn } = process.getBuiltinModule('node:child_process')
  return new Promise((resolve, reject) => {
    const child = spawn(command, lines, {
      env: { NOTIFY_SOCKET: socket },
      stdio: ['ignore', 'ignore', 'pipe']
    })
    const cancel = afterUnref(longestRun, () => { child.kill('SIGKILL') })
    let words = ''
    child.stderr.setEncoding('latin1').on('data', (text: string) => { words = (words + text).slice(0, 200) })
    child.once('error', (error) => {
      cancel()
      reject(error)
    })
    child.once('close', (code, signal) => {
      cancel()
      if (code === 0) resolve('sent')
      else if (signal !== null && signal !== 'SIGKILL') resolve('killed')
      else reject(new Error(words.trim() || `${command} has ended with ${code ?? signal}`))
    })
    child.unref()
    ;(child.stderr as unknown as { unref (): void }).unref()
  })
}
