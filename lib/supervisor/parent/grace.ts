import type { Child } from './child.ts'
import type { SupervisorLog } from './log.ts'
import type { SupervisorSettings } from '../settings.ts'

/** Says once that a service goes by a longer grace period than its supervisor leaves it. */
export class GraceWarning {
  readonly #settings: Pick<SupervisorSettings, 'gracePeriod' | 'preStop' | 'childGracePeriod' | 'childTimeout'>
  readonly #log: SupervisorLog
  #said = false

  constructor (
    settings: Pick<SupervisorSettings, 'gracePeriod' | 'preStop' | 'childGracePeriod' | 'childTimeout'>,
    log: SupervisorLog
  ) {
    this.#settings = settings
    this.#log = log
  }

  look ({ state: { gracePeriod: own } }: Pick<Child, 'state'>): void {
    const { gracePeriod, preStop, childGracePeriod, childTimeout } = this.#settings
    if (this.#said || own === undefined || own <= childGracePeriod) return
    this.#said = true
    const killedAfter = childGracePeriod + childTimeout - preStop
    this.#log.warn(
      { event: 'graceful.supervisor.gracePeriod', own, gracePeriod, childGracePeriod, killedAfter },
      `the service's own gracePeriod is ${own} ms, but the supervisor's of ${gracePeriod} ms (--grace) `
        + `leaves a child ${childGracePeriod} ms. The supervisor's holds: what has not ended after `
        + `${killedAfter} ms is killed. Leave the service's out, or raise --grace`
    )
  }
}
