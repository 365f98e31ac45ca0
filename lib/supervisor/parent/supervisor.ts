import { clearTimeout, setTimeout } from 'node:timers'
import { deferred } from '../../util/promises.ts'
import { Child } from './child.ts'
import { Deadline } from './deadline.ts'
import type { SupervisorEnd } from './deadline.ts'
import { Aggregate, HandDrain, PhaseBarrier } from './aggregate.ts'
import type { DrainQuestion } from './aggregate.ts'
import { GraceWarning, Lines } from './log-lines.ts'
import { Listeners } from './listeners.ts'
import type { SupervisorLog } from './terminal.ts'
import { TreeMessage } from './termination.ts'
import type { TreeEnd } from './termination.ts'
import type { SupervisorSettings } from '../options.ts'
import type { Sinks } from './output.ts'
import { Respawn, Slot } from './respawn.ts'
import { ProbeNews } from './probe-updates.ts'
import { Reload } from './reload.ts'
import { forkChild } from './spawn.ts'

/** The children of a service: started, kept, replaced and ended together. */
export class Supervisor {
  readonly settings: SupervisorSettings
  readonly slots: readonly Slot[]
  readonly log: SupervisorLog
  /** Everybody who is alive, and whoever is on the way out. */
  readonly children: Set<Child> = new Set()
  /** The answers of the supervisor's own port to probers, which the children hear of. */
  readonly probes: ProbeNews = new ProbeNews(this.children)
  /** The replacement of all children. */
  readonly reloads: Reload = new Reload(this)
  /** Phase and readiness of all together. */
  readonly aggregate: Aggregate
  readonly #lines: Lines
  readonly #message: TreeMessage
  readonly #sinks: Sinks
  readonly #done = deferred<number>()
  readonly #listeners: Listeners
  readonly #barrier: PhaseBarrier
  readonly #hand: HandDrain
  readonly #grace: GraceWarning
  readonly #respawn: Respawn
  readonly #deadline: Deadline
  #stopping = false
  #over = false
  #exitCode = 0

