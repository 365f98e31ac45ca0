import { createRequire } from 'node:module'
import { heartbeatInterval } from '../heartbeat.ts'
import type { Signal, WatchedState } from '../protocol.ts'

/** What Node's main thread uses to listen for signals; it works in every thread, but is wired up in that one only. */
interface Listening {
  startListeningIfSignal (name: string): void
  stopListeningIfSignal (name: string): void
}

/** As long as the main thread turns, a signal older than this is one that it knows of, in milliseconds. */
const heardAfter = 5 * heartbeatInterval
/** The same signal again within this time is a duplicate, as for the main thread. */
const duplicateWindow = 1000

function loadListening (): Listening | undefined {
  try {
    return createRequire(process.execPath)('internal/process/signal') as Listening
  } catch {
    return undefined
  }
}

/**
 * Signals as the watchdog sees them: at once, also where the main thread hangs and cannot. Node offers
 * nothing for that in a worker thread, so its own module is used (`--expose-internals`, for this
 * thread alone); where there is none, a signal that comes while the main thread hangs is not seen.
 */
export class Signals {
  readonly #listening = loadListening()
  readonly #listeners = new Map<string, () => void>()
  readonly #now: () => number
  readonly #onSignal: (signal: Signal) => void
  #seen: Signal[] = []
  /** Those that it has counted. */
  #heard: readonly Signal[] = []

  constructor (now: () => number, onSignal: (signal: Signal) => void) {
    this.#now = now
    this.#onSignal = onSignal
  }

  get available (): boolean { return this.#listening !== undefined }

  /** Those that the main thread may not have heard of. */
  get seen (): readonly Signal[] { return this.#seen }

  /**
   * Goes on from what the main thread has counted, and listens for what some application acts on,
   * and for nothing else: a listener that is left behind would swallow its signal.
   */
  update (applications: readonly WatchedState[]): void {
    // All applications tell of the same ones.
    this.#heard = applications[0]?.heard ?? []
    const wanted = new Set(applications.flatMap((application) => application.signals))
    for (const [name, listener] of this.#listeners) {
      if (wanted.has(name)) continue
      process.off(name, listener)
      this.#listening?.stopListeningIfSignal(name)
      this.#listeners.delete(name)
    }
    for (const name of wanted) this.#listen(name)
  }

  /** Forgets what the main thread knows by now. */
  forget (beat: number): void {
    if (this.#seen.length > 0) this.#seen = this.#seen.filter(({ at }) => beat <= at + heardAfter)
  }

  /** A signal has come. */
  receive (name: string): void {
    const at = this.#now()
    const isSame = (signal: Signal): boolean => signal.name === name && at - signal.at < duplicateWindow
    if (this.#seen.some(isSame)) return
    // The main thread may have been faster: then this is the one that it has told of.
    const count = this.#heard.findLast(isSame)?.count
      ?? Math.max(0, ...[...this.#heard, ...this.#seen].map((signal) => signal.count)) + 1
    const signal = { name, at, count }
    this.#seen.push(signal)
    this.#onSignal(signal)
  }

  #listen (name: string): void {
    if (this.#listeners.has(name) || this.#listening === undefined) return
    const listener = (): void => this.receive(name)
    this.#listeners.set(name, listener)
    try {
      process.on(name, listener)
      this.#listening.startListeningIfSignal(name)
    } catch {
      // Another thread cannot do what the main thread has reported already.
      process.off(name, listener)
    }
  }
}

/**
 * Follows the end of a process whose parent is lost: a main thread that hangs does not hear of it,
 * and nobody is left to kill it.
 */
export class ParentWatch {
  #parent: number | undefined

  /** @param parent the number of the process with which this one is to end; undefined where there is none */
  constructor (parent: number | undefined) {
    this.#parent = parent
  }

  /** Where the parent is gone, asks for the end once, as the main thread would. */
  look (): void {
    if (this.#parent === undefined || process.ppid === this.#parent) return
    this.#parent = undefined
    process.kill(process.pid, 'SIGTERM')
  }
}
