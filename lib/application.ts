import { setMaxListeners } from 'node:events'
import type { FastifyInstance } from 'fastify'
import type { PublicStatus, Status } from './status/model.ts'
import { afterUnref } from './util/after.ts'
import { bootNotes } from './boot-notes.ts'
import type { Graceful } from './graceful.ts'
import { CloseOrder } from './fastify/close-order.ts'
import { Faults } from './util/faults.ts'
import { captureContext, clockIn } from './util/context.ts'
import type { Run } from './util/context.ts'
import { makeGraceful } from './graceful.ts'
import type { WatchHandle } from './watchdog/main/types.ts'
import { Health } from './health/health.ts'
import { setupPressure } from './health/pressure.ts'
import type { Pressure } from './health/pressure.ts'
import { TerminationMessage } from './platform/kubernetes/termination.ts'
import { systemClock } from './clock.ts'
import type { Clock } from './clock.ts'
import { Holds } from './lifecycle/holds.ts'
import { Lifecycle } from './lifecycle/lifecycle.ts'
import { noTraffic } from './lifecycle/no-traffic.ts'
import { isAtLeast } from './lifecycle/phase.ts'
import type { Stall } from './lifecycle/participants.ts'
import type { Phase } from './lifecycle/phase.ts'
import type { Report, ReportDraft } from './lifecycle/report.ts'
import type { Telemetry } from './metrics/telemetry.ts'
import type { Settings } from './settings.ts'
import { readPublicStatus, readStatus } from './status/overview.ts'
import { CloseHooks } from './fastify/close-hooks.ts'
import { abortBoot, boundServers, wrapClose } from './fastify/close.ts'
import { flushLogger } from './process/flush.ts'
import { joinProcess } from './process/registry.ts'
import type { Membership } from './process/types.ts'
import { Viewers } from './page/viewers.ts'
import { prefixed } from './log.ts'
import type { Log } from './log.ts'
import { takeEach } from './util/steps.ts'
import { ShutdownLog } from './shutdown-log.ts'
import { nextTick } from './util/timers.ts'
import { makeTelemetry } from './metrics/sources.ts'
import { adviceOf } from './traffic/advice.ts'
import { adviceOnWaiting } from './lifecycle/advice.ts'
import { Traffic } from './traffic/traffic.ts'
import { watchApplication } from './watched-application.ts'

/** Requests that those who watch the status are shown by name. */
const mostShown = 50
/** Holds that a line of the log names. */
const mostHeld = 20
/** How many applications this process has had: their names in logs. */
let applications = 0

/** One application: its rooms, built and connected. */
export class Application {
  readonly lifecycle: Lifecycle
  readonly traffic: Traffic
  readonly health: Health
  readonly holds: Holds
  readonly log: Log
  /** Takes the failures of the plugin's own code. */
  readonly faults: Faults
  readonly telemetry: Telemetry
  /** Who watches the status live. */
  readonly viewers: Viewers = new Viewers({
    publicStatus: () => this.publicStatus(),
    status: () => this.status(mostShown)
  })
  /** The context of the registration, in which whatever the plugin starts by itself runs: requests come and go. */
  readonly #run: Run = captureContext()
  readonly #clock: Clock = clockIn(this.#run, systemClock)
  readonly #root: FastifyInstance
  readonly #settings: Settings
  readonly #name = `application ${++applications}`
  readonly #shutdownLog: ShutdownLog
  readonly #message: TerminationMessage
  readonly #membership: Membership
  readonly #pressure: Pressure
  readonly #watchHandle: WatchHandle | undefined
  readonly #draining = new AbortController()
  #outside: ((phase: Phase) => Stall | undefined) | undefined
  #started = false
  #isFinished = false
  /** `app.close()` has begun. */
  #isClosing = false

