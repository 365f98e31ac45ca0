import { phaseNumber } from '../../lifecycle/phase.ts'
import type { Phase } from '../../lifecycle/phase.ts'
import type { Child } from './child.ts'
import type { SupervisorLog } from './log.ts'
import type { SupervisorSettings } from '../settings.ts'
import type { Slot } from './slot.ts'

/** What the whole consists of. */
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
