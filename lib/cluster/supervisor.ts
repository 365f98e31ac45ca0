import { clearTimeout, setTimeout } from 'node:timers'
import { deferred } from '../lifecycle/deferred.ts'
import { phaseNumber } from '../lifecycle/phase.ts'
import type { Phase } from '../lifecycle/phase.ts'
import { errors, messageOf } from '../errors.ts'
import { Child, codeOf, whyNotReady } from './child.ts'
import type { ChildEnd } from './child.ts'
import { Listeners } from './listeners.ts'
import type { SupervisorLog } from './log.ts'
import type { SupervisorSettings } from './options.ts'
import type { Sink } from './output.ts'
import { Place } from './place.ts'
import { Reload } from './reload.ts'
import { forkChild } from './spawn.ts'

/** What the supervisor is given. */
export interface SupervisorPorts {
  sinks: { stdout: Sink, stderr: Sink }
  log: SupervisorLog
}

/** The children of a service: started, kept, replaced and ended together. */
export class Supervisor {
  readonly settings: SupervisorSettings
  readonly places: readonly Place[]
  readonly log: SupervisorLog
  /** Everybody who is alive, and whoever is on the way out. */
  readonly children: Set<Child> = new Set()
  readonly #sinks: SupervisorPorts['sinks']
  readonly #done = deferred<number>()
  readonly #reload: Reload
  readonly #listeners: Listeners
  readonly #codes: number[] = []
  #stopping = false
  #ended = false
  #started = false
  #wasReady = false
  #exitCode = 0
  #since = Date.now()
  #phase: Phase = 'running'
  /** The whole drains by hand, or for a preStop hook. */
  #drained = false

