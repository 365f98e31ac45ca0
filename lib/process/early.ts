/**
 * `node --import fastify-graceful/signals app.js`: remembers a signal that comes before the
 * application has registered the plugin. Without it such a signal kills the process, and as PID 1
 * the kernel drops it silently until a handler exists.
 *
 * - The first application that registers gets the signal and shuts down without ever listening.
 * - It acts in the process that was started as the service, and in the workers of its cluster: not in its
 *   threads, nor in helpers that it starts with the same options or variables, nor in npm and its kind.
 * - Where none has registered within five seconds, or when the grace period less a tenth is over
 *   (environment variable `TERMINATION_GRACE_PERIOD_SECONDS`, default 30), or at a second signal
 *   more than a second later, the process exits with 128 + the signal's number.
 * - The listeners stay for the life of the process. Once applications are registered, the module
 *   does nothing but what Node would do for a signal that none of them acts on.
 *
 * It imports built-in modules and the shared state, nothing else, to be there as early as possible.
 */
import cluster from 'node:cluster'
import { writeSync } from 'node:fs'
import { constants } from 'node:os'
import { basename } from 'node:path'
import { performance } from 'node:perf_hooks'
import { clearTimeout, setTimeout } from 'node:timers'
import { isatty } from 'node:tty'
import { isMainThread } from 'node:worker_threads'
import { decimal, readVariable } from '../util/given.ts'
import { isOwn, markOwn, sharedState } from './shared.ts'
import type { EarlySignals, ReceivedSignal } from './shared.ts'

const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
/** Repeats within this time are the same signal, in milliseconds. */
const duplicateWindow = 1000
/** Who has not registered the plugin by then, in milliseconds, is waited for no longer: it may never serve anybody. */
const longestPatience = 5000
const state = sharedState()

function patience (): number {
  const seconds = decimal(readVariable(process.env, 'TERMINATION_GRACE_PERIOD_SECONDS'))
  return Math.min(longestPatience, Math.round((seconds > 0 ? seconds : 30) * 900))
}

function exit (signal: string, why: string): void {
  state.exiting = true
  const code = 128 + (constants.signals[signal as NodeJS.Signals] ?? 0)
  try {
    writeSync(2, `fastify-graceful/signals: ${signal} ${why}, exiting with code ${code}\n`)
  } catch {
    // Standard error may be closed; the exit matters more than the line.
  }
  process.exit(code)
}

class Early implements EarlySignals {
  readonly listeners: Map<string, () => void> = new Map()
  first: ReceivedSignal | undefined
  /** Others that came behind it: what each of them is, the application knows. */
  readonly #later: ReceivedSignal[] = []
  #timer: NodeJS.Timeout | undefined

  install (): void {
    for (const signal of signals) {
      if (constants.signals[signal] === undefined) continue
      const listener = markOwn((): void => this.#receive(signal))
      this.listeners.set(signal, listener)
      process.on(signal, listener)
    }
  }

  take (): ReceivedSignal | undefined {
    const { first } = this
    this.first = this.#later.shift()
    if (this.first === undefined) clearTimeout(this.#timer)
    return first
  }

  #receive (signal: string): void {
    const { registry } = state
    if (registry?.handles(signal) === true || state.exiting) return
    const at = performance.now()
    if (registry !== undefined && registry.size > 0) {
      // Our own listener alone must not turn a deadly signal into nothing.
      if (process.listenerCount(signal) === 1) exit(signal, 'came and no application acts on it')
      return
    }
    if (isPrimary()) {
      exit(signal, 'came to the primary of a cluster, which has not registered an application')
    } else if (this.first !== undefined && at - this.first.at > duplicateWindow) {
      exit(signal, 'came again and no application is registered yet')
    } else {
      const heard = process.listeners(signal as NodeJS.Signals).filter((listener) => !isOwn(listener))
      this.#remember({ signal, at, heard })
    }
  }

  #remember (received: ReceivedSignal): void {
    if (this.first !== undefined) {
      const isNew = [this.first, ...this.#later].every(({ signal }) => signal !== received.signal)
      if (isNew) this.#later.push(received)
      return
    }
    this.first = received
    const time = patience()
    // Unreferenced: a program that ends by itself must end; one that hangs keeps the loop, and so the timer fires.
    const giveUp = (): void =>
      exit((this.first ?? received).signal, `came ${time} ms ago and no application has registered`)
    this.#timer = setTimeout(giveUp, time).unref()
  }
}

/** Names the service's process to all that it starts: they inherit the environment, and `fork` Node's options. */
const serviceVariable = 'FASTIFY_GRACEFUL_SERVICE_PID'

/** Programs that start the service as another process; with `NODE_OPTIONS` they load what is meant for that. */
const launchers = new Set([
  'npm', 'npm-cli', 'npx', 'npx-cli', 'pnpm', 'pnpx', 'yarn', 'yarnpkg', 'corepack', 'nodemon',
  'tsx', 'dotenv', 'dotenvx', 'env-cmd', 'cross-env', 'cross-env-shell', 'concurrently', 'pm2',
  'pm2-runtime'
])
const evaluates = /^(?:-e|-p|-pe|--eval|--print)(?:=|$)/

/** Whether this process was started as the service: not a helper or thread of it, a launcher or a prompt. */
function isServiceProcess (): boolean {
  if (!isMainThread || isLauncher() || isPrompt()) return false
  const service = process.env[serviceVariable]
  // A worker of a cluster serves, whoever its primary is.
  if (service === undefined || service === String(process.pid) || cluster.isWorker) {
    process.env[serviceVariable] = String(process.pid)
    return true
  }
  return false
}

/** Whether it only starts others that serve. */
function isPrimary (): boolean {
  return cluster.isPrimary && Object.keys(cluster.workers ?? {}).length > 0
}

function isLauncher (): boolean {
  const [, script = ''] = process.argv
  return launchers.has(basename(script).replace(/\.[cm]?[jt]s$/, ''))
}

function isPrompt (): boolean {
  return process.argv[1] === undefined && isatty(0) && !process.execArgv.some((option) => evaluates.test(option))
}

// `--import` runs again in every worker thread, and in every process that the service starts with the same options.
if (isServiceProcess() && state.early === undefined) {
  const early = new Early()
  early.install()
  state.early = early
}
