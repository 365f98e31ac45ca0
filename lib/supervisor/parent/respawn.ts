import type { Child } from './child.ts'
import { codeOf, isRequest } from '../code.ts'
import type { ChildEnd } from '../code.ts'
import { GroupSignals } from './group-signal.ts'
import type { SupervisorLog } from './log.ts'
import type { SupervisorSettings } from '../settings.ts'
import type { Slot } from './slot.ts'

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

/** What else it asks and tells. */
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

  /** It ends by itself (a crash, a signal sent to it alone): its place is filled while it still drains. */
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
