import { setMaxListeners } from 'node:events'
import type { FastifyInstance } from 'fastify'
import type { PublicStatus, Status } from './status/model.ts'
import { afterUnref, nextTick } from './util/timers.ts'
import { connectListeners, makeDriver } from './application/wiring.ts'
import type { Outside } from './application/wiring.ts'
import { bootNotes, ShutdownLog } from './application/log-lines.ts'
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
import { nameOf } from './platform/surroundings.ts'
import { lookForUnfinished } from './platform/unfinished.ts'
import { notifySystemd } from './platform/systemd/applications.ts'
import type { SystemdHandle } from './platform/systemd/applications.ts'
import { systemClock } from './clock.ts'
import { Holds } from './lifecycle/holds.ts'
import { Lifecycle } from './lifecycle/lifecycle.ts'
import type { Telemetry } from './metrics/telemetry.ts'
import type { Settings } from './settings.ts'
import { readPublicStatus, readStatus } from './status/of-application.ts'
import { CloseHooks } from './fastify/close-hooks.ts'
import { boundServers, wrapClose } from './fastify/close.ts'
import type { WrappedClose } from './fastify/close.ts'
import { joinRegistry } from './process/member.ts'
import { sharedState } from './process/shared.ts'
import type { Membership } from './process/types.ts'
import { mostShown, Viewers } from './page/viewers.ts'
import { prefixed } from './log.ts'
import type { Log } from './log.ts'
import { makeTelemetry } from './metrics/telemetry.ts'
import { Traffic } from './traffic/traffic.ts'
import { watchApplication } from './watchdog/main/watched-application.ts'

/** Holds that a line of the log names. */
const mostHeld = 20
/** How many applications this process has had: their names in logs. */
let applications = 0

/** One application: its rooms, built and connected. */
export class Application {
  readonly name: string = `application ${++applications}`
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
  readonly run: Run = captureContext()
  readonly settings: Settings
  readonly membership: Membership
  readonly systemd: SystemdHandle | undefined
  readonly watchHandle: WatchHandle | undefined
  readonly shutdownLog: ShutdownLog
  readonly message: TerminationMessage
  readonly close: WrappedClose
  readonly order: CloseOrder
  /** Who the close waits for. */
  readonly closeHooks: CloseHooks
  readonly draining: AbortController = new AbortController()
  readonly root: FastifyInstance
  /** Who outside of the process may stall a phase, too. */
  outside: Outside | undefined
  readonly #clock = clockIn(this.run, systemClock)
  /** Whether boot is over. */
  readonly started: () => boolean = () => this.#started
  readonly #pressure: Pressure
  #started = false

