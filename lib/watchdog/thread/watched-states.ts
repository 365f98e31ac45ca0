import { phaseNumber } from '../../lifecycle/phase.ts'
import type { PublicStatus } from '../../status/model.ts'
import { SharedSnapshots } from '../heartbeat.ts'
import type { ToThread, Verdicts, WatchedState } from '../protocol.ts'

/** The applications as the main thread has told of them, with what was last seen of their requests. */
export class WatchedStates {
  readonly #snapshots: SharedSnapshots
  #told: WatchedState[] = []
  /** With what was seen of their requests by the look of this number. */
  #seen: { version: number, applications: WatchedState[] } = { version: -1, applications: [] }
  #verdicts: Verdicts[] = []

  constructor (snapshots: SharedArrayBuffer) {
    this.#snapshots = new SharedSnapshots(snapshots)
  }

  /** The main thread has told. */
  receive ({ applications, verdicts }: ToThread & { type: 'applications' }): void {
    this.#told = applications
    this.#seen.version = -1
    if (verdicts !== undefined) this.#verdicts = verdicts
  }

  /** As messages tell of them. */
  get told (): WatchedState[] { return this.#told }

  /** With what was last seen of their requests. */
  get seen (): WatchedState[] {
    const { version } = this.#snapshots
    if (this.#seen.version !== version) {
      const snapshots = this.#snapshots.read()
      // One has come or gone since.
      const isOther = snapshots.length !== this.#told.length
      const applications = isOther ? this.#told : this.#told.map((one, index) => ({ ...one, ...snapshots[index] }))
      this.#seen = { version, applications }
    }
    return this.#seen.applications
  }

  /** The last verdicts of their checks. */
  get verdicts (): Verdicts[] { return this.#verdicts }

  /** Verdicts that were asked for. */
  learn (verdicts: readonly Verdicts[]): void {
    this.#verdicts = [...verdicts]
  }

  /** Whether the boot of one is over. */
  get hasBooted (): boolean {
    return this.#told.some(({ started }) => started)
  }
}

/**
 * The applications, with the requests that they were last seen with as old as these are by now.
 *
 * @param now of the shared clock
 */
export function agedApplications (applications: readonly WatchedState[], now: number): WatchedState[] {
  return applications.map((application) => {
    const { requests, seenAt } = application
    if (seenAt === undefined) return application
    return {
      ...application,
      requests: requests.map((request) => ({ ...request, age: Math.round(request.age + now - seenAt) })),
      seenAt: now
    }
  })
}

/** The state that anyone may know: that of {@link furthestFromDone}. */
export function publicStatusOf (applications: readonly WatchedState[], ready: boolean): PublicStatus {
  const { phase = 'running', since = 0 } = furthestFromDone(applications) ?? {}
  return { phase, number: phaseNumber(phase), since, ready }
}

/** The application whose end is the furthest from done. */
export function furthestFromDone (applications: readonly WatchedState[]): WatchedState | undefined {
  return applications.toSorted((a, b) => phaseNumber(a.phase) - phaseNumber(b.phase))[0]
}
