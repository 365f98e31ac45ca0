import { clearTimeout, setTimeout } from 'node:timers'
import { deferred } from '../../lifecycle/deferred.ts'
import { Child, whyNotReady } from './child.ts'
import { Deadline } from './deadline.ts'
import { HandDrain } from './drain.ts'
import type { DrainQuestion } from './drain.ts'
import { GraceWarning } from './grace.ts'
import { Listeners } from './listeners.ts'
import type { SupervisorLog } from './log.ts'
import { TreeMessage } from './message.ts'
import type { TreeEnd } from './message.ts'
import type { SupervisorSettings } from '../settings.ts'
import type { Sinks } from './output.ts'
import { Slot } from './slot.ts'
import { ProbeNews } from './probe-updates.ts'
import { Reload } from './reload.ts'
import { counted } from '../../util/text.ts'
import { forkChild } from './spawn.ts'
import { PhaseBarrier } from './phase-barrier.ts'
import { Respawn } from './respawn.ts'
import { Whole } from './aggregate.ts'

/** What the supervisor is given. */
export interface SupervisorPorts {
  sinks: Sinks
  log: SupervisorLog
}

/** What the end of all is asked for with. */
export interface SupervisorEnd {
  reason: string
  /** What children are told that it came as. Default SIGTERM. */
  signal?: NodeJS.Signals
  /** Where no child says otherwise. Default 0. */
  exitCode?: number
  /** How much of the grace period is over, in milliseconds. Default 0. */
  elapsed?: number
  /** What went wrong, where that is why. */
  problem?: string
}

/** The children of a service: started, kept, replaced and ended together. */
export class Supervisor {
  readonly settings: SupervisorSettings
  readonly slots: readonly Slot[]
  readonly log: SupervisorLog
  /** Everybody who is alive, and whoever is on the way out. */
  readonly children: Set<Child> = new Set()
  /** Who asks for readiness on the supervisor's own port. */
  readonly probes: ProbeNews = new ProbeNews(this.children)
  /** Phase and readiness of all together. */
  readonly whole: Whole
  readonly #message: TreeMessage
  readonly #sinks: SupervisorPorts['sinks']
  readonly #done = deferred<number>()
  readonly #reload: Reload
  readonly #listeners: Listeners
  readonly #barrier: PhaseBarrier
  readonly #hand: HandDrain
  readonly #grace: GraceWarning
  readonly #respawn: Respawn
  readonly #deadline: Deadline
  #stopping = false
  #over = false
  #exitCode = 0