  constructor (instance: FastifyInstance, root: FastifyInstance, settings: Settings) {
    this.root = root
    this.settings = settings
    setMaxListeners(0, this.draining.signal)
    this.holds = new Holds({
      changed: (reason, held) => this.shutdownLog.hold(reason, held, this.holds.reasons().slice(0, mostHeld)),
      failed: (reason, timeout) => this.shutdownLog.holdFailed(reason, timeout),
      after: afterUnref,
      started: this.started
    })
    this.log = prefixed(root.log, this.run)
    this.faults = new Faults(this.log)
    this.shutdownLog = new ShutdownLog(this.log, afterUnref, () => this.lifecycle)
    this.lifecycle = new Lifecycle(this.#clock, settings.budget, makeDriver(this))
    const { announce, preStop, close } = settings.budget
    const { toldAfter, front, shed, envoy, drain } = settings
    this.traffic = new Traffic({
      clock: this.#clock,
      faults: this.faults,
      announce, preStop, close, toldAfter, front, shed, envoy, drain,
      left: () => this.lifecycle.left,
      servers: () => boundServers(root),
      wake: () => this.lifecycle.poke(),
      isEnding: () => this.lifecycle.ending && this.lifecycle.phase !== 'terminated',
      isCloseAhead: () => this.close.isAhead(),
      awaitClose: () => { if (this.lifecycle.phase === 'terminated') this.lifecycle.awaitClose() },
      closed: () => this.run(() => this.shutdownLog.closed()),
      late: (arrival) => this.run(() => this.telemetry.late(arrival)),
      lost: (request) => this.run(() => this.telemetry.lost(request))
    })
    this.message = new TerminationMessage({
      path: settings.terminationMessagePath,
      inKubernetes: settings.inKubernetes,
      name: this.name,
      log: this.log,
      lifecycle: this.lifecycle,
      traffic: this.traffic,
      exitAsked: () => this.membership.exitAsked()
    })
    this.#pressure = setupPressure(instance, root, settings.pressure)
    this.health = this.#makeHealth()
    this.telemetry = makeTelemetry(this.name, this)
    this.membership = joinRegistry(this)
    this.systemd = notifySystemd(sharedState(), this)
    this.watchHandle = watchApplication(this)
    this.close = wrapClose(root, {
      lifecycle: this.lifecycle,
      closeWith: settings.closeWith,
      announce: settings.announceOnClose,
      isFast: settings.developer !== undefined,
      onUncaught: (listener) => this.membership.onUncaught(listener)
    })
    this.closeHooks = new CloseHooks(root)
    this.order = new CloseOrder({
      root,
      lifecycle: this.lifecycle,
      traffic: this.traffic,
      clock: this.#clock,
      endsWebSockets: settings.drain.webSocket !== false
    })
    this.#connect()
  }

  /** Boot is over, and the watchdog hears what comes next. */
  async start (): Promise<void> {
    await this.watchHandle?.ready().catch((error: unknown) => this.faults.note('the wait for the watchdog', error))
    this.#started = true
    this.watchHandle?.changed()
    this.message.check()
    // So that the status knows before the first probe asks.
    const look = this.health.verdict('readiness')
    void look.catch((error: unknown) => this.faults.note('the first look at readiness', error))
  }

  /** The servers are bound. */
  listening (): void {
    this.traffic.open()
    if (this.traffic.listeners.open) this.membership.listening()
    for (const { level, fields, message } of bootNotes(this.root, this.settings)) this.log[level](fields, message)
    lookForUnfinished(this.settings, this.log)
    this.watchHandle?.changed()
    this.systemd?.listening()
  }

  /** Fastify's own close has run: it was called before `close` could be wrapped. */
  closed (): void {
    this.order.stop()
    if (!this.lifecycle.ending) void this.lifecycle.shutdown({ kind: 'close', reason: 'app.close()', announce: false })
  }

  /** Whether a health route that stays good for `delay` milliseconds of phase 1 has to say that the service leaves. */
  leaving (delay: number): boolean {
    return this.lifecycle.isAnnounced(delay) || this.holds.reasons().length > 0
  }

  /** What asked for the end of the process; undefined until then, and where the process outlives the application. */
  processEnd (): { reason: string } | undefined {
    return this.membership.endsProcess() ? this.lifecycle.request : undefined
  }

  /** What is decorated as `app.graceful`. */
  face (): Graceful {
    const { lifecycle, health, holds } = this
    return makeGraceful({
      lifecycle,
      health,
      holds,
      socketWork: this.traffic.work,
      askExit: () => this.membership.askExit(),
      signal: this.draining.signal,
      status: () => this.status()
    })
  }

  /** What anyone may know. */
  publicStatus (): PublicStatus {
    return readPublicStatus(this)
  }

  /** All that is known, as data; of the requests at most so many. */
  status (mostRequests?: number): Status {
    const { lifecycle, traffic, health, holds, root: { version: fastify } } = this
    const pressure = this.#pressure.state()
    const watchdog = this.watchHandle?.status()
    const started = this.#started
    const platform = nameOf(this.settings.surroundings)
    const parts = { lifecycle, traffic, health, holds, started, pressure, watchdog, platform, fastify }
    return readStatus(parts, mostRequests)
  }

  #makeHealth (): Health {
    const { readinessDelay } = this.settings.budget.announce
    return new Health({
      run: this.run,
      now: () => systemClock.now(),
      after: afterUnref,
      started: this.started,
      announced: () => this.lifecycle.isAnnounced(readinessDelay),
      holds: () => this.holds.reasons(),
      startupHolds: () => this.holds.startup(),
      pressure: () => this.#pressure.check(),
      log: this.log
    })
  }

  #connect (): void {
    const { lifecycle, traffic } = this
    // Where the number of requests in flight is unknown, there may be some, and the phase lasts to its cap.
    const unknown = 'what is in flight is not known'
    lifecycle.observers.add('traffic', (phase, elapsed) =>
      this.faults.attempt('the look at traffic', () => traffic.stalls(phase, elapsed), unknown))
    connectListeners(this)
    // A listen that was under way when boot was stopped; Fastify's own listeners come first.
    const opened = this.faults.guard("listener of 'listening'", () => {
      if (lifecycle.ending && !traffic.announced) traffic.listeners.stop()
      else traffic.open()
    })
    this.root.server.on('listening', () => nextTick(opened))
    traffic.listeners.join()
    traffic.follow(this.root.server)
  }
}
