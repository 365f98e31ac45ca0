import { errors, messageOf } from '../../errors.ts'
import type { Phase } from '../../lifecycle/phase.ts'
import type { Child } from './child.ts'
import type { SupervisorLog } from './terminal.ts'
import type { SupervisorSettings } from '../settings.ts'

/** What may be asked for by hand. */
export type DrainQuestion = 'drain' | 'undrain' | 'prestop'

/** As much of the supervisor as a drain by hand needs. */
interface Drainable {
  readonly settings: SupervisorSettings
  readonly children: ReadonlySet<Child>
  readonly log: SupervisorLog
  readonly stopping: boolean
  readonly aggregate: { readonly phase: Phase, enter (phase: Phase): void }
}

/** How long a child may take to follow, in milliseconds. */
const patience = 1000

/** Takes the whole out of rotation by hand, or for a preStop hook, and back. */
export class HandDrain {
  readonly #supervisor: Drainable
  #drained = false
  #graceStart: number | undefined

  constructor (supervisor: Drainable) {
    this.#supervisor = supervisor
  }

  get drained (): boolean { return this.#drained }
  /** When a preStop call has started the kubelet's clock, on that of `performance.now()`; undefined where none came. */
  get graceStart (): number | undefined { return this.#graceStart }

  /**
   * Asks all children; `prestop` settles when phase 1 of all could end.
   *
   * @throws FST_GRACEFUL_ILLEGAL_MOVE
   */
  async ask (question: DrainQuestion): Promise<void> {
    const { stopping, aggregate, children, settings } = this.#supervisor
    if (stopping && question === 'prestop') return
    const drained = question !== 'undrain'
    const to = drained ? 'announcing' : 'running'
    if (stopping) throw new errors.FST_GRACEFUL_ILLEGAL_MOVE(aggregate.phase, to, 'a shutdown is under way')
    if (this.#drained === drained && question !== 'prestop') {
      throw new errors.FST_GRACEFUL_ILLEGAL_MOVE(
        aggregate.phase,
        to,
        drained ? 'a drain needs phase running' : 'only phase announcing can be undone'
      )
    }
    this.#drained = drained
    if (question === 'prestop') this.#graceStart ??= performance.now()
    else if (question === 'undrain') this.#graceStart = undefined
    aggregate.enter(to)
    const timeout = question === 'prestop' ? settings.gracePeriod : patience
    await Promise.all(
      [...children]
        .filter(({ alive, leaving }) => alive && !leaving)
        .map((child) => this.#ask(child, question, timeout))
    )
  }

  /** A child that has just come follows the others. */
  async join (child: Child): Promise<void> {
    if (this.#drained && child.alive) await this.#ask(child, 'drain', patience)
  }

  async #ask (child: Child, question: DrainQuestion, timeout: number): Promise<void> {
    try {
      await child.ask(question, timeout)
    } catch (error) {
      const problem = messageOf(error)
      this.#supervisor.log.warn(
        { event: 'graceful.supervisor.failure', child: child.place, childPid: child.pid, problem },
        `child ${child.place} (process ${child.pid}) did not ${question}: ${problem}`
      )
    }
  }
}