  constructor (settings: SupervisorSettings, { sinks, log }: SupervisorPorts) {
    this.settings = settings
    this.log = log
    this.#sinks = sinks
    this.slots = Array.from({ length: settings.workers }, (_, index) => new Slot(index + 1))
    this.#deadline = new Deadline(settings)
    this.#reload = new Reload(this)
    this.#hand = new HandDrain(this)
    this.#grace = new GraceWarning(settings, log)
    this.whole = new Whole({
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
    this.#barrier = new PhaseBarrier(this.children, (phase) => { if (phase === 'announcing') this.#listeners.close() })
    this.#listeners = new Listeners({
      expected: () =>
        !this.whole.served
        && (this.slots.some(({ child }) => child === undefined)
          || [...this.children].some((child) => child.ending || !child.worker.isConnected())),
      over: () => this.whole.served
    })
    this.whole.onChange((phaseChanged) => {
      if (phaseChanged) this.#message.enter(this.whole.phase)
      else if (this.#stopping) this.#barrier.look()
    })
  }

  /** The processes below this one. */
  get pids (): number[] {
    return [...this.children]
      .filter(({ alive }) => alive)
      .flatMap(({ pid, state }) => [...pid === undefined ? [] : [pid], ...state.descendants])
  }

  /** Settles with the exit code when the last child is gone and all it wrote was forwarded. */
  get done (): Promise<number> { return this.#done.promise }
  get stopping (): boolean { return this.#stopping }
  /** The end of all; undefined while none was asked for. */
  get end (): TreeEnd | undefined { return this.#message.end }
  get reloading (): boolean { return this.#reload.running }

  start (): void {
    const { script, workers, gracePeriod, childGracePeriod } = this.settings
    this.log.info(
      { event: 'graceful.supervisor.start', script, workers, gracePeriod, childGracePeriod },
      `supervisor starts ${workers} ${workers === 1 ? 'child' : 'children'}`
    )
    this.#message.check()
    if (process.pid === 1) {
      this.log.info(
        { event: 'graceful.supervisor.init' },
        'supervisor is process 1: it ends and reaps its children, but nobody reaps what their own children '
          + 'leave behind. Where they have some, start an init before it: docker run --init, tini, or '
          + 'shareProcessNamespace in a pod'
      )
    }
    this.#listeners.install()
    for (const slot of this.slots) this.fill(slot)
  }

  /** A new child, which nobody has counted on yet. */
  spawn (slot: Slot): Child {
    const child = new Child(forkChild(this.settings), slot.number, this.#sinks, this.#deadline.longest, {
      changed: (changed) => this.#changed(slot, changed),
      exited: (exited, end) => this.#respawn.exited(slot, exited, end),
      orphaned: (parent, pids) => this.#orphaned(parent, pids),
      killed: (parent, pids) =>
        this.log.error(
          { event: 'graceful.supervisor.kill', child: parent.place, childPid: parent.pid, pids },
          `what child ${parent.place} (process ${parent.pid}) had left behind did not end in time: `
            + `killed ${pids.join(', ')}`
        )
    })
    this.children.add(child)
    this.log.info(
      { event: 'graceful.supervisor.spawn', child: slot.number, childPid: child.pid },
      `child ${slot.number} ${child.pid === undefined ? 'cannot be started' : `starts as process ${child.pid}`}`
    )
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
  dismiss (child: Child, signal: NodeJS.Signals, replaced: boolean): void {
    child.shutdown({ signal, replaced, count: 1 })
    this.limit(child)
  }

  /** What is left of the grace period, in milliseconds; Infinity while no end was asked for. */
  get remaining (): number { return this.#deadline.remaining }

  /** Kills a child that has not ended when its time is over. */
  limit (child: Child): void {
    const timeout = Math.round(this.#deadline.patience)
    child.limit(timeout, () => this.log.error(
      { event: 'graceful.supervisor.kill', child: child.place, childPid: child.pid, phase: child.state.phase },
      `child ${child.place} (process ${child.pid}) did not end within ${timeout} ms, `
        + `in phase '${child.state.phase ?? 'unknown'}': killed`
    ))
  }

  /** Replaces every child. A second call meanwhile is done once more afterwards. */
  reload (reason: string): void {
    if (this.#stopping) return
    this.#reload.ask(reason)
  }

  /** The end of all, begun or joined. The first reason and the first exit code win. */
  shutdown ({ reason, signal = 'SIGTERM', exitCode = 0, elapsed = 0, problem }: SupervisorEnd): Promise<number> {
    if (this.#stopping) return this.done
    this.#stopping = true
    this.#exitCode = exitCode
    this.#deadline.begin(elapsed, this.#hand.graceStart)
    this.log.info(
      { event: 'graceful.supervisor.shutdown', reason, children: this.children.size },
      `supervisor shuts down: ${reason}`
    )
    this.#reload.stop(reason)
    for (const slot of this.slots) slot.leaveEmpty()
    for (const sink of new Set(Object.values(this.#sinks))) sink.limit(...this.#deadline.output)
    this.#listeners.release()
    this.#message.begin({
      kind: problem === undefined ? 'shutdown' : 'crash',
      reason,
      ...problem !== undefined && { problem }
    })
    this.whole.enter('announcing')
    this.#respawn.settle()
    for (const child of this.children) {
      // Who is on its way out already has its order; a second one would cut it short. What is left
      // of the grace period may be less than it was given.
      if (!child.leaving) child.shutdown({ signal, replaced: false, together: true, elapsed, count: 1 })
      this.limit(child)
    }
    // Those whom the signal has reached itself may have done with a phase.
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
    this.log.warn(
      { event: 'graceful.supervisor.dropped', lines },
      `${counted(lines, 'line', 'lines')} of the output ${lines === 1 ? 'was' : 'were'} dropped: `
        + 'whoever reads it had stopped'
    )
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
      this.log.error(
        { event: 'graceful.supervisor.late', child: slot.number, childPid: child.pid, lastWords: child.lastWords },
        `child ${slot.number} (process ${child.pid}) was not ready within ${this.settings.startTimeout} ms: `
          + whyNotReady(child)
      )
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
    this.whole.look()
    if (child.state.ending) this.#respawn.ending(slot, child)
  }

  #orphaned (child: Child, pids: readonly number[]): number {
    this.log.warn(
      { event: 'graceful.supervisor.orphans', child: child.place, childPid: child.pid, pids },
      `child ${child.place} (process ${child.pid}) has left processes behind: ${pids.join(', ')}`
    )
    return this.#deadline.patience
  }

  #endIfEmpty (): void {
    if (!this.#stopping || this.children.size > 0 || this.#over) return
    this.#over = true
    this.#listeners.uninstall()
    this.whole.enter('terminated')
    const code = this.#exitCode || this.#respawn.exitCode
    this.#message.finish(code)
    this.log.info({ event: 'graceful.supervisor.end', exitCode: code }, `supervisor ends with code ${code}`)
    this.#done.resolve(code)
  }
}
