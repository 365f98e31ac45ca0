import { onTick, tickInterval } from '../../util/ticker.ts'
import type { BlockedRecord, ToMain } from '../protocol.ts'
import { Snapshots, VerdictUpdates, Handshakes } from './snapshots.ts'
import { Condition } from './condition.ts'
import { ThreadRequests } from './requests.ts'
import { limitOf } from '../kill-deadline.ts'
import { heartbeatInterval, monotonic, Heartbeat, SharedSnapshots } from '../heartbeat.ts'
import { Threads } from './threads.ts'
import type { CommonData, Role } from './threads.ts'
import { inspectorOf } from './worker.ts'
import type { WatchHandle, WatchdogSetup, WatchedApplication } from './types.ts'

/** How long a boot waits for the thread at most, in milliseconds. */
const readyTimeout = 3000
/**
 * How long those who watch may take to be told of the end, in milliseconds: the thread that tells them waits for a
 * processor where the machine is busy.
 */
const farewellTimeout = 250
/** Of how many requests they hear. */
const mostTold = 50

/** The main thread's side of the watchdog: one per process, from its first application to its last. */
export class Watchdog {
  readonly #setup: WatchdogSetup
  readonly #applications = new Set<WatchedApplication>()
  readonly #heartbeat = new Heartbeat()
  readonly #inspector = inspectorOf()
  readonly #stopped: () => void
  readonly #condition = new Condition(() => this.#log)
  readonly #handshakes = new Handshakes()
  readonly #shared = new SharedSnapshots()
  readonly #snapshots = new Snapshots(this.#applications, this.#shared)
  readonly #verdictUpdates = new VerdictUpdates(this.#applications)
  readonly #requests = new ThreadRequests(this.#applications, (message) => this.#threads.postTo('answering', message))
  readonly #threads: Threads
  #rest: (() => void) | undefined
  #publishedAt = 0
  #told = ''

