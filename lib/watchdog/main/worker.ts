import type inspector from 'node:inspector'
import { Worker } from 'node:worker_threads'
import { messageOf } from '../../errors.ts'
import { unpacked } from '../../build.ts'
import { clearTimeout, setTimeout } from '../../util/timers.ts'
import type { Timer } from '../../util/timers.ts'
import type { ThreadData, ToMain, ToThread } from '../protocol.ts'
import { releaseDescriptor, reserveDescriptor } from '../reserved-fd.ts'

/** The build puts the thread's code here, packed: see `rolldown.config.js`. A source that runs as it is has none. */
declare const builtThread: string | undefined

/**
 * What the thread runs: the text of its program, which goes wherever this module goes (into a bundle, an archive, a
 * single executable), or in the sources of this package its file.
 */
function threadProgram (): { program: string | URL, isText: boolean } {
  return typeof builtThread === 'string'
    ? { program: unpacked(builtThread), isText: true }
    : { program: new URL('../thread/index.ts', import.meta.url), isText: false }
}

type Inspector = typeof inspector

/** As little memory as the thread can do with; a bare one reserves much more. */
const resourceLimits = { maxOldGenerationSizeMb: 48, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 }

/** The thread inherits neither the application's loaders nor its environment. */
function makeWorker (workerData: ThreadData): Worker {
  const { program, isText } = threadProgram()
  // What a thread writes would be piped into the standard streams of the process, which begin to
  // exist with that; this one writes by itself.
  const output = { stdout: true, stderr: true }
  const own = { env: {}, argv: [], name: 'fastify-graceful', trackUnmanagedFds: false, resourceLimits }
  const options = { ...output, ...own, workerData, eval: isText }
  try {
    return new Worker(program, { ...options, execArgv: ['--expose-internals', '--no-warnings'] })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_WORKER_INVALID_EXEC_ARGV') throw error
    return new Worker(program, { ...options, execArgv: [] })
  }
}

/** The inspector, where there is one and the permission model allows it: elsewhere, trying would abort the process. */
export function inspectorOf (): Inspector | undefined {
  try {
    const { permission } = process as { permission?: { has (scope: string): boolean } }
    if (permission !== undefined && !permission.has('inspector')) return undefined
    return process.getBuiltinModule('node:inspector')
  } catch {
    return undefined
  }
}

/** What {@link Respawn} needs. */
export interface RespawnParts {
  /** What the thread is started with. */
  data: () => Omit<ThreadData, 'reservedFd'>
  /** A thread is there, and can be told. */
  started: () => void
  heed: (message: ToMain) => void
  /** It has ended, which nobody asked for, and is started again after so many milliseconds. */
  died: (why: string, pause: number, error: unknown) => void
  /** It could not be started: there is none, and there will be none. */
  failed: (why: string) => void
}

/** How long a start waits after the first death in a row, and after those that follow: twice as long each time. */
const pauses = { first: 0, second: 1000, longest: 60_000 }
/** A thread that has lived for so long is the first in a row again, in milliseconds. */
const longLife = 120_000
/** So many that have ended without having run show that none can be started here. */
const mostStillborn = 2

/** How long a start waits after so many deaths in a row before this one. */
function pauseAfter (deaths: number): number {
  return deaths === 0 ? pauses.first : Math.min(pauses.longest, pauses.second * 2 ** (deaths - 1))
}

/** Keeps a thread of the watchdog: starts it, and again where it dies, with a pause that grows. */
export class Respawn {
  readonly #ports: RespawnParts
  #worker: Worker | undefined
  #timer: Timer | undefined
  #startedAt: number | undefined
  /** How many have died in a row, and how many of them before they ran. */
  #deaths: number
  #stillborn = 0

  /** @param deaths how many have died in a row that somebody else has kept */
  constructor (ports: RespawnParts, deaths: number = 0) {
    this.#ports = ports
    this.#deaths = deaths
  }

  /** Whether there was ever a try to start one. */
  get hasStarted (): boolean { return this.#startedAt !== undefined }

  /** Whether there is a thread. */
  get alive (): boolean { return this.#worker !== undefined }

  start (): void {
    this.#startedAt = performance.now()
    const reservedFd = reserveDescriptor()
    try {
      const worker = makeWorker({ ...this.#ports.data(), reservedFd })
      this.#worker = worker
      let failure: unknown
      worker.on('message', (message: ToMain) => {
        if (message.type === 'up') this.#stillborn = 0
        this.#ports.heed(message)
      })
      worker.on('error', (error) => { failure = error })
      worker.on('exit', () => {
        releaseDescriptor(reservedFd)
        if (this.#worker === worker) this.#died(failure)
      })
      worker.unref()
      this.#stillborn++
      this.#ports.started()
    } catch (error) {
      releaseDescriptor(reservedFd)
      this.#ports.failed(messageOf(error))
    }
  }

  post (message: ToThread): void {
    this.#worker?.postMessage(message)
  }

  /** Ends the thread, for good. */
  stop (): void {
    clearTimeout(this.#timer)
    const worker = this.#worker
    this.#worker = undefined
    void worker?.terminate()
  }

  #died (error: unknown): void {
    const why = error === undefined ? 'its thread has ended' : messageOf(error)
    this.#worker = undefined
    if (this.#stillborn >= mostStillborn) return this.#ports.failed(why)
    if (performance.now() - (this.#startedAt ?? 0) > longLife) this.#deaths = 0
    const pause = pauseAfter(this.#deaths++)
    this.#ports.died(why, pause, error)
    if (pause === 0) return this.start()
    this.#timer = setTimeout(() => this.start(), pause)
    this.#timer.unref()
  }
}