  constructor (settings: SupervisorSettings, { sinks, log }: SupervisorPorts) {
    this.settings = settings
    this.log = log
    this.#sinks = sinks
    this.places = Array.from({ length: settings.workers }, (_, index) => new Place(index + 1))
    this.#reload = new Reload(this)
    this.#listeners = new Listeners({
      expected: () => !this.#isServed() && (this.places.some(({ child }) => child === undefined) || [...this.children].some((child) => child.ending || !child.worker.isConnected())),
      over: () => this.#isServed()
    })
  }

  /** Settles with the exit code when the last child is gone and all it wrote was forwarded. */
  get done (): Promise<number> { return this.#done.promise }
  get stopping (): boolean { return this.#stopping }
  /** Whether the whole has been ready once. */
  get started (): boolean { return this.#started }
  get reloading (): boolean { return this.#reload.running }
  get readyChildren (): number { return this.places.filter(({ child, successor }) => child?.ready === true || successor?.ready === true).length }
  get ready (): boolean { return !this.#stopping && !this.#drained && this.readyChildren >= this.settings.minReady }
  /** Epoch milliseconds at which the current phase began. */
  get since (): number { return this.#since }
  get phase (): Phase { return this.#phase }

  start (): void {
    const { script, workers, gracePeriod, childGracePeriod } = this.settings
    this.log.info({ event: 'graceful.supervisor.start', script, workers, gracePeriod, childGracePeriod }, `supervisor starts ${workers} ${workers === 1 ? 'child' : 'children'}`)
    this.#listeners.install()
    for (const place of this.places) this.fill(place)
  }

  /** A new child, which nobody has counted on yet. */
  spawn (place: Place): Child {
    const child = new Child(forkChild(this.settings), place.number, this.#sinks, {
      changed: (changed) => this.#changed(place, changed),
      exited: (exited, end) => this.#exited(place, exited, end)
    })
    this.children.add(child)
    this.log.info({ event: 'graceful.supervisor.spawn', child: place.number, childPid: child.pid }, `child ${place.number} starts as process ${child.pid}`)
    void child.settled.then(() => { if (this.#drained && child.alive) void this.#ask(child, 'drain', 1000) })
    void child.gone.then(() => {
      this.children.delete(child)
      this.#endIfEmpty()
    })
    return child
  }

  /** Tells one child to end. It is killed where it does not within its own grace period and `childTimeout`. */
  dismiss (child: Child, signal: NodeJS.Signals, replaced: boolean): void {
    child.shutdown(signal, replaced)
    this.#limit(child)
  }

  #limit (child: Child): void {
    const timeout = this.settings.childGracePeriod + this.settings.childTimeout
    child.limit(timeout, () => this.log.error({ event: 'graceful.supervisor.kill', child: child.place, childPid: child.pid, phase: child.state.phase }, `child ${child.place} (process ${child.pid}) did not end within ${timeout} ms, in phase '${child.state.phase ?? 'unknown'}': killed`))
  }

  /** Replaces every child. A second call meanwhile is done once more afterwards. */
  reload (reason: string): void {
    if (this.#stopping) return
    this.#reload.ask(reason)
  }

  /** The end of all, begun or joined. The first reason and the first exit code win. */
  shutdown (signal: NodeJS.Signals, reason: string, exitCode = 0): Promise<number> {
    if (this.#stopping) return this.done
    this.#stopping = true
    this.#exitCode = exitCode
    this.log.info({ event: 'graceful.supervisor.shutdown', reason, children: this.children.size }, `supervisor shuts down: ${reason}`)
    for (const place of this.places) place.leaveEmpty()
    this.#listeners.release()
    this.#enter('announcing')
    // Who is on its way out already has its order; a second one would cut it short.
    for (const child of this.children) if (!child.leaving) this.dismiss(child, signal, false)
    this.#endIfEmpty()
    return this.done
  }

  /** Hands one more signal on, which makes every child fast. */
  hurry (signal: NodeJS.Signals): void {
    for (const child of this.children) this.dismiss(child, signal, false)
  }

  /** The end at once. */
  kill (): void {
    for (const child of this.children) child.kill()
  }

  /**
   * A drain by hand of all children, or back from it; `prestop` settles when phase 1 of all could end.
   *
   * @throws FST_GRACEFUL_ILLEGAL_MOVE
   */
  async drain (question: 'drain' | 'undrain' | 'prestop'): Promise<void> {
    if (this.#stopping && question === 'prestop') return
    const drained = question !== 'undrain'
    const to = drained ? 'announcing' : 'running'
    if (this.#stopping) throw new errors.FST_GRACEFUL_ILLEGAL_MOVE(this.#phase, to, 'a shutdown is under way')
    if (this.#drained === drained && question !== 'prestop') throw new errors.FST_GRACEFUL_ILLEGAL_MOVE(this.#phase, to, drained ? 'a drain needs phase running' : 'only phase announcing can be undone')
    this.#drained = drained
    this.#enter(to)
    const timeout = question === 'prestop' ? this.settings.gracePeriod : 1000
    await Promise.all([...this.children].filter(({ alive, leaving }) => alive && !leaving).map((child) => this.#ask(child, question, timeout)))
  }

  async #ask (child: Child, question: 'drain' | 'undrain' | 'prestop', timeout: number): Promise<void> {
    try {
      await child.ask(question, timeout)
    } catch (error) {
      this.log.warn({ event: 'graceful.supervisor.failure', child: child.place, childPid: child.pid, problem: messageOf(error) }, `child ${child.place} (process ${child.pid}) did not ${question}: ${messageOf(error)}`)
    }
  }

  /** Starts a child where a place has none. */
  fill (place: Place): void {
    if (this.#stopping || place.child?.alive === true || place.successor !== undefined) return
    const child = place.child = this.spawn(place)
    const timer = setTimeout(() => {
      if (!child.alive || child.readyFor !== undefined || child.leaving) return
      this.log.error({ event: 'graceful.supervisor.late', child: place.number, childPid: child.pid, lastWords: child.lastWords }, `child ${place.number} (process ${child.pid}) was not ready within ${this.settings.startTimeout} ms: ${whyNotReady(child)}`)
      // Its end counts as that of a child that crashed while starting.
      child.late = true
      this.dismiss(child, 'SIGTERM', true)
    }, this.settings.startTimeout)
    void child.settled.then(() => clearTimeout(timer))
  }

  #changed (place: Place, child: Child): void {
    if (child.ready) {
      place.backoff.started()
      this.#listeners.settle()
    }
    this.#noteReadiness()
    this.#notePhase()
    // It ends by itself (a crash, a signal that somebody sent to it alone): its place is filled while it still drains.
    if (child.state.ending && place.child === child && !child.leaving && !this.#stopping && !this.#drained) {
      child.leaving = true
      this.log.warn({ event: 'graceful.supervisor.leaving', child: place.number, childPid: child.pid, phase: child.state.phase }, `child ${place.number} (process ${child.pid}) shuts down by itself`)
      this.#limit(child)
      this.#refill(place, child)
    }
  }

  #exited (place: Place, child: Child, { code, signal }: ChildEnd): void {
    const expected = child.leaving && !child.killed && code === 0
    const exitCode = codeOf({ code, signal })
    const details = { event: 'graceful.supervisor.exit', child: place.number, childPid: child.pid, exitCode: code, signal, ...expected ? {} : { lastWords: child.lastWords } }
    this.log[expected ? 'info' : 'error'](details, `child ${place.number} (process ${child.pid}) ended with ${signal ?? `code ${code}`}`)
    if (this.#stopping) this.#codes.push(child.killed ? 1 : exitCode)
    this.#noteReadiness()
    this.#notePhase()
    if (place.child === child && (!child.leaving || child.late)) this.#refill(place, child, exitCode)
  }

  /** Fills a place whose child ends or has ended without having been told to. */
  #refill (place: Place, child: Child, exitCode = 0): void {
    const delay = place.backoff.ended(child.readyFor)
    if (this.#stopping) return
    const { failedStarts } = place.backoff
    if (failedStarts > this.settings.maxCrashes && this.readyChildren === 0) {
      const code = exitCode || 1
      this.log.error({ event: 'graceful.supervisor.giveUp', child: place.number, exitCode: code }, `child ${place.number} ended ${failedStarts} times in a row before it was ready, and no other is ready: supervisor gives up with code ${code}`)
      void this.shutdown('SIGTERM', 'crash loop', code)
      return
    }
    place.restarts++
    this.log.warn({ event: 'graceful.supervisor.backoff', child: place.number, delay, failedStarts }, `child ${place.number} is started again in ${delay} ms`)
    place.child = undefined
    place.fillLater(delay, () => this.fill(place))
  }

  /** Whether every place has a child that has been ready and stays. */
  #isServed (): boolean {
    return this.places.every(({ child }) => child !== undefined && child.worker.isConnected() && !child.ending && child.readyFor !== undefined)
  }

  #noteReadiness (): void {
    const { ready } = this
    if (ready === this.#wasReady) return
    this.#wasReady = ready
    this.#started ||= ready
    const children = `${this.readyChildren} of ${this.settings.workers} children ready`
    if (!this.#stopping) this.log[ready ? 'info' : 'warn']({ event: 'graceful.supervisor.readiness', ready }, ready ? `ready: ${children}` : `not ready: ${children}`)
  }

  /** The phase of the whole is that of its slowest child. */
  #notePhase (): void {
    if (!this.#stopping) return
    const phases = [...this.children].filter(({ alive }) => alive).map(({ state }) => state.phase ?? 'running')
    const [slowest] = phases.toSorted((a, b) => phaseNumber(a) - phaseNumber(b))
    if (slowest !== undefined && phaseNumber(slowest) > phaseNumber(this.#phase)) this.#enter(slowest)
  }

  #enter (phase: Phase): void {
    if (phase === this.#phase) return
    this.#phase = phase
    this.#since = Date.now()
    this.#noteReadiness()
  }

  #endIfEmpty (): void {
    if (!this.#stopping || this.children.size > 0 || this.#ended) return
    this.#ended = true
    this.#listeners.uninstall()
    this.#enter('terminated')
    const code = this.#exitCode || (this.#codes.find((exitCode) => exitCode !== 0) ?? 0)
    this.log.info({ event: 'graceful.supervisor.end', exitCode: code }, `supervisor ends with code ${code}`)
    this.#done.resolve(code)
  }
}
