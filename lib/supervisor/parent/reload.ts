import { setTimeout as sleep } from 'node:timers/promises'
import type { Phase } from '../../lifecycle/phase.ts'
import { within } from '../../util/promises.ts'
import { whyNotReady } from './log-lines.ts'
import type { Child } from './child.ts'
import { groupWindow } from './respawn.ts'
import type { SupervisorLog } from './terminal.ts'
import { MemoryLimit } from './memory.ts'
import type { SupervisorSettings } from '../options.ts'
import type { Slot } from './respawn.ts'

/** As much of the supervisor as a reload needs. */
export interface Reloadable {
  readonly settings: SupervisorSettings
  readonly slots: readonly Slot[]
  readonly log: SupervisorLog
  readonly stopping: boolean
  readonly aggregate: { readonly phase: Phase, look (): void }
  spawn (slot: Slot): Child
  fill (slot: Slot): void
  dismiss (child: Child, signal: NodeJS.Signals, replaced: boolean, why?: string): void
}

/** Replaces children, one after the other, without a moment in which fewer serve: all, or who has too much memory. */
export class Reload {
  readonly #supervisor: Reloadable
  /** Made with the first look: the supervisor is not whole before. */
  #memory: MemoryLimit | undefined
  /** The ends of children that were replaced and are not gone yet. */
  readonly #leaving = new Set<Promise<unknown>>()
  /** What is being replaced. */
  #running: 'all' | 'one' | undefined
  #replaced = 0
  #queued: string | undefined
  #problem: string | undefined

  constructor (supervisor: Reloadable) {
    this.#supervisor = supervisor
  }

  /** Whether all are being replaced. */
  get running (): boolean { return this.#running === 'all' }
  /** Why the last one stopped; undefined where it did not. */
  get problem (): string | undefined { return this.#problem }

  /** A child has told its state. */
  look (slot: Slot, child: Child): void {
    const { settings: { maxMemory: limit }, log } = this.#supervisor
    this.#memory ??= new MemoryLimit({
      limit,
      log,
      now: () => performance.now(),
      replace: (given, why) => this.#replaceOne(given, why)
    })
    this.#memory.look(slot, child)
  }

  /** Begins, or is done again when the one under way is over: that may have begun before the newest code was there. */
  ask (reason: string): void {
    const { log } = this.#supervisor
    if (this.#running !== undefined) {
      log.info(
        { event: 'graceful.supervisor.reload', reason, queued: true },
        `a ${this.#running === 'all' ? 'reload' : 'replacement'} is under way, one more follows it: ${reason}`
      )
      this.#queued = reason
      return
    }
    this.#running = 'all'
    this.#problem = undefined
    this.#supervisor.aggregate.look()
    void this.#run(reason).finally(() => this.#over())
  }

  #over (): void {
    this.#running = undefined
    const next = this.#queued
    this.#queued = undefined
    if (next !== undefined && !this.#supervisor.stopping) this.ask(next)
    else this.#supervisor.aggregate.look()
  }

  /** One place alone; undefined while that has to wait. */
  #replaceOne (slot: Slot, why: string): Promise<string | undefined> | undefined {
    const { settings: { maxSurge }, stopping, aggregate } = this.#supervisor
    const isBusy = this.#running !== undefined || this.#leaving.size >= maxSurge
    if (isBusy || stopping || aggregate.phase !== 'running') return undefined
    this.#running = 'one'
    // The line that says why comes first.
    return Promise.resolve().then(() => this.#replace(slot, why)).finally(() => this.#over())
  }

  /** The end of all cuts it off. */
  stop (reason: string): void {
    if (!this.running) return
    const { log, slots } = this.#supervisor
    const problem = `the supervisor shuts down: ${reason}`
    const queued = this.#queued === undefined ? '' : ', and the one queued behind it left out'
    log.warn(
      { event: 'graceful.supervisor.reload', replaced: this.#replaced, problem },
      `reload cut off after ${this.#replaced} of ${slots.length}${queued}: ${problem}`
    )
  }

  async #run (reason: string): Promise<void> {
    const { log, slots, settings } = this.#supervisor
    const startedAt = performance.now()
    log.info(
      { event: 'graceful.supervisor.reload', reason },
      `reload of ${slots.length} ${slots.length === 1 ? 'child' : 'children'}: ${reason}`
    )
    this.#replaced = 0
    for (const slot of slots) {
      /* oxlint-disable no-await-in-loop -- one after the other is the point */
      while (this.#leaving.size >= settings.maxSurge && !this.#supervisor.stopping) await Promise.race(this.#leaving)
      if (this.#supervisor.stopping) return
      const problem = await this.#replace(slot)
      /* oxlint-enable no-await-in-loop */
      if (this.#supervisor.stopping) return
      if (problem !== undefined) {
        this.#problem = problem
        log.error(
          { event: 'graceful.supervisor.reload', replaced: this.#replaced, child: slot.number, problem },
          `reload stopped after ${this.#replaced} of ${slots.length}, the old children stay: ${problem}`
        )
        return
      }
      this.#replaced++
    }
    await Promise.all(this.#leaving)
    if (this.#supervisor.stopping) return
    const duration = Math.round(performance.now() - startedAt)
    log.info(
      { event: 'graceful.supervisor.reload', replaced: this.#replaced, duration },
      `reload done: ${this.#replaced} replaced in ${duration} ms`
    )
  }

  /** Answers why the new child did not get the place; undefined where it did. */
  async #replace (slot: Slot, why?: string): Promise<string | undefined> {
    const { settings } = this.#supervisor
    const successor = slot.successor = this.#supervisor.spawn(slot)
    await within(successor.settled, settings.startTimeout)
    slot.successor = undefined
    // A signal to the whole process group may have reached it first.
    if (!successor.alive) await sleep(groupWindow)
    if (this.#supervisor.stopping) return undefined
    if (successor.readyFor === undefined || !successor.alive) {
      const { pid } = successor
      const problem = successor.alive
        ? `process ${pid} was not ready within ${settings.startTimeout} ms: ${whyNotReady(successor)}`
        : `${pid === undefined ? 'the new one' : `process ${pid}`} ended while starting; `
          + `its last words: ${successor.lastWords}`
      if (successor.alive) this.#supervisor.dismiss(successor, 'SIGTERM', true)
      // Where the old one has ended meanwhile, somebody must follow it all the same.
      if (!slot.waiting) this.#supervisor.fill(slot)
      return problem
    }
    const old = slot.child
    slot.leaveEmpty()
    slot.child = successor
    if (old?.alive === true) {
      if (!old.leaving) this.#supervisor.dismiss(old, 'SIGTERM', true, why)
      const gone: Promise<unknown> = old.gone.finally(() => this.#leaving.delete(gone))
      this.#leaving.add(gone)
    }
    return undefined
  }
}