  constructor (instance: FastifyInstance, root: FastifyInstance, settings: Settings) {
    this.#root = root
    this.#settings = settings
    setMaxListeners(0, this.#draining.signal)
    this.holds = new Holds({
      changed: (reason, held) => this.#shutdownLog.hold(reason, held, this.holds.reasons().slice(0, mostHeld)),
      failed: (reason, timeout) => this.#shutdownLog.holdFailed(reason, timeout),
      after: afterUnref,
      started: () => this.#started
    })
    this.log = prefixed(root.log, this.#run)
    this.faults = new Faults(this.log)
    this.#shutdownLog = new ShutdownLog(this.log, afterUnref, () => this.lifecycle)
    this.lifecycle = this.#makeLifecycle()
    this.traffic = new Traffic({
      clock: this.#clock,
      faults: this.faults,
      announce: settings.budget.announce,
      preStop: settings.budget.preStop,
      toldAfter: settings.toldAfter,
      front: settings.front,
      shed: settings.shed,
      envoy: settings.envoy,
      drain: settings.drain,
      close: settings.budget.close,
      left: () => this.#left(),
      servers: () => boundServers(root),
      wake: () => this.lifecycle.poke(),
      isEnding: () => this.lifecycle.ending && this.lifecycle.phase !== 'terminated',
      isCloseAhead: () => this.#isCloseAhead,
      awaitClose: () => { if (this.lifecycle.phase === 'terminated') this.lifecycle.awaitClose() },
      closed: () => this.#run(() => this.#shutdownLog.closed()),
      late: (arrival) => this.#run(() => this.telemetry.late(arrival)),
      lost: (request) => this.#run(() => this.telemetry.lost(request))
    })
    this.#message = new TerminationMessage({
      path: settings.terminationMessagePath,
      inKubernetes: settings.inKubernetes,
      name: this.#name,
      log: this.log,
      lifecycle: this.lifecycle,
      traffic: this.traffic,
      exitAsked: () => this.#membership.exitAsked()
    })
    this.#pressure = setupPressure(instance, root, settings.pressure)
    this.health = this.#makeHealth()
    this.telemetry = makeTelemetry(this.#name, this)
    this.#membership = this.#join()
    this.#watchHandle = watchApplication({
      run: this.#run,
      lifecycle: this.lifecycle,
      traffic: this.traffic,
      health: this.health,
      log: this.log,
      name: this.#name,
      settings,
      membership: this.#membership,
      started: () => this.#started,
      status: (mostRequests) => this.status(mostRequests),
      telemetry: this.telemetry
    })
    this.#close = wrapClose(root, {
      lifecycle: this.lifecycle,
      closeWith: settings.closeWith,
      announce: settings.announceOnClose,
      onUncaught: (listener) => this.#membership.onUncaught(listener)
    })
    this.closeHooks = new CloseHooks(root)
    this.#order = new CloseOrder({
      root,
      lifecycle: this.lifecycle,
      traffic: this.traffic,
      clock: this.#clock,
      endsWebSockets: settings.drain.webSocket !== false
    })
    this.#connect()
  }

  readonly #close: ReturnType<typeof wrapClose>
  readonly #order: CloseOrder
  /** Who the close waits for. */
  readonly closeHooks: CloseHooks

  /** Boot is over, and the watchdog hears what comes next. */
  async start (): Promise<void> {
    await this.#watchHandle?.ready().catch((error: unknown) => this.faults.note('the wait for the watchdog', error))
    this.#started = true
    this.#watchHandle?.changed()
    this.#message.check()
    // So that the status knows before the first probe asks.
    const look = this.health.verdict('readiness')
    void look.catch((error: unknown) => this.faults.note('the first look at readiness', error))
  }

  /** The servers are bound. */
  listening (): void {
    this.traffic.open()
    if (this.traffic.listeners.open) this.#membership.listening()
    for (const { fields, message } of bootNotes(this.#root, this.#settings)) this.log.warn(fields, message)
    this.#watchHandle?.changed()
  }

  /** Fastify's own close has run: it was called before `close` could be wrapped. */
  closed (): void {
    this.#order.stop()
    if (!this.lifecycle.ending) void this.lifecycle.shutdown({ kind: 'close', reason: 'app.close()', announce: false })
  }

  /** Whether a health route that stays good for `delay` milliseconds of phase 1 has to say that the service leaves. */
  leaving (delay: number): boolean {
    return this.#announced(delay) || this.holds.reasons().length > 0
  }

  /** What asked for the end of the process; undefined until then, and where the process outlives the application. */
  processEnd (): { reason: string } | undefined {
    return this.#membership.endsProcess() ? this.lifecycle.request : undefined
  }

  /** Asks somebody outside of the process, too, once nobody in it stalls a phase. */
  goWith (outside: (phase: Phase) => Stall | undefined): void {
    this.#outside = outside
  }

  /** What is decorated as `app.graceful`. */
  face (): Graceful {
    const { lifecycle, health, holds } = this
    return makeGraceful({
      lifecycle,
      health,
      holds,
      socketWork: this.traffic.work,
      askExit: () => this.#membership.askExit(),
      signal: this.#draining.signal,
      status: () => this.status()
    })
  }

  /** What anyone may know. */
  publicStatus (): PublicStatus {
    return readPublicStatus(this)
  }

  /** All that is known, as data; of the requests at most so many. */
  status (mostRequests?: number): Status {
    const { lifecycle, traffic, health, holds } = this
    const sources = {
      lifecycle,
      traffic,
      health,
      holds,
      started: this.#started,
      pressure: this.#pressure.state(),
      watchdog: this.#watchHandle?.status(),
      fastify: this.#root.version
    }
    return readStatus(sources, mostRequests)
  }

  #makeLifecycle (): Lifecycle {
    const { budget } = this.#settings
    const { faults } = this
    // A shutdown runs to its end even where a part of its report cannot be made.
    return new Lifecycle(this.#clock, budget, {
      run: this.#run,
      cut: () => this.#message.cut(this.telemetry.cut(() => this.traffic.cut())),
      serving: () => faults.attempt('the look at the listeners', () => this.traffic.listeners.open, true),
      release: () => this.#membership.releaseOthers(),
      end: () => {
        this.#isClosing = true
        if (this.viewers.size > 0) this.traffic.listeners.release()
        return this.#close.end().finally(faults.guard('the end of the close', () => this.traffic.listeners.settle()))
      },
      traffic: () => faults.attempt('the summary of traffic', () => this.traffic.summary(), noTraffic()),
      closing: (isLast) => faults.attempt('the names of hooks', () => this.#closing(isLast)),
      advice: (report) => faults.attempt('the advice', () => this.#advise(report), []),
      others: () => faults.attempt('the look at others', () => this.#others()),
      asked: (request, announcedBefore) => {
        this.#message.asked()
        this.#shutdownLog.asked(request, announcedBefore)
      },
      failed: (failure, error) => {
        this.#message.failed(failure)
        this.#shutdownLog.failed(failure, error)
      }
    })
  }

  /**
   * Hooks into the close, which phase 3 runs (a plain close phase 2), may wait for a server; nobody else that an end
   * waits for does.
   */
  get #isCloseAhead (): boolean {
    const { phase, request } = this.lifecycle
    if (request === undefined) return false
    if (phase === 'closing') return request.kind !== 'close'
    return phase === 'announcing' || (phase === 'terminated' && !this.#isClosing)
  }

  /** How long the present phase may still last, in milliseconds. */
  #left (): number {
    const { progress, elapsed } = this.lifecycle
    return Math.max(0, (progress?.cap ?? 0) - elapsed)
  }

  #closing (isLast: boolean): string | undefined {
    return this.#close.isReplaced() ? "option 'closeWith'" : this.closeHooks.running(isLast)
  }

  #advise (report: ReportDraft): string[] {
    const { budget } = this.#settings
    // Who develops a service is not told to give its end more time.
    if (this.lifecycle.request?.isFast === true) return []
    return [...adviceOf(report, budget), ...adviceOnWaiting(report, budget, this.closeHooks.waiting())]
  }

  #others (): Stall | undefined {
    const reason = this.#membership.others()
    if (reason !== undefined) return { name: 'other applications of this process', reason }
    return this.lifecycle.request?.kind === 'close' ? undefined : this.#outside?.(this.lifecycle.phase)
  }

  #announced (delay: number): boolean {
    const { phase, elapsed, request } = this.lifecycle
    // Where another process has taken over, the service as such stays ready.
    if (request?.replaced === true) return false
    return isAtLeast(phase, 'closing') || (phase === 'announcing' && elapsed >= delay)
  }

  #makeHealth (): Health {
    const { readinessDelay } = this.#settings.budget.announce
    return new Health({
      run: this.#run,
      now: () => systemClock.now(),
      after: afterUnref,
      started: () => this.#started,
      announced: () => this.#announced(readinessDelay),
      holds: () => this.holds.reasons(),
      startupHolds: () => this.holds.startup(),
      pressure: () => this.#pressure.check(),
      log: this.log
    })
  }

  #join (): Membership {
    const { signals, otherListeners, othersServe, restartExitCode, exit, crash, budget } = this.#settings
    return joinProcess({
      name: this.#name,
      lifecycle: this.lifecycle,
      log: this.log,
      signals,
      otherListeners,
      othersServe,
      restartExitCode,
      exit,
      crash,
      flush: () => flushLogger(this.#root.log),
      // What nobody used before is there for the logs.
      flushTimeout: () => Math.max(0, (this.lifecycle.deadline ?? 0) - systemClock.epoch()) + budget.reserve / 2,
      exited: (exitCode) => this.#message.exited(exitCode),
      conclude: () => this.#conclude()
    })
  }

  #connect (): void {
    const { lifecycle, traffic } = this
    // Where the number of requests in flight is unknown, there may be some, and the phase lasts to its cap.
    const unknown = 'what is in flight is not known'
    lifecycle.observers.add('traffic', (phase, elapsed) =>
      this.faults.attempt('the look at traffic', () => traffic.stalls(phase, elapsed), unknown))
    // One listener each: where one fails, the others are still called.
    lifecycle.onPhase((phase, previous) => this.#enter(phase, previous))
    lifecycle.onPhase((phase, _previous, record) => this.#message.enter(phase, record))
    lifecycle.onPhase((phase, _previous, record) => this.#shutdownLog.phase(phase, record))
    lifecycle.onPhase(() => this.#watchHandle?.changed())
    // A listen that was under way when boot was stopped; Fastify's own listeners come first.
    const opened = this.faults.guard("listener of 'listening'", () => {
      if (lifecycle.ending && !traffic.announced) traffic.listeners.stop()
      else traffic.open()
    })
    this.#root.server.on('listening', () => nextTick(opened))
    traffic.listeners.join()
    traffic.follow(this.#root.server)
    void lifecycle.done.then((report) => this.#finish(report))
  }

  /** Somebody else ends the process in phase 4; nothing but what is done synchronously is done any more. */
  #conclude (): number | undefined {
    const report = this.lifecycle.conclude()
    if (report !== undefined) this.#finish(report)
    return report?.exitCode
  }

  #finish (report: Report): void {
    if (this.#isFinished) return
    this.#isFinished = true
    takeEach(
      () => this.health.stop(),
      () => this.holds.stop(),
      () => this.#message.finish(report),
      () => this.#shutdownLog.report(report),
      () => this.viewers.finish(this.status(mostShown), this.publicStatus()),
      () => this.#watchHandle?.farewell(),
      () => this.#membership.leave(),
      // Until the process has ended, its end is watched.
      () => { if (!this.#membership.endsProcess()) this.#watchHandle?.leave() }
    )
  }

  #enter (phase: Phase, previous: Phase): void {
    const { lifecycle, traffic } = this
    // In phase 2 as well: `localhost` may be looking for its second address while the first is bound.
    if (phase === 'closing' || (previous === 'running' && lifecycle.ending && !traffic.listeners.open)) {
      abortBoot(this.#root)
    }
    switch (phase) {
      case 'running': return traffic.undo()
      case 'announcing': return traffic.announce()
      case 'closing': return this.#order.close()
      case 'draining':
        if (lifecycle.request?.replaced === true) traffic.linger()
        traffic.drain(lifecycle.request?.kind === 'close')
        this.#order.drain()
        this.#draining.abort(new DOMException('The service is draining', 'AbortError'))
        return
      case 'terminated':
        traffic.listeners.finish()
        if (this.viewers.size > 0) traffic.listeners.release()
        return this.#order.stop()
    }
  }
}
