import type { WatchedState } from '../protocol.ts'
import { monotonic } from '../heartbeat.ts'
import { unseen } from '../shared-snapshots.ts'
import type { SharedSnapshots, Snapshot } from '../shared-snapshots.ts'
import type { WatchedApplication } from './types.ts'

/** How many requests are told of each application. */
const mostRequests = 10

/** Where more requests than this were in flight, only each fifth heartbeat takes a look at them. */
const manyRequests = 25
const manyEvery = 5

/** The applications of a process, as they are told of. */
export class Snapshots {
  readonly #applications: ReadonlySet<WatchedApplication>
  readonly #shared: SharedSnapshots
  #mostInFlight = 0
  #looks = 0

  constructor (applications: ReadonlySet<WatchedApplication>, shared: SharedSnapshots) {
    this.#applications = applications
    this.#shared = shared
  }

  /** Takes a look at the requests in flight, which the watchdog reads when it needs it. */
  look (): void {
    const snapshots = [...this.#applications].map((one) => one.crowded() ? unseen : snapshotOf(one))
    this.#mostInFlight = Math.max(0, ...snapshots.map(({ inFlight = 0 }) => inFlight))
    this.#shared.write(snapshots)
  }

  /** The same, with each heartbeat: of many requests it takes its time. */
  glance (): void {
    const due = ++this.#looks % manyEvery === 0
    if (due || this.#mostInFlight <= manyRequests) this.look()
  }

  /** All that is told in messages. */
  states (): WatchedState[] {
    return [...this.#applications].map((application) => stateOf(application, unseen))
  }

  /** All that is known now, as JSON: what the watchdog evaluates on a main thread that it has paused. */
  snapshot (): string {
    return JSON.stringify([...this.#applications].map((application) => stateOf(application, snapshotOf(application))))
  }
}

function snapshotOf (application: WatchedApplication): Snapshot {
  const requests = application.requests(mostRequests)
  // Where there are none the time is no news: a service that rests tells nothing.
  return { requests, seenAt: requests.length > 0 ? monotonic() : undefined, inFlight: application.inFlight() }
}

function stateOf (application: WatchedApplication, snapshot: Snapshot): WatchedState {
  return { ...application.state(), ...snapshot, measured: application.metrics !== undefined }
}
