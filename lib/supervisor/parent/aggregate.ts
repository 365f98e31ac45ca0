import { errors, messageOf } from '../../errors.ts'
import { phaseNumber } from '../../lifecycle/phase.ts'
import type { Phase } from '../../lifecycle/phase.ts'
import type { SupervisorSettings } from '../options.ts'
import type { Child } from './child.ts'
import type { Slot } from './respawn.ts'
import type { SupervisorLog } from './terminal.ts'

/** What phase and readiness of the whole are read from. */
export interface AggregateParts {
  settings: SupervisorSettings
  slots: readonly Slot[]
  children: ReadonlySet<Child>
  log: SupervisorLog
  stopping (): boolean
  /** Whether it was taken out of rotation by hand. */
  drained (): boolean
}

/** Phase and readiness of all children together. */
export class Aggregate {
  readonly #ports: AggregateParts
  readonly #watchers = new Set<(phaseChanged: boolean) => void>()
  #phase: Phase = 'running'
  #since = Date.now()
  #wasReady = false
  #started = false

  constructor (ports: AggregateParts) {
    this.#ports = ports
  }

  get phase (): Phase { return this.#phase }
  /** Epoch milliseconds at which the current phase began. */
  get since (): number { return this.#since }
  /** Whether it has been ready once. */
  get started (): boolean { return this.#started }
  get readyChildren (): number {
    const { slots } = this.#ports
    return slots.filter(({ child, successor }) => child?.ready === true || successor?.ready === true).length
  }
  /** Whether enough children are ready, and nobody ends. */
  get ready (): boolean {
    return !this.#ports.stopping() && !this.#ports.drained() && this.readyChildren >= this.#ports.settings.minReady
  }
  /** Whether every place has a child that has been ready and stays. */
  get served (): boolean {
    return this.#ports.slots.every(({ child }) =>
      child !== undefined && child.worker.isConnected() && !child.ending && child.readyFor !== undefined
    )
  }

  /** Calls `listener` whenever a child has changed, and with `true` when the phase has. */
  onChange (listener: (phaseChanged: boolean) => void): void {
    this.#watchers.add(listener)
  }

  /** A child has changed. While all end, the phase of the whole is that of its slowest child. */
  look (): void {
    this.#noteReadiness()
    for (const watch of this.#watchers) watch(false)
    if (!this.#ports.stopping()) return
    const phases = [...this.#ports.children].filter(({ alive }) => alive).map(({ state }) => state.phase ?? 'running')
    const [slowest] = phases.toSorted((a, b) => phaseNumber(a) - phaseNumber(b))
    if (slowest !== undefined && phaseNumber(slowest) > phaseNumber(this.#phase)) this.enter(slowest)
  }

  /** The whole is in another phase. */
  enter (phase: Phase): void {
    if (phase === this.#phase) return
    this.#phase = phase
    this.#since = Date.now()
    this.#noteReadiness()
    for (const watch of this.#watchers) watch(true)
  }

  #noteReadiness (): void {
    const { ready } = this
    if (ready === this.#wasReady) return
    this.#wasReady = ready
    this.#started ||= ready
    const { stopping, log, settings } = this.#ports
    const children = `${this.readyChildren} of ${settings.workers} children ready`
    if (!stopping()) {
      log[ready ? 'info' : 'warn'](
        { event: 'graceful.supervisor.readiness', ready },
        ready ? `ready: ${children}` : `not ready: ${children}`
      )
    }
  }
}

/** The phases at whose end children wait for each other. */
const stepped = ['announcing', 'closing', 'draining'] as const

/** As much of a child as the barrier looks at. */
type Member = Pick<Child, 'alive' | 'inStep' | 'state' | 'pass'>

/** The parent's side: when all children that end together have done with a phase, each may pass on to the next. */
export class PhaseBarrier {
  readonly #children: Iterable<Member>
  readonly #mayPass: (phase: Phase) => boolean
  #passed = 0

  /** @param mayPass what is to be done between a phase and the next one; false where it is not done yet */
  constructor (children: Iterable<Member>, mayPass: (phase: Phase) => boolean) {
    this.#children = children
    this.#mayPass = mayPass
  }

  /** The state of a child has changed. */
  look (): void {
    const members = [...this.#children].filter(({ alive, inStep }) => alive && inStep)
    this.#passLate(members)
    for (const phase of stepped) {
      const number = phaseNumber(phase)
      if (number <= this.#passed) continue
      const isOver = ({ state }: Member): boolean =>
        phaseNumber(state.phase ?? 'running') > number || state.waitsIn === phase
      if (members.length === 0 || !members.every(isOver) || !this.#mayPass(phase)) return
      this.#passed = number
      for (const member of members) member.pass(phase)
    }
  }

  /** Lets those children pass that were not there yet when the others did. */
  #passLate (members: readonly Member[]): void {
    for (const member of members) {
      const { phase, waitsIn } = member.state
      if (waitsIn !== undefined && waitsIn === phase && phaseNumber(waitsIn) <= this.#passed) member.pass(waitsIn)
    }
  }
}

/** The orders that may be given by hand, or by a preStop hook. */
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