  constructor (settings: SupervisorSettings, sinks: Sinks, log: SupervisorLog) {
    this.settings = settings
    this.log = log
    this.#lines = new Lines(log)
    this.#sinks = sinks
    this.slots = Array.from({ length: settings.workers }, (_, index) => new Slot(index + 1))
    this.#deadline = new Deadline(settings)
    this.#hand = new HandDrain(this)
    this.#grace = new GraceWarning(settings, log)
    this.aggregate = new Aggregate({
      settings,
      slots: this.slots,
      children: this.children,
      log,
      stopping: () => this.#stopping,
      drained: () => this.#hand.drained
    })
    this.#message = new TreeMessage({ settings, children: this.children, log })
    this.#respawn = new Respawn(this, {
      drained: () => this.#hand.drained,
      ended: (child, end) => this.#message.ended(child, end)
    })
    // From phase 2 on nobody but the children holds a port, so that it is closed when they close it.
    this.#barrier = new PhaseBarrier(this.children, (phase) =>
      phase !== 'announcing' || this.#listeners.close(() => this.#barrier.look()))
    this.#listeners = new Listeners(this)
    this.aggregate.onChange((phaseChanged) => {
      if (phaseChanged) this.#message.enter(this.aggregate.phase)
      else if (this.#stopping) this.#barrier.look()
    })
  }

  /** The processes below this one. */
  get pids (): number[] {
    return [...this.children].filter(({ alive }) => alive)
      .flatMap(({ pid, state }) => [...pid === undefined ? [] : [pid], ...state.descendants])
  }

  /** Settles with the exit code when the last child is gone and all it wrote was forwarded. */
  get done (): Promise<number> { return this.#done.promise }
  get stopping (): boolean { return this.#stopping }
  /** The end of all; undefined while none was asked for. */
  get end (): TreeEnd | undefined { return this.#message.end }
  get reloading (): boolean { return this.reloads.running }

  start (): void {
    this.#lines.starts(this.settings)
    this.#message.check()
    if (process.pid === 1) this.#lines.isInit()
    const missing = this.#listeners.install()
    if (missing !== undefined) this.#lines.keepsNone(missing)
    for (const slot of this.slots) this.fill(slot)
  }

  /** A new child, which nobody has counted on yet. */
  spawn (slot: Slot): Child {
    const child = new Child(forkChild(this.settings, slot.number), slot.number, this.#sinks, this.#deadline.longest, {
      changed: (changed) => this.#changed(slot, changed),
      exited: (exited, end) => this.#respawn.exited(slot, exited, end),
      orphaned: (parent, pids) => {
        this.#lines.orphaned(parent, pids)
        return this.#deadline.patience
      },
      killed: (parent, pids) => this.#lines.orphansKilled(parent, pids)
    })
    this.children.add(child)
    this.#listeners.join(child)
    this.#lines.spawned(child)
    void child.settled.then(() => {
      this.probes.join(child)
      return this.#hand.join(child)
    })
    void child.gone.then(() => {
      this.children.delete(child)
      this.#endIfEmpty()
    })
    return child
  }

  /** Tells one child to end. It is killed where it does not within its own grace period and `childTimeout`. */
  dismiss (child: Child, signal: NodeJS.Signals, replaced: boolean, why?: string): void {
    child.shutdown({ signal, replaced, ...why !== undefined && { why }, count: 1 })
    this.limit(child)
  }

  /** What is left of the grace period, in milliseconds; Infinity while no end was asked for. */
  get remaining (): number { return this.#deadline.remaining }

  /** Kills a child that has not ended when its time is over. */
  limit (child: Child): void {
    const timeout = Math.round(this.#deadline.patience)
    child.limit(timeout, () => this.#lines.killed(child, timeout))
  }

  /** Replaces every child. A second call meanwhile is done once more afterwards. */
  reload (reason: string): void {
    if (this.#stopping) return
    this.reloads.ask(reason)
  }

  /** The end of all, begun or joined. The first reason and the first exit code win. */
  shutdown ({ reason, signal = 'SIGTERM', exitCode = 0, elapsed = 0, problem }: SupervisorEnd): Promise<number> {
    if (this.#stopping) return this.done
    this.#stopping = true
    this.#exitCode = exitCode
    this.#deadline.begin(elapsed, this.#hand.graceStart)
    this.#lines.shutsDown(reason, this.children.size)
    this.reloads.stop(reason)
    for (const slot of this.slots) slot.leaveEmpty()
    for (const sink of new Set(Object.values(this.#sinks))) sink.limit(...this.#deadline.output)
    this.#listeners.release()
    this.#message.begin({
      kind: problem === undefined ? 'shutdown' : 'crash',
      reason,
      ...problem !== undefined && { problem }
    })
    this.aggregate.enter('announcing')
    this.#respawn.settle()
    for (const child of this.children) {
      // Who is on its way out already has its order; a second one would cut it short. What is left
      // of the grace period may be less than it was given.
      if (!child.leaving) child.shutdown({ signal, replaced: false, together: true, elapsed, count: 1 })
      this.limit(child)
    }
    // Children that the signal has reached itself may have done with a phase.
    this.#barrier.look()
    this.#endIfEmpty()
    return this.done
  }

  /** Hands one more signal on, which makes every child fast. */
  hurry (signal: NodeJS.Signals): void {
    for (const child of this.children) {
      child.shutdown({ signal, replaced: false, count: 2 })
      this.limit(child)
    }
  }

  /** Lines were lost at the end, because nobody read them. */
  lose (lines: number, exitCode: number): void {
    this.#lines.dropped(lines)
    this.#message.finish(exitCode, lines)
  }

  /** The end at once: this process is about to exit with this code. */
  kill (exitCode: number): void {
    for (const child of this.children) child.kill()
    this.#message.finish(exitCode)
  }

  /**
   * A drain by hand of all children, or back from it; `prestop` settles when phase 1 of all could end.
   *
   * @throws FST_GRACEFUL_ILLEGAL_MOVE
   */
  drain (question: DrainQuestion): Promise<void> {
    return this.#hand.ask(question)
  }

  /** Starts a child where a place has none. */
  fill (slot: Slot): void {
    if (this.#stopping || slot.child?.alive === true || slot.successor !== undefined) return
    const child = slot.child = this.spawn(slot)
    const timer = setTimeout(() => {
      if (!child.alive || child.readyFor !== undefined || child.leaving) return
      this.#lines.late(child, this.settings.startTimeout)
      // Its end counts as that of a child that crashed while starting.
      child.late = true
      this.dismiss(child, 'SIGTERM', true)
    }, this.settings.startTimeout)
    void child.settled.then(() => clearTimeout(timer))
  }

  #changed (slot: Slot, child: Child): void {
    this.#grace.look(child)
    if (child.ready) {
      slot.served = true
      slot.backoff.started()
      this.#listeners.settle()
    }
    this.aggregate.look()
    if (child.state.ending) this.#respawn.ending(slot, child)
    else this.reloads.look(slot, child)
  }

  #endIfEmpty (): void {
    if (!this.#stopping || this.children.size > 0 || this.#over) return
    this.#over = true
    this.#listeners.uninstall()
    this.aggregate.enter('terminated')
    const code = this.#exitCode || this.#respawn.exitCode
    this.#message.finish(code)
    this.#lines.ends(code)
    this.#done.resolve(code)
  }
}