  constructor (setup: WatchdogSetup, stopped: () => void) {
    this.#setup = setup
    this.#stopped = stopped
    this.#threads = new Threads(setup.settings.port !== undefined, {
      data: () => this.#threadData(),
      started: (role) => this.#started(role),
      heed: (message) => this.#heed(message),
      closed: () => this.#condition.closed(),
      died: (role, why, pause, error) => this.#condition.died(role, why, pause, error),
      failed: (role, why) => this.#failed(role, why)
    })
  }

  join (application: WatchedApplication): WatchHandle {
    this.#applications.add(application)
    if (this.#rest === undefined) this.#begin()
    // It joins before it can be asked.
    queueMicrotask(() => this.#tell())
    return {
      ready: () => this.#ready(),
      changed: () => {
        // What a phase begins with may hang in native code, where nothing can be asked.
        this.#snapshots.look()
        this.#tell()
      },
      status: () => this.#condition.status,
      farewell: () => this.#farewell(application),
      leave: () => this.#leave(application)
    }
  }

  /** All that is known, as JSON: what the watchdog evaluates on a main thread that it has paused. */
  snapshot (): string { return this.#snapshots.snapshot() }

  get #log (): WatchedApplication['log'] | undefined {
    return this.#applications.values().next().value?.log
  }

  #begin (): void {
    this.#heartbeat.beat()
    this.#lookForDebugger()
    this.#rest = onTick(() => this.#beat())
    this.#threads.start()
    const limit = limitOf(process.pid)
    if (limit !== undefined) this.#log?.info({ event: 'graceful.watchdog' }, limit)
  }

  #started (role: Role): void {
    this.#told = ''
    this.#verdictUpdates.forget()
    queueMicrotask(() => {
      this.#tell()
      if (role === 'watching') this.#hello(this.#handshakes.last)
    })
  }

  /** A hang that begins before the thread is up would outlive every deadline. */
  async #ready (): Promise<void> {
    if (this.#condition.hasFailed) return
    this.#tell()
    const heard = await this.#handshakes.send((id) => this.#hello(id), readyTimeout)
    if (!heard) {
      this.#log?.warn(
        { event: 'graceful.watchdog' },
        `the watchdog's thread was not up within ${readyTimeout} ms, and the boot goes on: until it is, `
          + 'nothing ends this process where its event loop hangs'
      )
    }
  }

  #hello (id: number): void {
    this.#threads.postTo('watching', { type: 'hello', id })
  }

  #threadData (): CommonData {
    const { settings, probes, admin, metrics, terminationMessagePath, parent, systemd } = this.#setup
    const { blocked, liveness, port, host } = settings
    return {
      buffer: this.#heartbeat.buffer,
      snapshots: this.#shared.buffer,
      blocked,
      liveness,
      inspect: this.#inspector !== undefined,
      terminationMessagePath,
      parent, systemd,
      server: port === undefined ? undefined : { port, host, probes, admin, metrics }
    }
  }

  #failed (role: Role, why: string): void {
    if (role === 'watching') this.#handshakes.giveUp()
    // Who answers alone needs the heartbeat, too.
    if (role === 'watching' && !this.#threads.answers) this.#rest?.()
    this.#condition.failed(role, why)
  }

  #farewell (application: WatchedApplication): void {
    // The first application is the one that is shown.
    if (this.#condition.watched === 0 || !this.#threads.answers) return
    if (application !== this.#applications.values().next().value) return
    const status = JSON.parse(JSON.stringify(application.status(mostTold)))
    this.#threads.postTo('answering', { type: 'farewell', status })
    this.#heartbeat.awaitFarewell(farewellTimeout)
  }

  #leave (application: WatchedApplication): void {
    if (!this.#applications.delete(application) || this.#applications.size > 0) {
      this.#snapshots.look()
      return this.#tell()
    }
    this.#rest?.()
    this.#handshakes.giveUp()
    this.#stopped()
    this.#threads.stop()
  }

  #beat (): void {
    const now = monotonic()
    this.#heartbeat.beat(now)
    // By the clock: ticks of a busy event loop are late.
    if (now - this.#publishedAt < heartbeatInterval - tickInterval / 2) return
    this.#publishedAt = now
    try {
      this.#publish()
    } catch (error) {
      this.#pass(error, 'the watchdog could not be told')
    }
  }

  /** Whatever goes wrong between the threads, the service goes on. */
  #pass (error: unknown, message: string): void {
    try {
      this.#log?.debug({ event: 'graceful.watchdog', err: error }, message)
    } catch {
      // A log that throws is no reason to end, either.
    }
  }

  #publish (): void {
    this.#lookForDebugger()
    this.#snapshots.glance()
    this.#tell()
  }

  #lookForDebugger (): void {
    this.#heartbeat.debuggable = this.#inspector?.url() !== undefined
  }

  #tell (): void {
    if (this.#setup.settings.port !== undefined) this.#tellVerdicts().catch(() => {})
    const applications = this.#snapshots.states()
    const text = JSON.stringify(applications)
    if (text === this.#told) return
    this.#told = text
    this.#threads.post({ type: 'applications', applications, verdicts: undefined })
  }

  async #tellVerdicts (): Promise<void> {
    const verdicts = await this.#verdictUpdates.ask()
    if (verdicts === undefined) return
    this.#threads.post({ type: 'applications', applications: this.#snapshots.states(), verdicts })
  }

  #heed (message: ToMain): void {
    // An exit listener may throw, which is the service's own matter.
    if (message.type === 'signal') return this.#signalled(message)
    try {
      this.#receive(message)
    } catch (error) {
      this.#pass(error, 'the watchdog could not be heard or answered')
    }
  }

  /** Whoever takes all listeners away wants the signal to be deadly, as it is without our thread's listener. */
  #signalled ({ signal, number }: ToMain & { type: 'signal' }): void {
    if (process.listenerCount(signal) === 0) this.#setup.exit(128 + number)
  }

  #receive (message: Exclude<ToMain, { type: 'signal' }>): void {
    switch (message.type) {
      case 'up': return
      case 'ready':
        this.#handshakes.heard(message.id)
        this.#condition.ready(message.signals)
        return
      case 'listening': return this.#condition.listening(message.port)
      case 'warning': return this.#log?.warn({ event: 'graceful.watchdog' }, message.message)
      case 'unblocked': return this.#unblocked(message.record)
      case 'watched':
        this.#condition.watched = message.viewers
        return
      case 'status':
      case 'metrics':
      case 'probed':
      case 'verdicts':
      case 'prestop': this.#requests.run(message)
    }
  }

  #unblocked (record: BlockedRecord): void {
    this.#condition.unblocked(record)
    for (const application of this.#applications) application.unblocked(record)
  }
}
