import { clearTimeout, setImmediate, setTimeout } from 'node:timers'
import type { SupervisorSettings } from '../options.ts'
import { codeOf, isRequest } from '../protocol.ts'
import type { ChildEnd } from '../protocol.ts'
import type { Child } from './child.ts'
import type { SupervisorLog } from './terminal.ts'

/** One of the places that the service's children have: who has it, and when it is filled again. */
export class Slot {
  /** From 1. */
  readonly number: number
  /** The child that has this place; undefined while none does. */
  child: Child | undefined
  /** The child that is to have it as soon as it is ready. */
  successor: Child | undefined
  /** How often it was filled again after an end that nobody asked for. */
  restarts = 0
  /** Whether a child of it has been ready. */
  served = false
  readonly backoff: Backoff = new Backoff()
  #timer: NodeJS.Timeout | undefined

  constructor (number: number) {
    this.number = number
  }

  /** Whether a start is due. */
  get waiting (): boolean { return this.#timer !== undefined }

  /** Calls `start` in `delay` milliseconds. */
  fillLater (delay: number, start: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      start()
    }, delay)
  }

  /** Nobody is started here any more, unless asked anew. */
  leaveEmpty (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

/** Milliseconds before a child that crashed is started again: the first time, and at most. */
const firstDelay = 1000
const longestDelay = 30_000
/** A child that was ready for this long is healthy: its crash is a first one, and it is replaced at once. */
const healthyAfter = 60_000

/** How long to wait before the next start of one place: 1 s, doubling, at most 30 s. */
export class Backoff {
  #delay = firstDelay
  /** Children in a row that ended before they were ready. */
  #failedStarts = 0

  get failedStarts (): number { return this.#failedStarts }

  /** A child has become ready. */
  started (): void {
    this.#failedStarts = 0
  }

  /**
   * A child has ended that nobody told to. Answers how long to wait, in milliseconds.
   *
   * @param readyFor milliseconds since it became ready; undefined where it never did
   */
  ended (readyFor: number | undefined): number {
    if (readyFor === undefined) this.#failedStarts++
    if (readyFor !== undefined && readyFor >= healthyAfter) {
      this.#delay = firstDelay
      return 0
    }
    const delay = this.#delay
    this.#delay = Math.min(longestDelay, delay * 2)
    return delay
  }
}

/** As much of the supervisor as the end of a child needs. */
export interface Staffed {
  readonly settings: SupervisorSettings
  readonly log: SupervisorLog
  readonly stopping: boolean
  readonly aggregate: { readonly readyChildren: number, look (): void }
  fill (slot: Slot): void
  limit (child: Child): void
  shutdown (end: { reason: string, exitCode: number, problem: string }): Promise<number>
}

/** What else {@link Respawn} asks and tells. */
export interface RespawnParts {
  /** Whether the aggregate was taken out of rotation by hand. */
  drained (): boolean
  /** A child has ended. */
  ended (child: Child, end: ChildEnd): void
}

/** How children end that nobody has told to, and who follows them. */
export class Respawn {
  readonly #supervisor: Staffed
  readonly #ports: RespawnParts
  readonly #groupSignals = new GroupSignals()
  readonly #codes: number[] = []

  constructor (supervisor: Staffed, ports: RespawnParts) {
    this.#supervisor = supervisor
    this.#ports = ports
  }

  /** Of those who have ended with all, the first that is not 0. */
  get exitCode (): number { return this.#codes.find((code) => code !== 0) ?? 0 }

  /** The supervisor has got the signal, too, that some children have. */
  settle (): void {
    this.#groupSignals.settle()
  }

  /** A child is on its way to its end. */
  ending (slot: Slot, child: Child): void {
    if (child.leaving || this.#supervisor.stopping || this.#groupSignals.has(child)) return
    if (child.state.signalled) this.#groupSignals.wait(child, () => this.#leaves(slot, child))
    else this.#leaves(slot, child)
  }

  /** A child's process has ended. */
  exited (slot: Slot, child: Child, end: ChildEnd): void {
    const { stopping, aggregate } = this.#supervisor
    const doubtful = this.#groupSignals.has(child) || (isRequest(end.signal) && !child.leaving && !stopping)
    if (!doubtful) return this.#ended(slot, child, end)
    aggregate.look()
    this.#groupSignals.wait(child, () => this.#ended(slot, child, end))
  }

  /** A child ends by itself (a crash, a signal sent to it alone): its place is filled while it still drains. */
  #leaves (slot: Slot, child: Child): void {
    if (child.leaving || this.#supervisor.stopping) return
    child.pass('draining')
    if (slot.child !== child || this.#ports.drained()) return
    child.leaving = true
    const { pid: childPid, state: { phase } } = child
    this.#supervisor.log.warn(
      { event: 'graceful.supervisor.leaving', child: slot.number, childPid, phase },
      `child ${slot.number} (process ${childPid}) shuts down by itself`
    )
    this.#supervisor.limit(child)
    this.#refill(slot, child)
  }

  #ended (slot: Slot, child: Child, { code, signal }: ChildEnd): void {
    const { stopping, log, aggregate } = this.#supervisor
    const asked = child.leaving || stopping
    const expected = asked && !child.killed && (code === 0 || child.unborn)
    const exitCode = expected ? 0 : codeOf({ code, signal })
    const details = {
      event: 'graceful.supervisor.exit',
      child: slot.number,
      childPid: child.pid,
      exitCode: code,
      signal,
      ...expected ? {} : { lastWords: child.lastWords }
    }
    log[expected ? 'info' : 'error'](details, `${child.title} ended with ${signal ?? `code ${code}`}`)
    if (stopping) this.#codes.push(child.killed ? 1 : exitCode)
    this.#ports.ended(child, { code, signal })
    aggregate.look()
    if (slot.child === child && (!child.leaving || child.late)) this.#refill(slot, child, exitCode)
  }

  /** Fills a place whose child ends or has ended without having been told to. */
  #refill (slot: Slot, child: Child, exitCode = 0): void {
    const { stopping, settings, log, aggregate } = this.#supervisor
    const delay = slot.backoff.ended(child.readyFor)
    if (stopping) return
    const { failedStarts } = slot.backoff
    if (failedStarts > settings.maxCrashes && (!slot.served || aggregate.readyChildren < settings.minReady)) {
      const code = exitCode || 1
      const problem = `child ${slot.number} ended ${failedStarts} times in a row before it was ready`
      log.error(
        { event: 'graceful.supervisor.giveUp', child: slot.number, exitCode: code },
        `${problem}, ${slot.served ? 'and too few others are ready' : 'and never was'}: `
          + `supervisor gives up with code ${code}`
      )
      void this.#supervisor.shutdown({
        reason: 'crash loop',
        exitCode: code,
        problem: `${problem}, the last time with code ${code}; its last words: ${child.lastWords}`
      })
      return
    }
    slot.restarts++
    log.warn(
      { event: 'graceful.supervisor.backoff', child: slot.number, delay, failedStarts },
      `child ${slot.number} is started again in ${delay} ms`
    )
    slot.child = undefined
    slot.fillLater(delay, () => this.#supervisor.fill(slot))
  }
}

/** Milliseconds in which a signal to a whole process group reaches everybody. */
export const groupWindow = 100

/**
 * Children that a signal ends which the supervisor has not got. Terminals, control groups and
 * `kill -- -group` send it to all, in any order: whether a child ends by itself is known a moment later.
 */
class GroupSignals {
  readonly #open = new Map<Child, Array<() => void>>()

  /** Calls `decide` when it is known. Later calls for the same child are called after it. */
  wait (child: Child, decide: () => void): void {
    const waiting = this.#open.get(child)
    if (waiting !== undefined) return void waiting.push(decide)
    this.#open.set(child, [decide])
    // On a busy machine a timer is late, and a signal that came before it is handled after it: one more turn.
    setTimeout(() => setImmediate(() => this.#settle(child)), groupWindow)
  }

  has (child: Child): boolean {
    return this.#open.has(child)
  }

  /** The supervisor has got it, too. */
  settle (): void {
    for (const child of this.#open.keys()) this.#settle(child)
  }

  #settle (child: Child): void {
    const waiting = this.#open.get(child) ?? []
    this.#open.delete(child)
    for (const decide of waiting) decide()
  }
}
