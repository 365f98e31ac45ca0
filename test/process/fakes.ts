import { EventEmitter } from 'node:events'
import type { FastifyBaseLogger } from 'fastify'
import type { Host } from '../../lib/process/host.ts'
import { ProcessRegistry } from '../../lib/process/registry.ts'
import type { MemberLifecycle, MemberOptions, Membership } from '../../lib/process/types.ts'
import type { SharedState } from '../../lib/process/shared.ts'
import { sharedVersion } from '../../lib/process/shared.ts'
import type { Phase } from '../../lib/lifecycle/phase.ts'
import type { ShutdownRequest } from '../../lib/lifecycle/driver.ts'
import { noTraffic } from '../support/report.ts'
import type { Report } from '../../lib/lifecycle/report.ts'

/** A clock that is turned by hand. */
class FakeClock {
  time = 0
  #timers = new Set<{ at: number, callback: () => void }>()

  now (): number { return this.time }
  epoch (): number { return this.time }

  after (delay: number, callback: () => void): () => void {
    const timer = { at: this.time + delay, callback }
    this.#timers.add(timer)
    return () => { this.#timers.delete(timer) }
  }

  turn (ms: number): void {
    this.time += ms
    for (const timer of this.#timers) {
      if (timer.at > this.time) continue
      this.#timers.delete(timer)
      timer.callback()
    }
  }

  get pending (): number { return this.#timers.size }
}

/** A lifecycle that ends when it is told to. */
class FakeLifecycle implements MemberLifecycle {
  phase: Phase = 'running'
  clear = false
  deadline: number | undefined
  ending = false
  request: ShutdownRequest | undefined
  report: Report | undefined
  readonly requests: ShutdownRequest[] = []
  readonly failures: Array<{ name: string, message: string }> = []
  hurried = 0
  readonly done: Promise<Report>
  /** What hears of the report, before whoever awaits it. */
  onReport: (report: Report) => void = () => {}
  #resolve!: (report: Report) => void

  constructor () {
    this.done = new Promise((resolve) => { this.#resolve = resolve })
  }

  shutdown (request: ShutdownRequest): Promise<Report> {
    const { at: _, ...asked } = request
    this.requests.push(asked)
    if (!this.ending) {
      this.request = request
      this.ending = true
      this.phase = request.announce === false ? 'closing' : 'announcing'
    }
    return this.done
  }

  hurry (): void { this.hurried++ }
  fail (failure: { name: string, message: string }): void { this.failures.push(failure) }

  /** Ends phase 4. */
  finish (exitCode: number = this.failures.length > 0 ? 1 : this.request?.exitCode ?? 0): void {
    const { kind = 'shutdown', reason = 'test' } = this.request ?? {}
    this.phase = 'terminated'
    this.report = {
      verdict: 'clean',
      summary: '',
      kind,
      reason,
      exitCode,
      startedAt: 0,
      duration: 0,
      announcedBefore: 0,
      gracePeriod: 0,
      hurried: undefined,
      phases: [],
      traffic: noTraffic(),
      cut: { requests: [], streams: 0, upgraded: 0, connections: [], byOthers: [], waiting: [] },
      failures: [],
      advice: []
    }
    this.onReport(this.report)
    this.#resolve(this.report)
  }

  /** Closes the application, of which nobody has asked for an end. */
  close (): void {
    void this.shutdown({ kind: 'close', reason: 'app.close()', announce: false })
    this.finish()
  }
}

/** A logger that remembers. */
class FakeLog {
  level = 'trace'
  readonly lines: Array<{ level: string, message: string, fields: Record<string, unknown> }> = []

  #add (level: string, fields: Record<string, unknown>, message: string): void {
    this.lines.push({ level, fields, message })
  }
  trace = (fields: Record<string, unknown>, message: string): void => this.#add('trace', fields, message)
  debug = (fields: Record<string, unknown>, message: string): void => this.#add('debug', fields, message)
  info = (fields: Record<string, unknown>, message: string): void => this.#add('info', fields, message)
  warn = (fields: Record<string, unknown>, message: string): void => this.#add('warn', fields, message)
  error = (fields: Record<string, unknown>, message: string): void => this.#add('error', fields, message)
  fatal = (fields: Record<string, unknown>, message: string): void => this.#add('fatal', fields, message)

  /** All messages of a level. */
  at (level: string): string[] {
    return this.lines.filter((line) => line.level === level).map((line) => line.message)
  }
}

export interface FakeMember {
  lifecycle: FakeLifecycle
  log: FakeLog
  membership: Membership
  /** How often it was flushed. */
  flushed: () => number
}

/** A process that is none: its events are emitted by the test, its exits are written down. */
export class FakeProcess {
  readonly emitter = new EventEmitter()
  readonly clock = new FakeClock()
  readonly exits: number[] = []
  readonly shared: SharedState = { version: sharedVersion, early: undefined, registry: undefined, exiting: false }
  readonly host: Host
  readonly registry: ProcessRegistry
  terminal = false
  channelCount: number | undefined
  open: string[] = []
  #names = 0

  constructor (overrides: Partial<Host> = {}) {
    const numbers: Record<string, number> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }
    this.host = {
      events: this.emitter as unknown as Host['events'],
      clock: this.clock,
      mainThread: true,
      exit: (code) => { this.exits.push(code) },
      linger: (time, over) => new Promise((resolve) => {
        this.clock.after(time, resolve)
        void over?.then(resolve)
      }),
      signalNumber: (signal) => numbers[signal],
      signalName: (number) => Object.keys(numbers).find((name) => numbers[name] === number),
      terminal: () => this.terminal,
      rejectionsAreFatal: () => true,
      channel: () => this.channelCount === undefined
        ? undefined
        : { refCounted: () => { this.channelCount!++ }, unrefCounted: () => { this.channelCount!-- } },
      handles: () => this.open,
      ...overrides
    }
    this.registry = new ProcessRegistry(this.host, this.shared)
    this.shared.registry = this.registry
  }

  /** Registers an application. */
  join (options: Partial<MemberOptions> = {}): FakeMember {
    const lifecycle = new FakeLifecycle()
    const log = new FakeLog()
    let flushed = 0
    const membership = this.registry.join({
      name: `app ${++this.#names}`,
      lifecycle,
      log: log as unknown as FastifyBaseLogger,
      signals: { SIGTERM: 'shutdown', SIGINT: 'shutdown', SIGHUP: 'restart' },
      restartExitCode: 0,
      exit: true,
      crash: true,
      flush: async () => { flushed++ },
      flushTimeout: 1000,
      ...options
    })
    lifecycle.onReport = (report) => membership.leave(report)
    return { lifecycle, log, membership, flushed: () => flushed }
  }

  /** A signal, `after` milliseconds from now. */
  signal (name: string, after = 0): void {
    this.clock.turn(after)
    this.emitter.emit(name)
  }

  /** All listeners that are left. */
  listeners (): number {
    return this.emitter.eventNames().reduce((sum, name) => sum + this.emitter.listenerCount(name), 0)
  }
}

/** Lets everything that is due by promises happen. */
export async function settled (): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => { setImmediate(resolve) })
}
