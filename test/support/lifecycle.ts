import { cutBudget } from '../../lib/lifecycle/budget.ts'
import type { Budget, BudgetInput } from '../../lib/lifecycle/budget.ts'
import { Lifecycle } from '../../lib/lifecycle/lifecycle.ts'
import type { Phase } from '../../lib/lifecycle/phase.ts'
import type { Driver } from '../../lib/lifecycle/driver.ts'
import type { PhaseRecord, Report } from '../../lib/lifecycle/report.ts'
import { FakeClock } from './clock.ts'
import { kubernetesFloors } from './floors.ts'
import { noTraffic } from './report.ts'

/** What a {@link World} is made of. */
export interface WorldOptions {
  clock?: FakeClock
  /** The budget's input; a grace period of 30 s by default. */
  budget?: Partial<BudgetInput>
  /** Whether the floors of Kubernetes apply. */
  kubernetes?: boolean
  ports?: Partial<Driver>
}

/** A state machine with a clock that is turned by hand and everything around it written down. */
export class World {
  readonly clock: FakeClock
  readonly budget: Budget
  readonly lifecycle: Lifecycle
  /** The phases that were entered, in order. */
  readonly phases: Phase[] = []
  readonly records: PhaseRecord[] = []
  readonly failed: string[] = []
  /** What the ports were asked to do, in order. */
  readonly calls: string[] = []

  constructor ({ clock = new FakeClock(), budget = {}, kubernetes = false, ports = {} }: WorldOptions = {}) {
    this.clock = clock
    this.budget = cutBudget({ gracePeriod: 30_000, preStop: 0, ...budget }, kubernetes ? kubernetesFloors : undefined)
    this.lifecycle = new Lifecycle(this.clock, this.budget, {
      cut: () => {
        this.calls.push('cut')
        return { requests: [], streams: 0, upgraded: 0, connections: [], byOthers: [] }
      },
      end: async () => { this.calls.push('end') },
      traffic: noTraffic,
      advice: () => [],
      others: () => undefined,
      ...ports
    })
    this.lifecycle.on('failure', ({ name, message, phase }) => { this.failed.push(`${name} in ${phase}: ${message}`) })
    this.lifecycle.on('phase', (phase, _previous, record) => {
      this.phases.push(phase)
      this.records.push(record)
    })
  }

  get phase (): Phase { return this.lifecycle.phase }

  /** Begins the end as a signal does. */
  signal (): void {
    void this.lifecycle.shutdown({ kind: 'shutdown', reason: 'SIGTERM' })
  }

  /** Lets time pass until a phase begins, and answers how much it took. */
  async reach (phase: Phase): Promise<number> {
    return this.clock.advanceUntil(() => this.phase === phase)
  }

  /** Lets time pass until the end is over, and answers the report. */
  async finish (): Promise<Report> {
    await this.clock.advanceUntil(() => this.lifecycle.report !== undefined)
    return this.lifecycle.done
  }

  /** Who stalls now, by name and reason. */
  stalls (): string[] {
    return this.lifecycle.stalls().map(({ name, reason }) => `${name}: ${reason}`)
  }
}
